#!/usr/bin/env bash
# Goal of this test: a client's streams.max alone is enough, both ends say how many streams there are and who limits
# them, and a line says what to change when they are used up.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

streams() { # NAME
    tunnel "$1" .association.streams
}
limiter() { # NAME
    tunnel "$1" .association.streams_limit.by
}

CLIENT_OPTIONS='streams = { max = 3000; };'
start_pair
check "the client's streams.max alone decides" test "$(streams client)" -eq 3000
check "at both ends" test "$(streams server)" -eq 3000
check "the client says that both allow it" has_line client.err 'up to 3000 streams, as both ends allow'
check "the server says who limits it" has_line server.err 'up to 3000 streams, limited by the far end; streams.max here is 8192'
check "and so does its status" test "$(limiter server)" = 'far end'
many=$(scaled 1200)
check "$many connections at once, more than the old default" \
    load hold --to "$TO" --connections "$many" --no-wait --timeout 100
check "none of them was refused" status_is client '.tunnels[0].connections.refused' 0
stop client
stop server

SERVER_OPTIONS='streams = { initial = 2; max = 4; };'
CLIENT_OPTIONS='waiting = { timeout = 60; };'
start_pair
check "where the server allows fewer, the client says so" \
    has_line client.err 'up to 4 streams, limited by the far end; streams.max here is 2048'
check "and its status" test "$(limiter client)" = 'far end'
check "and the server's names the one limit" has_line server.err 'up to 4 streams, limited here, by streams.max; the far end allows 2048'
start held "$TOOLS/load" hold --to "$TO" --connections 4
check "4 connections take all" wait_until 20 has_line held.out '^ready'
start waits "$TOOLS/load" rr --to "$TO" --connections 3 --parallel 3
check "3 more wait" wait_until 10 status_is client '.tunnels[0].connections.waiting' 3
check "and a line says what to change, at which end" \
    has_line client.err 'all 4 streams are taken: a connection waits.*raise streams.max at the far end'
check "one for all of them" test "$(count_lines client.err 'all 4 streams are taken')" -eq 1
send_signal held USR1
check "those that were open end well" exit_code held
check "and those that waited pass" exit_code waits
stop client

CLIENT_OPTIONS=''
write_config client "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
start client "$BASH" -c "ulimit -n 1024 && exec \"\$0\" run \"\$1\"" "$HAWSER" "$dir/client.cfg"
check "too few descriptors for streams.max are told at the start" \
    wait_until 20 has_line client.err 'the limit of open files is 1024, too few for the 2048 connections that streams.max allows'
finish
