#!/usr/bin/env bash
# Goal of this test: a client that shows no certificate of the server's CA is refused, with a
# line that says so.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
make_ca foreign
make_certificate foreigner foreign client.example
start_target
start_server
REMOTE=$SERVER
# GnuTLS sends no certificate at all when it has none of a CA that the server named.
CLIENT_NAME=foreigner
start_client
check "the server says that none came" \
    wait_until 10 has_line server.err 'no certificate|certificate not accepted'
check "the client is told too" wait_until 10 has_line client.err 'certificate'
check "no connection passes" ends refused --to "$TO" --timeout 30
check "no child was ever started" status_is server '.tunnels[0].children.started' 0
check "the server keeps running" is_running server
finish
