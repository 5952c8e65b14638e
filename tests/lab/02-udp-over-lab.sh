#!/usr/bin/env bash
# Goal of this test: between two hosts, 20 ms away from each other and with 1% of the packets lost each
# way, the udp transport brings every byte right and no connection fails.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
lab_delay 1 10
lab_loss 1 1
SERVER_LOCAL=10.1.0.2:5000
start_pair
# 900 packets each way, and as many again with acknowledgements: that none is lost does not happen.
check "bytes up" load up --to "$TO" --connections 4 --bytes 300000 --timeout 100
check "bytes down" load down --to "$TO" --connections 4 --bytes 300000 --timeout 100
check "100 connections" load rr --to "$TO" --connections "$(scaled 100)" --parallel 32 --timeout 60
check "half-close" ends half-close-up --to "$TO" --bytes 100000 --connections 10
check "no child failed" status_is client '.tunnels[0].children | .failed + .full' 0
check "packets were really lost, up" test "$(lab_count 1 up drops)" -gt 0
check "and down" test "$(lab_count 1 down drops)" -gt 0
finish
