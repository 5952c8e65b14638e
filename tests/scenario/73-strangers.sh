#!/usr/bin/env bash
# Goal of this test: people without credentials end nothing, get no more out of the server than they
# send, write nothing into its log but what it says of them, and take little of its memory.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
stranger() {
    "$TOOLS/stranger" --to "$SERVER" "$@"
}
memory() {
    awk '/VmRSS/ { print $2 }' "/proc/${PIDS[server]}/status"
}
answered_at_most_thrice() { # what stranger printed
    awk '{ exit !($3 <= 3 * $6) }' <<<"$1"
}

# ---- one packet ----
for parameters in 1 100 1000 3270 3271 16000; do
    said=$(stranger --init "$parameters")
    check "an INIT of $parameters unknown parameters is survived" is_running server
    check "and its answer is no larger than three times itself ($said)" answered_at_most_thrice "$said"
done

# ---- many of one source ----
said=$(stranger --count 140 --each 140 --from 9 --say --then data --size 0)
check "of 140 associations of one source ($said)" test "${said%% *}" -ge 140
check "the oldest of that source make room" \
    wait_until 5 has_line server.err 'made room for newer ones of this source'
check "and a client that was verified does not" is_up client

# ---- words ----
forged='x" peer=admin.example: association up with 192.0.2.1 over udp'
said=$(stranger --count 150 --from 10 --say --then abort --text "$forged")
check "150 associations of strangers come up and are aborted ($said)" test "${said%% *}" -ge 100
check "each answer was small" answered_at_most_thrice "$said"
check "their words are in the log, inside quotes" \
    wait_until 5 has_line server.err "\"x' peer=admin.example: association up with 192.0.2.1 over udp\""
check "and nowhere without them" has_not server.err '[^"]x" peer='
lines=$(count_lines server.err 'no association')
check "of 180 lines $lines were written" test "$lines" -le 40
check "the tunnel is still up" is_up client
check "and carries connections" load rr --to "$TO" --connections 20

# ---- memory ----
first=$(memory)
stranger --count 60 --from 20 --then data --size 2500000 --stay 300 >"$dir/data" &
strangers=$!
wait "$strangers"
check "60 associations with a missing packet come up ($(cat "$dir/data"))" grep -q '^60 up' "$dir/data"
grown=$(($(memory) - first))
note "60 with 2.5 MB behind a missing packet: memory of the server grew by $grown KB"
check_memory "less than 50 MiB, where they took 150" test "$grown" -lt 51200
stranger --count 30 --from 40 --then tiny --size 40000 --stay 300 >"$dir/tiny"
grown=$(($(memory) - first))
note "and 30 with 10000 chunks of 4 bytes: $grown KB"
check_memory "less than 60 MiB" test "$grown" -lt 61440
check "the tunnel is still up" is_up client
check "and carries connections" load rr --to "$TO" --connections 20
finish
