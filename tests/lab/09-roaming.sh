#!/usr/bin/env bash
# Goal of this test: the client's address changes under load, first to another one of the same link, then
# to another link. With the udp transport the association goes on and nothing is lost; with the kernel's
# SCTP there is a new one as soon as the old one counts as dead.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

SERVER_LOCAL=10.1.0.2:5000

is_at() { # ADDRESS: the server sends there
    status_has server "[.tunnels[0].associations[] | .address | startswith(\"$1:\")] | any"
}

settle() { # PATHS
    lab_up "$1"
    in_router ip route add 10.1.0.9 dev rc1
    in_server ip route add 10.1.0.9 via 10.1.0.254 dev s1
}

# The new address is there before the old one goes; the way to the server changes with it.
leave() { # NEW-ADDRESS DEVICE GATEWAY OLD-ADDRESS OLD-DEVICE
    ip -n client -batch - <<END
address replace $1/32 dev $2
route replace 10.1.0.2 via $3 dev $2 src $1
address delete $4/32 dev $5
END
}

move_under_load() { # TEXT NEW-ADDRESS...: as above
    local text="udp, $1"
    shift
    start_pings pings
    start traffic "${CLIENT_SIDE[@]}" "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 8000000)" \
        --stall-after "$(scaled 500000)" --timeout 60
    check "$text: there is load, held back in the middle" wait_until 20 has_line traffic.out '^ready'
    send_signal traffic USR1
    leave "$@"
    check "$text: the server follows" wait_until 20 is_at "$1"
    check "$text: every byte of 4 uploads and downloads arrives" exit_code traffic 60
    check "$text: no round trip is lost" end_pings pings
    check "$text: the longest takes less than 1500 ms" test "$(longest pings)" -lt 1500
    check "$text: in the first association" is_first_association
    note "$text: longest gap $(longest pings) ms"
}

roam_udp() {
    settle 2
    start_pair
    check "udp: the server sees the first address" is_at 10.1.0.1
    move_under_load "another address" 10.1.0.9 c1 10.1.0.254 10.1.0.1 c1
    move_under_load "another link" 10.2.0.1 c2 10.2.0.254 10.1.0.9 c1
}

roam_kernel() {
    local begun
    end_pair
    stop target
    rm "$dir/target.out" # which would be taken for the next one's
    TARGET='' SERVER_SERVICES=''
    CLIENT_OPTIONS='dead_after = 3; heartbeat = 0.5;' SERVER_OPTIONS='dead_after = 3; heartbeat = 0.5;'
    settle 1 # more addresses would all belong to the association
    start_pair
    check "kernel: the server sees the first address" is_at 10.1.0.1
    begun=$(milliseconds)
    leave 10.1.0.9 c1 10.1.0.254 10.1.0.1 c1
    check "kernel: there is a second association" wait_until 30 status_has client \
        '.tunnels[0] | .counters.associations_total == 2 and .state == "up"'
    note "kernel, another address: a new association after $(($(milliseconds) - begun)) ms, with dead_after = 3"
    check "kernel: from the new address" is_at 10.1.0.9
    check "kernel: connections pass" load rr --to "$TO" --connections "$(scaled 100)" --parallel 16
}

roam() {
    "roam_$TRANSPORT"
}

for_transports roam
finish
