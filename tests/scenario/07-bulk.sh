#!/usr/bin/env bash
# Goal of this test: 16 connections carry 64 MiB each, up, then down, then both ways: every byte
# right.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
bytes=$(scaled $((64 * 1024 * 1024)))
for mode in up down; do
    check "16 times $bytes bytes $mode" \
        load $mode --to "$TO" --connections 16 --bytes "$bytes" --timeout 120
    note "$(grep -o '"mb_per_second":[0-9.]*' "$dir/check.out")"
done
check "16 times a quarter of it both ways at once" \
    load both --to "$TO" --connections 16 --bytes $((bytes / 4)) --timeout 120
check "nothing stays open" wait_until 10 is_idle client
finish
