#!/usr/bin/env bash
# Goal of this test: a master is resumed across a restart of the client (with its sessions file) and
# of the server (with a file of ticket keys); without these, and with another key, full handshakes.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

new_ticket_key() { # FILE
    openssl rand -base64 64 | tr -d '\n' >"$dir/$1"
    echo >>"$dir/$1"
    chmod 600 "$dir/$1"
}
start_keeping_client() {
    local GLOBAL_OPTIONS='drain_timeout = 5; sessions = { file = "kept"; };'
    start_client
}
is_resumed() {
    is_up client && status_is client '.tunnels[0].tls.master_resumed' "$1"
}
is_back() { # RESUMED: the same client, in its second association
    status_is client '.tunnels[0].counters.associations_total' 2 && is_resumed "$1"
}
new_ticket_key tickets
SERVER_TLS_OPTIONS='ticket_key_file = "tickets";'
make_certificates
start_target
start_server
REMOTE=$SERVER
start_keeping_client
check "the first master is a full handshake" wait_until 20 is_resumed false
check "connections" load rr --to "$TO" --connections 20
check "a ticket is in stock" wait_until 5 status_has client '.sessions.cache.tickets > 0'

stop client
check "it is kept in a file for its owner only" test "$(stat -c %a "$dir/kept")" = 600
start_keeping_client
check "the client's restart: resumed" wait_until 20 is_resumed true
check "the file is gone while it is used" test ! -e "$dir/kept"
check "connections" load rr --to "$TO" --connections 20

stop server # one that drains answers no newcomer, whom that would cost a ticket
start_server
check "the server's restart: resumed" wait_until 20 is_back true
check "connections" load rr --to "$TO" --connections 20
check "no child was ever full" status_has client '.tunnels[0].children | .full + .failed == 0'

stop client
stop server
start_server
start_keeping_client
check "both restarted: resumed" wait_until 20 is_resumed true

crash server
new_ticket_key tickets
start_server
check "another key: a full handshake" wait_until 20 is_back false
check "that says so" status_is client '.tunnels[0].counters.masters_not_resumed' 1

stop client
printf 'x' | dd of="$dir/kept" bs=1 seek=100 conv=notrunc 2>/dev/null
start_keeping_client
check "a file that was damaged: a full handshake" wait_until 20 is_resumed false
check "and a warning" has_line client.err 'cannot load the sessions of earlier associations'
stop client
rm -f "$dir/kept"
start_keeping_client
check "no file: a full handshake" wait_until 20 is_resumed false
finish
