#!/usr/bin/env bash
# Goal of this test: TLS 1.2 from end to end: with session ids every child is resumed, the master of
# the next association is resumed from the server's store; with tickets the same.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

all_resumed() {
    status_has "$1" '.tunnels[0].children | .started > 0 and .resumed == .started and .full == 0
        and .failed == 0'
}
come_back() { # by: the client ends and comes back, with what it has kept in its file
    stop client
    start_keeping_client
    check "$1: the tunnel comes up again" wait_until 20 is_up client
    check "$1: its master is resumed" status_is client '.tunnels[0].tls.master_resumed' true
    check "$1: so says the server" status_is server '.tunnels[0].counters.masters_resumed' 1
}
start_keeping_client() {
    local GLOBAL_OPTIONS='drain_timeout = 5; sessions = { file = "kept"; };'
    start_client
}
make_certificates
start_target
CLIENT_TLS_OPTIONS='min_version = "1.2"; max_version = "1.2";'
for by in ids tickets; do
    SERVER_TLS_OPTIONS="$CLIENT_TLS_OPTIONS resume_by = \"$by\";"
    start_server
    REMOTE=$SERVER
    start_keeping_client
    wait_until 20 is_up client || fatal "the tunnel does not come up"
    check "$by: it is TLS 1.2" status_is client '.tunnels[0].tls.version' TLS1.2
    check "$by: connections" load rr --to "$TO" --connections "$(scaled 300)" --parallel 50
    check "$by: every child was resumed" wait_until 5 all_resumed client
    check "$by: so says the server" wait_until 5 all_resumed server
    come_back "$by"
    check "$by: connections" load rr --to "$TO" --connections 50
    if [ "$by" = ids ]; then
        check "ids: it was found in the store" status_is server '.sessions.store.hits' 1
    else
        check "tickets: the store was not asked" status_is server '.sessions.store.hits' 0
    fi
    stop client
    stop server
    rm -f "$dir/kept"
done

CLIENT_TLS_OPTIONS='max_version = "1.2";'
SERVER_TLS_OPTIONS=''
start_server
REMOTE=$SERVER
start_client
check "a server of TLS 1.3 alone refuses a client of TLS 1.2" \
    wait_until 20 has_line client.err 'no association: TLS handshake failed'
check "that is counted" status_has server '.tunnels[0].counters.failures_alert > 0'
finish
