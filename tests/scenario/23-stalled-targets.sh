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
# Writers in the background: nobody reads what they send, so they never end by themselves.
send_for_ever() {
    local host=${TO%:*} port=${TO##*:}
    # A header as in tests/tools/request.h: magic, flags NEVER_READ, seed, up, down.
    { printf '\x31\x53\x57\x48\x20\x00\x00\x00%024d' 0; cat /dev/zero; } | nc "$host" "$port"
}
for i in 1 2 3 4 5 6 7 8; do
    start "sender$i" bash -c "$(declare -f send_for_ever); TO=$TO; send_for_ever"
done
all_open() {
    status_is server '.tunnels[0].connections.open' 8
}
check "8 connections send to a target that never reads" wait_until 20 all_open
bytes_stand_still() {
    local now
    now=$(tunnel client '.bytes.out')
    [ "$now" = "$last" ] && [ "$now" -gt 0 ] && return 0
    last=$now
    sleep 0.2 # between two looks
    return 1
}
last=-1
check "after a while they are held back" wait_until 20 bytes_stand_still
grown=$((($(memory) - before) / 1024))
note "memory of both ends grew by $grown MiB"
check "both ends together hold at most 300 MiB for them" test "$grown" -le 300
check "another client pings" load ping --to "$TO" --rounds "$(scaled 1000)"
check "another client uploads" load up --to "$TO" --bytes "$(scaled 20000000)"
for i in 1 2 3 4 5 6 7 8; do
    pkill -KILL -P "${PIDS[sender$i]}"
    crash "sender$i"
done
check "once they are gone, nothing stays open" wait_until 20 is_idle client
finish
