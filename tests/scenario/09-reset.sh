#!/usr/bin/env bash
# Goal of this test: RST arrives as RST, in both directions: never as FIN, which would look like
# the end.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
bytes=$(scaled 1000000)
check "RST of the client reaches the target" \
    ends reset-by-client --to "$TO" --ask "$TARGET" --bytes "$bytes"
check "RST of the target reaches the client" ends reset-by-target --to "$TO" --bytes "$bytes"
check "50 connections reset by the client" \
    ends reset-by-client --to "$TO" --ask "$TARGET" --bytes 100000 --connections 50
check "50 connections reset by the target" \
    ends reset-by-target --to "$TO" --bytes 100000 --connections 50
check "nothing stays open at the client" wait_until 10 is_idle client
check "nor at the server" wait_until 10 is_idle server
check "the streams live on: new connections pass" load rr --to "$TO" --connections 200 --parallel 16
check "no child session was lost by it" status_is client '.tunnels[0].children.failed' 0
finish
