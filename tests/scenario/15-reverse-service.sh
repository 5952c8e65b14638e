#!/usr/bin/env bash
# Goal of this test: a service may listen at the server and connect at the client, beside one
# that does not.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target
SERVER_SERVICES="{ name = \"back\"; listen = \"127.0.0.1:0\"; },
                 { name = \"target\"; connect = \"$TARGET\"; }"
CLIENT_SERVICES="{ name = \"target\"; listen = \"127.0.0.1:0\"; },
                 { name = \"back\"; connect = \"$TARGET\"; }"
start_pair
BACK=$(tunnel server '.services[0].listen')
check "the server listens" wait_until 10 load rr --to "$BACK"
check "200 connections from server to client" load rr --to "$BACK" --connections 200 --parallel 16
check "bytes both ways" load both --to "$BACK" --bytes "$(scaled 10000000)" --connections 4
check "half-close up" ends half-close-up --to "$BACK"
check "half-close down" ends half-close-down --to "$BACK" --ask "$TARGET"
check "RST by who connects" ends reset-by-client --to "$BACK" --ask "$TARGET"
check "RST by the target" ends reset-by-target --to "$BACK"

start forward "$TOOLS/load" rr --to "$TO" --connections "$(scaled 2000)" --parallel 32
check "both sides open connections at the same time" \
    load rr --to "$BACK" --connections "$(scaled 2000)" --parallel 32
check "none of the others suffered" exit_code forward
check "nothing stays open" wait_until 10 is_idle client
check "no child session was lost by it" status_is client '.tunnels[0].children.failed' 0
finish
