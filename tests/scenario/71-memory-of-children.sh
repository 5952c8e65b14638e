#!/usr/bin/env bash
# Goal of this test: children that are ready cost little, and making thousands of them costs little
# more: 4000 of them with a GnuTLS session each, or all under way at once, would take 80 MB at each
# end.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CHILDREN=$(scaled 4000)
SERVER_OPTIONS="streams = { initial = $CHILDREN; max = $CHILDREN; };"
CLIENT_OPTIONS="$SERVER_OPTIONS"
start_pair
are_ready() {
    status_has client ".tunnels[0].children | .ready == $CHILDREN and .full == 0 and .failed == 0"
}
check "$CHILDREN children are ready, all resumed" wait_until 60 are_ready
peak_mb() { # NAME
    awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/${PIDS[$1]}/status"
}
for end in client server; do
    note "$end: $(peak_mb $end) MB at the most"
    check_memory "$end: at no time more than 45 MB" test "$(peak_mb $end)" -le 45
done
check "connections" load rr --to "$TO" --connections 100 --parallel 20
finish
