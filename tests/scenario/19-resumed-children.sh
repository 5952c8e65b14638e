#!/usr/bin/env bash
# Goal of this test: every child is resumed, from one master, also after a reconnect, whose
# master is resumed itself.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

all_resumed() {
    status_has "$1" '.tunnels[0].children | .started > 0 and .resumed == .started and .full == 0
        and .failed == 0'
}
start_pair
check "connections" load rr --to "$TO" --connections "$(scaled 500)" --parallel 100
check "the client resumed all its children" wait_until 5 all_resumed client # some may be under way
check "so says the server" wait_until 5 all_resumed server
check "with TLS 1.3" status_has client '.tunnels[0].tls.version | test("1.3")'
check "the first master was a full handshake" status_is client '.tunnels[0].tls.master_resumed' false
stop server
start_server
check "the tunnel comes up again" wait_until 20 is_up client
check "connections" load rr --to "$TO" --connections "$(scaled 500)" --parallel 100
check "no child was full" status_has client '.tunnels[0].children | .full == 0 and .failed == 0'

# The same server process, a client that was cut off: the master need not be a full one again.
stop client
stop server
RELAY='--delay 0'
CLIENT_OPTIONS='dead_after = 1; heartbeat = 0.2;'
SERVER_OPTIONS='dead_after = 1; heartbeat = 0.2;'
SERVER_LOCAL=127.0.0.1:0
start_pair
send_signal relay USR1
is_down() {
    ! is_up client
}
check "a dead network is noticed" wait_until 15 is_down
send_signal relay USR2
check "once it is back, the tunnel comes up" wait_until 20 is_up client
check "the new master was resumed" status_is client '.tunnels[0].tls.master_resumed' true
check "connections" load rr --to "$TO" --connections 100
check "no child was full" status_has client '.tunnels[0].children | .full == 0'
finish
