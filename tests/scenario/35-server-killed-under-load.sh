#!/usr/bin/env bash
# Goal of this test: the server is killed under load and started again: nobody sees wrong bytes,
# and soon all passes again.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='dead_after = 2; heartbeat = 0.5;'
SERVER_OPTIONS=$CLIENT_OPTIONS
start_pair
for round in 1 2 3; do
    start traffic "$TOOLS/load" both --to "$TO" --connections 8 --bytes 1000000000 --timeout 60
    start clicks "$TOOLS/load" rr --to "$TO" --seconds 2 --parallel 16 --timeout 60
    busy() {
        status_has client '.tunnels[0].connections | .open >= 8 and .total >= 100'
    }
    check "round $round: there is load" wait_until 20 busy
    crash server
    ended_with_error() {
        ! exit_code traffic 30
    }
    check "round $round: the uploads and downloads end with an error, not as if complete" ended_with_error
    no_wrong_bytes() {
        ! grep 'wrong bytes' "$dir/traffic.err" "$dir/clicks.err"
    }
    exit_code clicks 60
    check "round $round: nobody has seen a wrong byte" no_wrong_bytes
    start_server
    check "round $round: the tunnel comes up again" wait_until 20 is_up client
    check "round $round: connections pass" load rr --to "$TO" --connections 200 --parallel 16
done
check "nothing stays open" wait_until 10 is_idle client
# The client would wait for 2 s if the server, which knows nothing of the association, kept silent.
lost=$(status client '.tunnels[0].counters.associations_lost')
start traffic "$TOOLS/load" both --to "$TO" --connections 8 --bytes 1000000000 --timeout 60
check "there is load once more" wait_until 20 status_has client '.tunnels[0].connections.open >= 8'
crash server
start_server
check "started again at once: its connections end with an error" ended_with_error
check "and the client has noticed by the server's answer" \
    has_line client.err 'the peer does not know this association'
check "the tunnel comes up again" wait_until 20 is_up client
check "one association was lost" \
    status_has client ".tunnels[0].counters.associations_lost >= $lost + 1"
finish
