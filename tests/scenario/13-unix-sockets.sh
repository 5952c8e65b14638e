#!/usr/bin/env bash
# Goal of this test: UNIX sockets at both ends carry the same as TCP.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target "unix:$dir/target.socket"
CLIENT_SERVICES='{ name = "target"; listen = "unix:client-side.socket"; }'
start_pair
TO=unix:$dir/client-side.socket
check "the listening socket is for its owner only" \
    test "$(stat -c %a "$dir/client-side.socket")" = 600
check "100 connections" load rr --to "$TO" --connections 100 --parallel 10
check "bytes up" load up --to "$TO" --bytes "$(scaled 10000000)" --connections 4
check "bytes down" load down --to "$TO" --bytes "$(scaled 10000000)" --connections 4
check "half-close up" ends half-close-up --to "$TO"
check "half-close down" ends half-close-down --to "$TO" --ask "$TARGET"
check "the socket file goes with the client" stop client
check "it is gone" test ! -e "$dir/client-side.socket"
start_client
check "and comes again" wait_until 20 is_up client
crash client
check "a stale socket file is left by SIGKILL" test -S "$dir/client-side.socket"
start_client
check "and is no obstacle" wait_until 20 is_up client
check "connections pass" load rr --to "$TO" --connections 10
finish
