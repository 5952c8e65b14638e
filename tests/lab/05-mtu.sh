#!/usr/bin/env bash
# Goal of this test: the largest packet of a path becomes smaller in the middle of a transfer. Where the
# router says so (ICMP), the association goes on. Where nobody says so, the udp transport goes on, too,
# because routers may cut its packets up; the kernel's SCTP forbids that and stands still, and the option
# mtu helps.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
SERVER_LOCAL=10.1.0.2:5000

is_busy() { # BYTES: as many have gone up before
    status_has client ".tunnels[0].bytes.out - $1 > 300000"
}

mtu() {
    tunnel client '.association.paths[0].mtu'
}

# The router's own packets go nowhere.
silence_router() {
    in_router ip rule add iif lo blackhole pref 10
}

unsilence_router() {
    in_router ip rule delete pref 10
}

transfer() { # SECONDS
    load both --to "$TO" --connections 4 --bytes "$(scaled 200000)" --timeout "$1"
}

shrink() {
    local before
    end_pair
    lab_mtu 1 1500
    start_pair
    note "$TRANSPORT: MTU $(mtu) at first"
    before=$(tunnel client .bytes.out)
    start pings "${CLIENT_SIDE[@]}" "$TOOLS/load" ping --to "$TO" --connections 1 --seconds 2 --timeout 60
    start traffic "${CLIENT_SIDE[@]}" "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 4000000)" --timeout 40
    check "$TRANSPORT: there is load" wait_until 20 is_busy "$before"
    lab_mtu 1 1300
    check "$TRANSPORT, 1300 bytes, with ICMP: every byte arrives" exit_code traffic 60
    check "$TRANSPORT, 1300 bytes, with ICMP: and later, too" transfer 20
    check "$TRANSPORT, 1300 bytes, with ICMP: every round trip is made" exit_code pings 60
    check "$TRANSPORT: in the first association" is_first_association
    note "$TRANSPORT, 1300 bytes, with ICMP: longest gap $(longest pings) ms, MTU $(mtu)"
    silence_router
    lab_mtu 1 1000
    "without_icmp_$TRANSPORT"
    unsilence_router
}

without_icmp_udp() {
    check "udp, 1000 bytes, without ICMP: every byte arrives" transfer 20
    check "udp: in the first association" is_first_association
}

without_icmp_kernel() {
    transfer 3 2>"$dir/transfer.err" >"$dir/transfer.out"
    note "kernel, 1000 bytes, without ICMP: MTU $(mtu), after 3 s $(jq .bytes_down "$dir/transfer.out") bytes of 800000 have come down"
    end_pair
    CLIENT_OPTIONS='mtu = 1000;' SERVER_OPTIONS='mtu = 1000;'
    start_pair
    check "kernel, 1000 bytes, without ICMP but with the option mtu: every byte arrives" transfer 20
    note "kernel, with the option: MTU $(mtu)"
}

for_transports shrink
finish
