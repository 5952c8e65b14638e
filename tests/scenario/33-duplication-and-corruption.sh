#!/usr/bin/env bash
# Goal of this test: duplicated, replayed and corrupted packets change no byte and end no
# connection.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='mtu = 1500;' SERVER_OPTIONS='mtu = 1500;' # as on most ways, not as on loopback
RELAY="--duplicate 5 --replay 5 --corrupt 1 --delay 1 --jitter 2 --seed ${SEED:-1}"
start_pair
association=$(tunnel client '.association.id')
check "bytes both ways" load both --to "$TO" --connections 4 --bytes "$(scaled 2000000)" --timeout 120
check "200 connections" load rr --to "$TO" --connections "$(scaled 200)" --parallel 32 --timeout 60
check "half-close" ends half-close-up --to "$TO" --bytes 100000 --connections 10
check "the association is still the same" status_is client '.tunnels[0].association.id' "$association"
check "no child failed" status_is client '.tunnels[0].children | .failed + .full' 0
stop client
stop relay
grep '^{' "$dir/relay.out" >"$dir/relay.json"
check "packets were really duplicated, replayed and corrupted" \
    jq -e '.duplicated > 0 and .replayed > 0 and .corrupted > 0' "$dir/relay.json"
finish
