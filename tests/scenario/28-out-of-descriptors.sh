#!/usr/bin/env bash
# Goal of this test: out of file descriptors, the listener rests and the process lives; later
# everything passes again.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target
make_certificates
start_server
REMOTE=$SERVER
write_config client "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
start client bash -c "ulimit -n 64; exec '$HAWSER' run '$dir/client.cfg'"
check "a client with 64 descriptors comes up" wait_until 20 is_up client
TO=$(tunnel client '.services[0].listen')
start held "$TOOLS/load" hold --to "$TO" --connections 30 --no-wait --timeout 60
check "30 connections fit" exit_code held
start many "$TOOLS/load" hold --to "$TO" --connections 100 --parallel 100 --timeout 100
check "100 at once do not: the log says what is missing" \
    wait_until 20 has_line client.err '[Dd]escriptor|Too many open files'
check "but not once for each turn of the loop" test "$(count_lines client.err 'escriptor|Too many open')" -le 50
busy() {
    awk '{ print $14 + $15 }' "/proc/${PIDS[client]}/stat"
}
before=$(busy)
sleep 1 # the time over which is measured
used=$(($(busy) - before))
note "processor time in 1 s while resting: $used ticks of 10 ms"
check "it does not spin" test "$used" -le 50
check "the process lives" is_running client
check "and says how it is" wait_until 10 is_up client
crash many
check "once there is room, 200 connections are served" \
    load rr --to "$TO" --connections 200 --parallel 20
check "and the status answers" wait_until 10 is_idle client
finish
