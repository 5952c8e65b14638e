#!/usr/bin/env bash
# Goal of this test: with 10 ms of delay and packets that overtake each other, every byte is
# right.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='mtu = 1500;' SERVER_OPTIONS='mtu = 1500;' # as on most ways, not as on loopback
RELAY="--delay 10 --jitter 3 --seed ${SEED:-1}"
start_pair
check "bytes both ways" load both --to "$TO" --connections 4 --bytes "$(scaled 400000)" --timeout 120
check "200 connections" load rr --to "$TO" --connections "$(scaled 200)" --parallel 32 --timeout 60
check "half-close up" ends half-close-up --to "$TO" --bytes 50000 --connections 10
check "half-close down" ends half-close-down --to "$TO" --ask "$TARGET" --bytes 50000 --connections 10
check "RST of the client" ends reset-by-client --to "$TO" --ask "$TARGET" --bytes 10000 --connections 10
check "RST of the target" ends reset-by-target --to "$TO" --bytes 10000 --connections 10
check "no child failed" status_is client '.tunnels[0].children | .failed + .full' 0
finish
