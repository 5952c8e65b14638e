#!/usr/bin/env bash
# Goal of this test: a service that the far end does not have: refused with RST and a clear line;
# the rest goes on.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_SERVICES='{ name = "target"; listen = "127.0.0.1:0"; },
                 { name = "nowhere"; listen = "127.0.0.1:0"; }'
start_pair
check "20 connections are refused with RST" \
    ends refused --to "$(tunnel client '.services[1].listen')" --connections 20
check "the log names service and reason" \
    wait_until 5 has_line client.err 'nowhere.*refused by the far end: no .connect. for this service'
check "the status counts them" status_is client '.tunnels[0].services[1].refused' 20
check "the other service is untouched" load rr --to "$TO" --connections 100
check "no child session was lost by it" status_is client '.tunnels[0].children.failed' 0
finish
