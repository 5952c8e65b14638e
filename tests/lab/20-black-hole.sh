#!/usr/bin/env bash
# Goal of this test: a path loses large packets without a word (no ICMP, and IPv6, where routers cut
# nothing up): from the start, and from the middle of a transfer on, when packets are under way that were
# cut for the path as it was. The udp transport finds the size that passes and every byte arrives.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

TRANSPORT=udp
lab_up 1
in_router ip rule add iif lo blackhole pref 10
in_router ip -6 rule add iif lo blackhole pref 10

mtu_is() { # BYTES
    status_has client ".tunnels[0].association.paths[0].mtu == $1" &&
        status_has server ".tunnels[0].association.paths[0].mtu == $1"
}

has_moved() { # BYTES: as many have gone each way
    status_has client ".tunnels[0].bytes | .in > $1 and .out > $1"
}

transfer() {
    load both --to "$TO" --connections 4 --bytes "$(scaled 200000)" --timeout 20
}

at_the_start() { # ADDRESS, MTU, EXPECTED
    end_pair
    lab_mtu 1 "$2"
    SERVER_LOCAL=$1
    start_pair
    check "$1, $2 bytes from the start: every byte arrives" transfer
    check "$1: both ends know that $3 pass" wait_until 20 mtu_is "$3"
    check "$1: in the first association" is_first_association
}

at_the_start 10.1.0.2:5000 1400 1400
# SCTP packets are multiples of 4 bytes long.
at_the_start '[fd00:1::2]:5000' 1450 1448
at_the_start '[fd00:1::2]:5000' 1500 1500

start traffic "${CLIENT_SIDE[@]}" "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 4000000)" --timeout 60
check "there is load" wait_until 20 has_moved 700000
start pings "${CLIENT_SIDE[@]}" "$TOOLS/load" ping --to "$TO" --connections 1 --seconds 2 --timeout 60
lab_mtu 1 1350
check "1350 bytes in the middle of a transfer: every byte arrives" exit_code traffic 60
check "every round trip is made" exit_code pings 60
check "both ends know that 1340 pass" wait_until 20 mtu_is 1340
check "in the first association" is_first_association
check "the client's log says so" grep -q 'packets of 1500 bytes get lost' "$dir/client.err"
note "longest gap $(longest pings) ms"
finish
