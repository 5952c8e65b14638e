#!/usr/bin/env bash
# Goal of this test: the original question: 512 children from one master by 1, 2 and 4 threads,
# all of them resumed.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

count=$(scaled 512)
SERVER_OPTIONS="streams = { initial = $count; max = 1024; };"
CLIENT_OPTIONS=$SERVER_OPTIONS
all_ready() {
    status_has client ".tunnels[0].children.ready >= $count"
}
make_certificates
start_target
for THREADS in 1 2 4; do
    SERVER_LOCAL=127.0.0.1:0
    start_server
    REMOTE=$SERVER
    started=${EPOCHREALTIME/[.,]/}
    start_client
    check "$THREADS threads: $count children are ready" wait_until 60 all_ready
    note "$THREADS threads: ready $(((${EPOCHREALTIME/[.,]/} - started) / 1000)) ms after the client's process began"
    check "$THREADS threads: $count of $count resumed at the client" \
        status_has client ".tunnels[0].children | .resumed >= $count and .full == 0 and .failed == 0"
    check "$THREADS threads: $count of $count resumed at the server" \
        status_has server ".tunnels[0].children | .resumed >= $count and .full == 0 and .failed == 0"
    check "$THREADS threads: they carry connections" \
        load hold --to "$TO" --connections "$count" --parallel 64 --no-wait
    check "$THREADS threads: the client ends" stop client
    check "$THREADS threads: the server ends" stop server
done
finish
