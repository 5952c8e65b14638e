#!/usr/bin/env bash
# Goal of this test: one association with a path of IPv4 and one of IPv6: each carries it while the other
# is cut.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 2
FOUR=10.1.0.2 SIX='[fd00:2::2]'
SERVER_LOCAL="$FOUR:5000 $SIX:5000"
CLIENT_OPTIONS='local = [ "10.1.0.1:0", "[fd00:2::1]:0" ];'

cut_one() { # PATH USED-THEN
    local text="$TRANSPORT, $2 alone"
    start_pings pings --connections 4
    check "$text: there is load" wait_until 20 status_has client '.tunnels[0].connections.open >= 4'
    lab_cut "$1"
    check "$text: is used" wait_until 20 uses client "$2"
    check "$text: bytes both ways" load both --to "$TO" --connections 4 --bytes "$(scaled 300000)" --timeout 60
    check "$text: no round trip is lost" end_pings pings
    check "$text: the longest takes less than 1500 ms" test "$(longest pings)" -lt 1500
    note "$text: longest gap $(longest pings) ms"
    lab_restore "$1"
    check "$text: both are active again" wait_until 20 has_paths client 2
    check "$text: at the server, too" wait_until 20 has_paths server 2
}

mix() {
    end_pair
    start_pair
    check "$TRANSPORT: two paths are active" wait_until 20 has_paths client 2
    check "$TRANSPORT: at the server, too" wait_until 20 has_paths server 2
    cut_one 1 "$SIX"
    cut_one 2 "$FOUR"
    check "$TRANSPORT: all in one association" is_first_association
}

for_transports mix
finish
