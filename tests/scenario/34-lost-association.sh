#!/usr/bin/env bash
# Goal of this test: when the association is lost, its TCP connections end with RST, never with
# FIN, at both ends.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

SERVER_OPTIONS='dead_after = 2; heartbeat = 0.5;'
CLIENT_OPTIONS=$SERVER_OPTIONS
RELAY='--delay 0'
start_pair
start held "$TOOLS/ends" lost --to "$TO" --ask "$TARGET" --target-too --connections 20 --timeout 45
check "20 connections are open, half of them with bytes coming" wait_until 20 has_line held.out '^ready'
send_signal relay USR1
check "a black hole: all end with RST, the target's side too" exit_code held 60
check "the client says that the peer vanished" wait_until 5 has_line client.err 'vanished'
check "the server says so too" wait_until 10 has_line server.err 'vanished'
send_signal relay USR2
check "once the network is back, the tunnel comes up" wait_until 30 is_up client

start held "$TOOLS/ends" lost --to "$TO" --connections 20 --timeout 60
check "20 connections are open again" wait_until 20 has_line held.out '^ready'
crash server
check "the server dies: all end with RST at the client" exit_code held 60
start_server
check "the tunnel comes up again" wait_until 30 is_up client

start held "$TOOLS/ends" lost --to "$TO" --connections 1 --timeout 60
check "a connection is open" wait_until 20 has_line held.out '^ready'
crash client
crash held
target_is_rid_of_all() {
    status_is server '.tunnels[0].connections.open' 0
}
check "the client dies: the server ends its side" wait_until 20 target_is_rid_of_all
check "and says why" has_line server.err 'tunnel is down|vanished|aborted|restarted|closed by the peer'
finish
