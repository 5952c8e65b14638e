#!/usr/bin/env bash
# Goal of this test: the client may start long before the server: it keeps trying, and connects
# then.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
CLIENT_OPTIONS='waiting = { timeout = 0.5; };' # a connection waits that long for a tunnel
start_target
start_server # only to learn a free port
check "the server leaves" stop server
REMOTE=$SERVER
start_client
check "the client runs, and is not up" status_has client '.tunnels[0].state != "up"'
check "it says that it retries" wait_until 20 has_line client.err 'no association: .*; retrying'
refused_without_tunnel() {
    ! load rr --to "$TO" --timeout 30
}
check "a TCP client is not kept hanging for ever" refused_without_tunnel
check "the client leaves" stop client
CLIENT_OPTIONS=
start_client
start early "$TOOLS/load" rr --to "$TO" --connections 10
waits() {
    status_is client '.tunnels[0].connections.waiting' 10
}
check "with more patience, connections wait for the tunnel" wait_until 5 waits
start_server
check "once the server is there, the tunnel comes up" wait_until 20 is_up client
check "those that waited pass" exit_code early
check "and carries connections" load rr --to "$TO" --connections 100
finish
