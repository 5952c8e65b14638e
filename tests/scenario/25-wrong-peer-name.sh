#!/usr/bin/env bash
# Goal of this test: a certificate of the right CA with another name is refused, at both ends.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
make_certificate stranger ca stranger.example
start_target
PEER=other.example
start_server
REMOTE=$SERVER
start_client
check "the client names whom it expected" wait_until 10 has_line client.err 'other\.example'
check "and is not up" status_has client '.tunnels[0].state != "up"'
check "no child was ever started" status_is client '.tunnels[0].children.started' 0
check "the client ends" stop client

PEER=server.example
CLIENT_NAME=stranger
start_client
check "the server names who came instead" wait_until 10 has_line server.err 'stranger\.example|not the one'
check "and lets no connection through" ends refused --to "$TO" --timeout 30
check "no child was ever started" status_is server '.tunnels[0].children.started' 0
check "the stranger ends" stop client

CLIENT_NAME=client
start_client
check "the right client comes up at the same server" wait_until 20 is_up client
check "and is served" load rr --to "$TO" --connections 10
finish
