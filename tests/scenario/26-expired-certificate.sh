#!/usr/bin/env bash
# Goal of this test: an expired certificate is refused, at both ends, with a line that says so.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
make_certificate old ca client.example \
    'activation_date = "2020-01-01 00:00:00 UTC"' 'expiration_date = "2020-02-01 00:00:00 UTC"'
make_certificate old-server ca server.example \
    'activation_date = "2020-01-01 00:00:00 UTC"' 'expiration_date = "2020-02-01 00:00:00 UTC"'
start_target
start_server
REMOTE=$SERVER
CLIENT_NAME=old
start_client
check "the server says that the client's has expired" wait_until 10 has_line server.err 'expired'
check "and lets no connection through" ends refused --to "$TO" --timeout 30
check "no child was ever started" status_is server '.tunnels[0].children.started' 0
stop client
stop server

SERVER_NAME=old-server
CLIENT_NAME=client
start_server
start_client
check "the client says that the server's has expired" wait_until 10 has_line client.err 'expired'
check "and is not up" status_has client '.tunnels[0].state != "up"'
check "no child was ever started" status_is client '.tunnels[0].children.started' 0
finish
