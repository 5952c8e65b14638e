#!/usr/bin/env bash
# Goal of this test: an expired certificate is refused, at both ends, with a line that says so.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
start_target

# make_short_lived NAME HOST: sets EXPIRY to the second after which NAME.pem is no longer valid.
make_short_lived() {
    EXPIRY=$((EPOCHSECONDS + 2))
    make_certificate "$1" ca "$2" \
        "activation_date = \"$(date -u -d "@$((EXPIRY - 60))" '+%F %T UTC')\"" \
        "expiration_date = \"$(date -u -d "@$EXPIRY" '+%F %T UTC')\""
}
has_expired() {
    [ "$EPOCHSECONDS" -gt "$EXPIRY" ]
}
refuses_to_start() {
    "$HAWSER" check "$dir/client.cfg" 2>&1 | grep 'expired'
}

# An endpoint whose certificate expires while it runs, before it meets the other.
start_server
check "the server leaves" stop server
REMOTE=$SERVER
make_short_lived short client.example
CLIENT_NAME=short
start_client
wait_until 10 has_expired
start_server
check "the server says that the client's certificate has expired" \
    wait_until 10 has_line server.err 'expired'
check "and lets no connection through" ends refused --to "$TO" --timeout 30
check "no child was ever started" status_is server '.tunnels[0].children.started' 0
check "hawser check says that it has expired" refuses_to_start
stop client
stop server

make_short_lived short-server server.example
SERVER_NAME=short-server CLIENT_NAME=client
start_server
wait_until 10 has_expired
start_client
check "the client says that the server's has expired" wait_until 10 has_line client.err 'expired'
check "and is not up" status_has client '.tunnels[0].state != "up"'
check "no child was ever started" status_is client '.tunnels[0].children.started' 0
finish
