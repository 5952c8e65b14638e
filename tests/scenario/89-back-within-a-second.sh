#!/usr/bin/env bash
# Goal of this test: whatever the addresses of a server do meanwhile (swallow everything, refuse),
# its client is back within a second of the server, after a short outage and after a long one, and
# with the defaults of a configuration; and its log does not grow with the attempts.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# A second is what is promised; what is to be found are pauses of 3 s and more, on a busy machine too.
SOON=2500

# A socket that nobody reads: sets DEAD to its address.
start_dead() {
    start dead "$TOOLS/relay" --to 127.0.0.1:9
    wait_until 10 has_line dead.out '^listening' || fatal "no dead address"
    DEAD=$(sed -n 's/^listening //p' "$dir/dead.out")
    send_signal dead STOP
}

# With the remotes REMOTE, and reconnect as it is by default.
start_plain_client() {
    write_config client "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE" | grep -v 'reconnect =')"
    run_hawser client
    wait_until 30 is_up client || fatal "the tunnel does not come up"
}

is_not_up() {
    ! is_up client
}

# outage WHAT SECONDS: the server is away for so long.
outage() {
    stop server
    check "$1: the outage is noticed" wait_until 20 is_not_up
    sleep "$2" # the outage itself
    start_server
    local took
    check "$1: the client is up again" wait_until 30 is_up client
    took=$(back_after)
    note "$1: $took ms after the server"
    check "$1: soon" test "$took" -lt "$SOON"
}

start_target 127.0.0.1:0
make_certificates
start_server
start_dead
for REMOTE in "$DEAD $SERVER" "$SERVER $DEAD" "$SERVER"; do
    case $REMOTE in
    "$DEAD "*) what="a dead address first" ;;
    *" $DEAD") what="a dead address last" ;;
    *) what="one address" ;;
    esac
    start_plain_client
    outage "$what, a restart" 0
    outage "$what, 4 s" 4
    stop client
done
REMOTE=$SERVER
start_plain_client
: >"$dir/client.err"
outage "refused for 7 s" 7
lines=$(wc -l <"$dir/client.err")
note "lines of log: $lines"
check "the log does not grow with the attempts" test "$lines" -lt 20
check "it says why" has_line client.err 'no association: .*refused'
stop client
# Nothing answers at all, for longer than an attempt lasts.
start_plain_client
stop server
check "a silent outage is noticed" wait_until 20 is_not_up
start silent "$TOOLS/relay" --listen "$SERVER" --to 127.0.0.1:9
wait_until 10 has_line silent.out '^listening' || fatal "nobody swallows"
send_signal silent STOP
sleep 13 # the outage itself
crash silent
start_server
check "after 13 silent seconds the client is up again" wait_until 30 is_up client
took=$(back_after)
note "$took ms after the server"
check "soon" test "$took" -lt "$SOON"
finish
