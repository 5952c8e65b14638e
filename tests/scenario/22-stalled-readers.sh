#!/usr/bin/env bash
# Goal of this test: 8 readers that stop reading stall nobody else, and get every byte when they
# read on.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
start stalled "$TOOLS/load" down --to "$TO" --connections 8 --bytes "$(scaled 40000000)" \
    --stall-after 100000 --timeout 100
check "8 downloads stop reading" wait_until 20 has_line stalled.out '^ready'
check "another client pings 1000 times" load ping --to "$TO" --rounds "$(scaled 1000)"
note "$(grep -o '"p50":.*"max":[0-9.]*' "$dir/check.out")"
p99=$(grep -o '"own_p99_us":[0-9]*' "$dir/check.out" | cut -d : -f 2)
check "with its 99th percentile under 50 ms" test "${p99:-99999999}" -lt $((50000 * SCALE))
check "another client uploads" load up --to "$TO" --bytes "$(scaled 20000000)"
check "another client downloads" load down --to "$TO" --bytes "$(scaled 20000000)"
check "100 new connections" load rr --to "$TO" --connections 100 --parallel 8
send_signal stalled USR1
check "the 8 get every byte" exit_code stalled 100
finish
