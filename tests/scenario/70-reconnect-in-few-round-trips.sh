#!/usr/bin/env bash
# Goal of this test: a reconnect with 64 children over 20 ms takes few round trips, all resumed: the
# handshakes of the children do not wait for each other, nor for anything that they do not need.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

ROUND_TRIP_MS=20
CHILDREN=64
RELAY="--delay $((ROUND_TRIP_MS / 2))"
SERVER_OPTIONS="mtu = 1500; streams = { initial = $CHILDREN; };" # not loopback's 64 KB
CLIENT_OPTIONS="$SERVER_OPTIONS"
SERVER_TLS_OPTIONS='ticket_key_file = "tickets";'
openssl rand -base64 64 | tr -d '\n' >"$dir/tickets"
echo >>"$dir/tickets"
chmod 600 "$dir/tickets"

readonly READY="$CHILDREN streams ready, [0-9.]+ ms"
ready() { # TIMES
    [ "$(count_lines client.err "$READY")" -ge "$1" ]
}
# Of the last time.
measure() { # TEXT
    local took
    took=$(grep -Eo "$READY" "$dir/client.err" | tail -n 1 | awk '{ print $4 }')
    trips=$(awk "BEGIN { printf \"%.1f\", $took / $ROUND_TRIP_MS }")
    note "$1: $took ms from the first packet until $CHILDREN streams are ready: $trips round trips"
}
few_round_trips() {
    awk "BEGIN { exit !($trips <= 15 * $SCALE) }"
}
restart_client() { # it remembers no session then
    stop client
    start_client
}
restart_server() { # no farewell: the first packet that it answers ends the old association
    crash server
    start_server
}
# A busy machine has other delays than the line's, but not each time.
once_in_few_round_trips() { # TEXT RESTART
    local attempt
    for attempt in 1 2 3 4 5; do
        measure "$1"
        few_round_trips && return
        "$2"
        times=$((times + 1))
        wait_until 20 ready "$times" || return
    done
    note "not in $attempt attempts"
    return 1
}
is_resumed() {
    is_up client && status_is client '.tunnels[0].tls.master_resumed' true
}
no_full() {
    status_is "$1" '.tunnels[0].children | .full + .failed' 0
}

start_pair
times=1
check "$CHILDREN streams become ready" wait_until 20 ready "$times"
check "in at most 15 round trips after a full handshake" once_in_few_round_trips "full master" restart_client
for reconnect in 1 2 3; do
    restart_server
    times=$((times + 1))
    check "reconnect $reconnect: $CHILDREN streams become ready" wait_until 20 ready "$times"
    check "the master was resumed" wait_until 5 is_resumed
    check "in at most 15 round trips" once_in_few_round_trips "resumed master" restart_server
done
check "connections" load rr --to "$TO" --connections 100 --parallel 20
check "the client had no child that was not resumed" no_full client
check "nor had the server" no_full server
finish
