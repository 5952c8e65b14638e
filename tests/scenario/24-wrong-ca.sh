#!/usr/bin/env bash
# Goal of this test: a server whose certificate comes from another CA is refused, with a line
# that says so.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
make_ca foreign
make_certificate server foreign server.example
start_target
start_server
REMOTE=$SERVER
start_client
check "the client says why" \
    wait_until 10 has_line client.err 'certificate.*(not accepted|not trusted|unknown|issuer|signer)'
check "and is not up" status_has client '.tunnels[0].state != "up"'
check "no connection passes" ends refused --to "$TO" --timeout 30
check "no child was ever started" status_is client '.tunnels[0].children.started' 0
check "it keeps running, and keeps trying" is_running client
finish
