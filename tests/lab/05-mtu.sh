#!/usr/bin/env bash
# Goal of this test: the largest packet of a path becomes smaller in the middle of a transfer. Where the
# router says so (ICMP), the association goes on. Where nobody says so, it goes on, too, because routers may
# cut its packets up: the udp transport's always, the kernel's as soon as it is noticed that large ones vanish.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
SERVER_LOCAL=10.1.0.2:5000
CLIENT_OPTIONS='dead_after = 4;' SERVER_OPTIONS='dead_after = 4;'

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
    before=$SECONDS
    check "$TRANSPORT, 1000 bytes, without ICMP: every byte arrives" transfer 40
    check "$TRANSPORT: in the first association" is_first_association
    note "$TRANSPORT, 1000 bytes, without ICMP: $((SECONDS - before)) s, MTU $(mtu)"
    [ "$TRANSPORT" != kernel ] || check "kernel: the log says so" has_line client.err 'large packets vanish on the way'
    unsilence_router
}

# Nobody may cut up what is on its way: the next association is the one that goes on.
shrink_ipv6() {
    end_pair
    lab_mtu 1 1500
    SERVER_LOCAL='[fd00:1::2]:5000'
    start_pair
    in_router ip -6 rule add iif lo blackhole pref 10
    check "$TRANSPORT, IPv6: every byte arrives" transfer 20
    lab_mtu 1 1300
    check "$TRANSPORT, IPv6, 1300 bytes, without ICMP: every byte arrives, now or soon" wait_until 60 transfer 20
    note "$TRANSPORT, IPv6, 1300 bytes, without ICMP: MTU $(mtu)"
    in_router ip -6 rule delete pref 10
    SERVER_LOCAL=10.1.0.2:5000
}

for_transports shrink
for_transports shrink_ipv6
finish
