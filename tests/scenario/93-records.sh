#!/usr/bin/env bash
# Goal of this test: tls.records says whose code protects the records of children, at each end for
# itself; the status shows it, a reload changes it for new masters, and bytes pass in every case.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

says() { # NAME PATTERN: hawser status, in words
    "$HAWSER" status -s "$dir/$1.sock" | grep -E -- "$2"
}
all_ready() { # NAME FILTER: of the children
    status_has "$1" ".tunnels[0].children | .ready >= 16 and ($2)"
}

CLIENT_TLS_OPTIONS='records = "gnutls";'
make_certificates
start_target
start_server
REMOTE=$SERVER
start_client
check "the tunnel comes up" wait_until 20 is_up client
check "the client's children are GnuTLS's" \
    wait_until 20 all_ready client '.by_gnutls == .ready'
check "its status says so" says client 'child sessions .*; records: GnuTLS$'
check "the server's are its own" wait_until 20 all_ready server '.by_gnutls == 0'
check "its status says so, too" says server 'child sessions .*; records: own$'
check "bytes pass" load both --to "$TO" --connections 8 --bytes "$(scaled 20000000)"
check "and small ones" load rr --to "$TO" --connections "$(scaled 200)"
check "no child was lost over it" status_has server '.tunnels[0].children.failed == 0'
check "nobody warns of what was asked for" status_has client '.tunnels[0].state == "up"'
check "in the log neither" bash -c "! grep -q 'stay with GnuTLS' '$dir/client.err'"

# By a reload, for the children of masters from then on.
sed -i 's/records = "gnutls";//' "$dir/client.cfg"
send_signal client HUP
check "the client reads its configuration again" \
    wait_until 10 status_has client '.tunnels[0].reload.done == 1'
check "which needs no restart" bash -c "! grep -q 'records.*needs a restart' '$dir/client.err'"
crash server
SERVER_LOCAL=$SERVER
start_server
check "new children have their own records at both ends" \
    wait_until 30 all_ready client '.by_gnutls == 0'
check "bytes pass again" wait_until 20 load both --to "$TO" --connections 4 --bytes "$(scaled 2000000)"

sed -i 's/tls = { /&max_version = "1.2"; records = "gnutls"; /' "$dir/client.cfg"
check "with TLS 1.2 the option has no place" bash -c "! '$HAWSER' check '$dir/client.cfg' 2>'$dir/said'"
check "and the check says why" grep -q 'tls.records is for TLS 1.3' "$dir/said"
finish
