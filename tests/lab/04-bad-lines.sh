#!/usr/bin/env bash
# Goal of this test: a line that loses, delays, reorders and doubles packets brings every byte right, and
# no connection and no child session fails.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
SERVER_LOCAL=10.1.0.2:5000

# Uploads, downloads and short connections at once.
transfer() { # TEXT BYTES
    local text="$TRANSPORT, $1" before=${EPOCHREALTIME/[.,]/}
    start up "${CLIENT_SIDE[@]}" "$TOOLS/load" up --to "$TO" --connections 4 --bytes "$(scaled "$2")" --timeout 60
    start down "${CLIENT_SIDE[@]}" "$TOOLS/load" down --to "$TO" --connections 4 --bytes "$(scaled "$2")" --timeout 60
    check "$text: 50 connections" load rr --to "$TO" --connections "$(scaled 50)" --parallel 10 --timeout 60
    check "$text: bytes up" exit_code up 60
    check "$text: bytes down" exit_code down 60
    note "$text: $((8 * $2)) bytes in $(((${EPOCHREALTIME/[.,]/} - before) / 1000)) ms," \
        "$(lab_count 1 up drops) of $(lab_count 1 up packets) packets lost upwards," \
        "$(lab_count 1 down drops) of $(lab_count 1 down packets) downwards"
    check "$text: packets were lost, up" test "$(lab_count 1 up drops)" -gt 0
    check "$text: and down" test "$(lab_count 1 down drops)" -gt 0
}

bad_lines() {
    end_pair
    start_pair
    # netem reorders by sending a packet at once while the others are delayed.
    lab_netem 1 both delay 10ms reorder 95% loss 1% duplicate 1% limit 10000
    transfer "20 ms, 1% lost, doubled, 5% reordered" 500000
    lab_netem 1 both delay 50ms 5ms loss 5% duplicate 5% limit 10000
    transfer "100 ms, 5% lost, doubled, reordered by 5 ms of jitter" 60000
    check "$TRANSPORT: no child failed" status_is client '.tunnels[0].children | .failed + .full' 0
    check "$TRANSPORT: all in one association" is_first_association
    lab_netem 1 both limit 10000
}

for_transports bad_lines
finish
