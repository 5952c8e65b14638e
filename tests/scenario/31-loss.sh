#!/usr/bin/env bash
# Goal of this test: with 2% of all packets lost, every byte is right and no connection fails.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='mtu = 1500;' SERVER_OPTIONS='mtu = 1500;' # as on most ways, not as on loopback
RELAY="--loss 2 --seed ${SEED:-1}"
start_pair
check "bytes up" load up --to "$TO" --connections 4 --bytes "$(scaled 2000000)" --timeout 120
check "bytes down" load down --to "$TO" --connections 4 --bytes "$(scaled 2000000)" --timeout 120
check "200 connections" load rr --to "$TO" --connections "$(scaled 200)" --parallel 32 --timeout 60
check "half-close" ends half-close-up --to "$TO" --bytes 100000 --connections 10
check "RST of the client" ends reset-by-client --to "$TO" --ask "$TARGET" --bytes 10000 --connections 10
check "RST of the target" ends reset-by-target --to "$TO" --bytes 10000 --connections 10
check "no child failed" status_is client '.tunnels[0].children | .failed + .full' 0
stop client
stop relay
has_lost() {
    jq -e '.lost > 0' "$dir/relay.out.json"
}
grep '^{' "$dir/relay.out" >"$dir/relay.out.json"
check "packets were really lost" has_lost
finish
