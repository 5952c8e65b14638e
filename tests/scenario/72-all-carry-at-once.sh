#!/usr/bin/env bash
# Goal of this test: 2000 connections that all send 64 KB at once are carried one after the other,
# as SCTP has room: what waits does so in their sockets, not encrypted in 130 MB of memory.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

COUNT=$(scaled 2000)
SERVER_OPTIONS="streams = { max = 2100; };"
CLIENT_OPTIONS="$SERVER_OPTIONS"
start_pair
start held "$TOOLS/load" hold --to "$TO" --connections "$COUNT" --parallel 64 --size 65536 --timeout 100
check "$COUNT connections are open" wait_until 60 has_line held.out '^ready'
peak_mb() { # NAME
    awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/${PIDS[$1]}/status"
}
send_signal held USR1
check "each gets its 64 KB back, byte for byte" exit_code held 60
for end in client server; do
    note "$end: $(peak_mb $end) MB at the most"
    check_memory "$end: at no time more than 90 MB" test "$(peak_mb $end)" -le 90
done
check "none is left" wait_until 20 is_idle client
finish
