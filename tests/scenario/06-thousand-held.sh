#!/usr/bin/env bash
# Goal of this test: 1000 connections open at once, all of them alive, all of them resumed.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
count=$(scaled 1000)
start held "$TOOLS/load" hold --to "$TO" --connections "$count" --parallel 64 --timeout 100
check "$count connections are open and answer" wait_until 60 has_line held.out '^ready'
check "the client counts them" status_is client '.tunnels[0].connections.open' "$count"
check "the server counts them" status_is server '.tunnels[0].connections.open' "$count"
check "as many children are resumed, none full" \
    status_has client ".tunnels[0].children | .resumed >= $count and .full == 0 and .failed == 0"
check "one more still passes" load rr --to "$TO"

# An idle connection must cost nothing: what the two endpoints used of the processor in a second.
ticks() {
    cat "/proc/${PIDS[client]}/stat" "/proc/${PIDS[server]}/stat" | awk '{ sum += $14 + $15 } END { print sum }'
}
before=$(ticks)
sleep 1 # the time over which is measured
used=$(($(ticks) - before))
note "processor time of both ends in 1 s with $count idle connections: $used ticks of 10 ms"
check "idle connections cost less than a tenth of a core" test "$used" -le $((10 * SCALE))
send_signal held USR1
check "each of them still answers" exit_code held 60
check "none is left" wait_until 20 is_idle client
finish
