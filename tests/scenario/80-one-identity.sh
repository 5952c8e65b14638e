#!/usr/bin/env bash
# Goal of this test: one identity takes its share of a server and no more: associations, connections, streams. A
# client that comes back is not kept out by what is left of it, and nobody who answers loses his place.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
make_certificate other ca other.example
make_certificate renewed ca client.example # the same name, another key
ALLOW='"client.example", "other.example"'
SERVER_OPTIONS='max_peers = 4; identity = { max_connections = 10; max_streams = 300; };'
start_pair

another() { # NAME CERTIFICATE: a client that does not have to come up
    CLIENT_NAME=$2
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser "$1"
}
has_identity() { # NAME FILTER
    status_has server ".tunnels[0].identities[] | select(.identity == \"$1\") | $2"
}
counted() { # NAME COUNT
    status_is server ".tunnels[0].counters.$1" "$2"
}

check "without an option an identity has half of max_peers" has_identity client.example '.max_associations == 2'
another client2 renewed
check "a second association, with a renewed certificate, has its place" wait_until 20 is_up client2
check "and is of the same identity" has_identity client.example '.associations == 2'
another client3 client
check "a third one is refused" wait_until 20 has_line server.err 'no place for another association.*identity.max_associations = 2'
check "and hears why" wait_until 10 has_line client3.err 'identity.max_associations of the server is reached'
check "the two that answer keep theirs" status_is client .tunnels[0].state up
check "both of them" status_is client2 .tunnels[0].state up
another client4 other
check "another identity has its place meanwhile" wait_until 20 is_up client4
check "the refusals are counted" status_has server '.tunnels[0].counters.limit_associations > 0'
check "each is no line of its own" test "$(count_lines server.err 'no place for another')" -eq 1

send_signal client2 STOP # says nothing any more: what a client leaves that lost its host
check "when one of the two says nothing any more, the third takes its place" wait_until 20 is_up client3
check "and the log says so" has_line server.err 'association ended: replaced: it does not answer'
check "one" counted associations_replaced 1
check "the other one kept its place" counted associations_lost 1
send_signal client2 CONT
check "who was silent has none for now" wait_until 20 has_line client2.err 'association (ended|aborted|refused)|no association'
stop client2

streams() { # NAME
    tunnel "$1" '.association.streams // .associations[0].streams'
}
check "the streams of all associations together are limited" has_identity client.example '.streams <= 300'
check "a server says who limits them" has_line server.err 'limited here, by identity.max_streams = 300'
note "streams: $(streams client), $(streams client3), $(streams client4)"
check "all of one identity together take no more" test $(($(streams client) + $(streams client3))) -le 300

THIRD=$(tunnel client3 '.services[0].listen')
start held "$TOOLS/load" hold --to "$TO" --connections 7
check "7 connections of one association" wait_until 20 has_line held.out '^ready'
start held3 "$TOOLS/load" hold --to "$THIRD" --connections 3
check "and 3 of the other" wait_until 20 has_line held3.out '^ready'
check "are as many as the identity may have" has_identity client.example '.connections == 10'
check "one more is refused" ends refused --to "$THIRD"
check "and 20 more" ends refused --to "$TO" --connections 20
check "and the log says why" has_line server.err 'connection refused: client limit reached .identity.max_connections = 10.$'
check "once" test "$(count_lines server.err 'client limit reached')" -eq 1
check "the client says so, too" has_line client.err 'refused by the far end: client limit reached'
check "all are counted" counted limit_connections 21
check "another identity's connection passes" load rr --to "$(tunnel client4 '.services[0].listen')"
send_signal held USR1
send_signal held3 USR1
check "those that are open go on" exit_code held
check "all of them" exit_code held3
check "then there is room again" load rr --to "$TO" --connections 5
check "the status shows it" eval "\"$HAWSER\" status -s \"$dir/server.sock\" | grep -q 'client          client.example: 2 of 2 associations'"

kill_and_come_back() {
    crash client3
    another client3 client
}
kill_and_come_back
check "a client that was killed gets in at once, long before dead_after" wait_until 10 is_up client3
finish
