#!/usr/bin/env bash
# Goal of this test: an end that is gone without a word (killed, or its host cut off and started anew) and
# comes back at the same addresses and ports is taken at once, long before the other end would have given
# it up (dead_after).
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 1
SERVER_LOCAL=10.1.0.2:5000

# Nothing that the host says of its own accord (ABORT, ICMP) while its program is gone arrives.
kill_silently() { # NAME
    lab_cut 1
    crash "$1"
    lab_restore 1
}

is_used() {
    check "$TRANSPORT, $1: connections pass" load rr --to "$TO" --connections "$(scaled 50)" --parallel 10
}

# An end that waited for dead_after has said that the peer vanished.
is_not_for_patience() { # END TEXT BEGUN: what it has logged since mark_log
    check "$TRANSPORT, $2: before dead_after" has_no_news "$1" 'vanished'
    note "$TRANSPORT, $2: up again after $(($(milliseconds) - $3)) ms"
}

has_no_news() {
    ! has_news "$@"
}

has_associations() { # COUNT
    status_is server '[.tunnels[0].associations[] | select(.state == "up")] | length' "$1"
}

client_restarts() { # TEXT KILL
    local begun
    mark_log server
    "$2" client
    begun=$(milliseconds)
    start_client
    check "$TRANSPORT, $1: the tunnel is up" wait_until 30 is_up client
    is_not_for_patience server "$1" "$begun"
    is_used "$1"
    check "$TRANSPORT, $1: the old association is gone" wait_until 20 has_associations 1
}

server_restarts() { # TEXT KILL
    local begun lost
    start traffic "${CLIENT_SIDE[@]}" "$TOOLS/load" both --to "$TO" --connections 4 --bytes 1000000000 --timeout 60
    check "$TRANSPORT, $1: there is load" wait_until 20 status_has client '.tunnels[0].connections.open >= 4'
    lost=$(tunnel client .counters.associations_lost)
    mark_log client
    "$2" server
    begun=$(milliseconds)
    start_server
    check "$TRANSPORT, $1: the client notices" wait_until 30 status_has client ".tunnels[0].counters.associations_lost > $lost"
    check "$TRANSPORT, $1: the tunnel is up" wait_until 30 is_up client
    is_not_for_patience client "$1" "$begun"
    exit_code traffic 30
    check "$TRANSPORT, $1: the transfers end with an error" test $? -eq 1
    is_used "$1"
}

# The server's address vanishes with the host's routes, and comes back with a new program behind it.
reboot_server() {
    lab_cut 1
    in_server ip address delete 10.1.0.2/32 dev s1
    crash server
    ip -n server -batch - <<END
address add 10.1.0.2/32 dev s1
route replace 10.1.0.254 dev s1
route replace 10.1.0.1 via 10.1.0.254 dev s1 src 10.1.0.2
END
    lab_restore 1
}

restart_all() {
    end_pair
    CLIENT_OPTIONS='local = [ "10.1.0.1:6000" ];'
    start_pair
    is_used "before"
    client_restarts "client killed" crash
    client_restarts "client gone silently" kill_silently
    server_restarts "server killed" crash
    server_restarts "server gone silently" kill_silently
    server_restarts "server's host rebooted" reboot_server
}

for_transports restart_all
finish
