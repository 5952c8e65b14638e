#!/usr/bin/env bash
# Goal of this test: targets that never read stall only those who send to them, and hold a
# bounded amount of memory.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
memory() { # of both ends, in KB
    awk '/VmRSS/ { sum += $2 } END { print sum }' "/proc/${PIDS[client]}/status" "/proc/${PIDS[server]}/status"
}
before=$(memory)
start senders "$TOOLS/unread" --to "$TO" --connections 8
check "8 connections send to a target that never reads, until they are held back" \
    wait_until 60 has_line senders.out '^ready'
note "bytes that the way holds: $(sed -n 's/^ready //p' "$dir/senders.out")"
grown=$((($(memory) - before) / 1024))
note "memory of both ends grew by $grown MiB"
check_memory "both ends together hold at most 300 MiB for them" test "$grown" -le 300
check "another client pings" load ping --to "$TO" --rounds "$(scaled 1000)"
check "another client uploads" load up --to "$TO" --bytes "$(scaled 20000000)"
check "those who send are still there" send_signal senders USR1
check "and not one broke" exit_code senders
check "once they are gone, nothing stays open" wait_until 20 is_idle client
finish
