#!/usr/bin/env bash
# Goal of this test: 1000 connections, opened and closed at 64 at a time, each right, each on a
# resumed child.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
count=$(scaled 1000)
check "$count connections, 64 at a time" load rr --to "$TO" --connections "$count" --parallel 64
check "none is left at the client" wait_until 10 is_idle client
check "none is left at the server" wait_until 10 is_idle server
check "every one was counted" status_is client '.tunnels[0].connections.total' "$count"
check "all went through one association" status_is client '[.tunnels[].association.id] | length' 1
check "every child was resumed" \
    status_has client '.tunnels[0].children | .resumed >= 16 and .full == 0 and .failed == 0'
children=$(tunnel client '.children.started')
# A connection that its client has closed holds its stream until the target has closed, too: 64 at a time
# take up to 230 streams on a busy machine. A quarter as many at a time, so that those are enough.
check "$count more" load rr --to "$TO" --connections "$count" --parallel 16
check "which took the streams that were there: hardly a new child" \
    status_has client ".tunnels[0].children.started < $children + 16"
finish
