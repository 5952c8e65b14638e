#!/usr/bin/env bash
# Goal of this test: the master is renewed before its tickets expire, and open connections do not
# notice.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
start_target
short_tickets() { # NAME: they live for 10 s, the least that is allowed
    sed -i 's/tls = {/tls = { ticket_lifetime = 10;/' "$dir/$1.cfg"
}
run_hawser() {
    short_tickets "$1"
    start "$1" "$HAWSER" run "$dir/$1.cfg"
    wait_until 20 is_answering "$1" || fatal "the $1 does not start"
}
start_pair
start held "$TOOLS/load" hold --to "$TO" --connections 20 --timeout 60
check "20 connections are open" wait_until 20 has_line held.out '^ready'
start traffic "$TOOLS/load" rr --to "$TO" --seconds 12 --parallel 4 --timeout 60
check "connections for 12 s, longer than a ticket lives: each is right" exit_code traffic 60
check "the held ones still answer, on the master that is gone" send_signal held USR1
check "each byte of them right" exit_code held
start burst "$TOOLS/load" hold --to "$TO" --connections 200 --parallel 200 --timeout 60
check "200 children more are made now" wait_until 30 has_line burst.out '^ready'
check "all of them resumed" status_is client '.tunnels[0].children | .full + .failed' 0
send_signal burst USR1
check "and right" exit_code burst
finish
