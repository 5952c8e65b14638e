#!/usr/bin/env bash
# Goal of this test: when every stream is taken, connections wait in a queue with a limit and a
# time-out; a service's share is kept.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target
CLIENT_OPTIONS='streams = { initial = 4; max = 8; }; waiting = { max = 6; timeout = 1; };'
SERVER_OPTIONS='streams = { initial = 4; max = 8; };'
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }, { name = \"kept\"; connect = \"$TARGET\"; }"
CLIENT_SERVICES='{ name = "target"; listen = "127.0.0.1:0"; },
                 { name = "kept"; listen = "127.0.0.1:0"; streams = { min = 2; max = 2; }; }'
start_pair
KEPT=$(tunnel client '.services[1].listen')
start held "$TOOLS/load" hold --to "$TO" --connections 6
check "6 connections take all streams that are not kept" wait_until 20 has_line held.out '^ready'
check "one more waits, and is refused with RST after the time-out" ends refused --to "$TO"
check "the log says that no stream became free" wait_until 5 has_line client.err 'no stream became free'
check "of 20 more, all are refused" ends refused --to "$TO" --connections 20
check "and most of them at once, because the queue is full" \
    has_line client.err 'too many connections wait for a stream: waiting.max = 6 '
start all_kept "$TOOLS/load" hold --to "$KEPT" --connections 2
check "the kept streams are free all the time" wait_until 10 has_line all_kept.out '^ready'
check "a third of that service is refused" ends refused --to "$KEPT"
check "and the log names the option that says so" \
    has_line client.err 'service limit reached: streams.max = 2 '
send_signal all_kept USR1
check "the two were right to the end" exit_code all_kept
start waits "$TOOLS/load" rr --to "$TO"
waiting() {
    status_is client '.tunnels[0].connections.waiting' 1
}
check "a connection waits" wait_until 5 waiting
send_signal held USR1
check "those that held the streams were right to the end" exit_code held
check "and the one that waited passes" exit_code waits
finish
