#!/usr/bin/env bash
# Goal of this test: an open connection cannot hold up the end: the drain time-out or a second
# SIGTERM resets it.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

open_one() {
    start held "$TOOLS/ends" lost --to "$TO"
    check "$1: a connection is open" wait_until 10 has_line held.out '^ready'
}

GLOBAL_OPTIONS='drain_timeout = 60;'
start_pair
open_one "second SIGTERM"
send_signal client TERM
check "the first SIGTERM drains" wait_until 5 has_line client.err '[Dd]rain|shut'
check "and the connection holds it" is_running client
send_signal client TERM
check "the second ends it at once" exit_code client 5
check "the connection saw RST, not FIN" exit_code held 10
check "the server's side ends too" wait_until 10 is_idle server

GLOBAL_OPTIONS='drain_timeout = 1;'
start_client
check "again" wait_until 20 is_up client
open_one "drain time-out"
check "after the drain time-out it leaves by itself" stop client
check "the connection saw RST, not FIN" exit_code held 10
finish
