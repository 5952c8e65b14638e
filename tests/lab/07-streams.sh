#!/usr/bin/env bash
# Goal of this test: both ends ask for all streams that SCTP has, then one of them for few: what was
# granted is used and no more.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
SERVER_LOCAL=10.1.0.2:5000

granted() {
    tunnel client .association.streams
}

ask() { # CLIENT SERVER
    local text="$TRANSPORT, $1 and $2 streams"
    end_pair
    CLIENT_OPTIONS="streams = { max = $1; };" SERVER_OPTIONS="streams = { max = $2; };"
    start_pair
    note "$text: $(granted) granted; the client has" \
        "$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/${PIDS[client]}/status") MB"
    check "$text: both ends agree" test "$(granted)" -eq "$(tunnel server .association.streams)"
    check "$text: connections pass" load rr --to "$TO" --connections "$(scaled 100)" --parallel 20
    check "$text: none was refused" status_is client .tunnels[0].counters.connections_refused 0
}

ask_all() {
    ask 65533 65533
    check "$TRANSPORT: all are granted" test "$(granted)" -eq 65533
    ask 65533 4
    check "$TRANSPORT: the server's number counts" test "$(granted)" -eq 4
    check "$TRANSPORT: no more children than that" status_has client '.tunnels[0].children.ready <= 4'
}

for_transports ask_all
finish
