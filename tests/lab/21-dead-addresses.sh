#!/usr/bin/env bash
# Goal of this test: a server is found soon after its coming back (within a second where programs are not
# slow), with every transport, whatever the other addresses do: dead (the path is cut), refusing (a host
# without the program), or late.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 3
SERVER_LOCAL=10.2.0.2:5000 # one of three addresses of its host: at the others nobody listens
DEAD=10.1.0.2:5000 REFUSING=10.3.0.2:5000

is_not_up() {
    ! is_up client
}

comes_back() { # ORDER OF REMOTES
    local took
    start_server
    REMOTE=$1
    start_client
    check "$TRANSPORT, $1: the tunnel is up" wait_until 30 is_up client
    stop server
    check "$TRANSPORT, $1: the outage is noticed" wait_until 30 is_not_up
    sleep 4 # the outage itself: longer than the pauses at the beginning
    start_server
    check "$TRANSPORT, $1: it is up again" wait_until 30 is_up client
    took=$(back_after)
    note "$TRANSPORT, $1: after $took ms"
    # The test looks for pauses of 3 s and more.
    check "$TRANSPORT, $1: soon" test "$took" -lt 2500
    end_pair
}

all_orders() {
    comes_back "$REFUSING $DEAD 10.2.0.2:5000"
    comes_back "10.2.0.2:5000 $REFUSING"
}

start_target 127.0.0.1:0
make_certificates
lab_cut 1
for_transports all_orders
# A client with both, a server with udp alone: the kernel says no there.
TRANSPORT=udp
start_server
REMOTE="$DEAD 10.2.0.2:5000"
TRANSPORT=auto
start_client
check "auto, and a server with udp alone: up" wait_until 30 is_up client
stop server
check "the outage is noticed" wait_until 30 is_not_up
sleep 4
TRANSPORT=udp
start_server
check "auto: up again" wait_until 30 is_up client
took=$(back_after)
note "auto: after $took ms"
check "auto: soon" test "$took" -lt 2500
finish
