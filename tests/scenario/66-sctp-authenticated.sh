#!/usr/bin/env bash
# Goal of this test: with sctp_auth somebody on the path cannot end an association by forging a packet,
# keys change with the master under load, and ends that are configured differently are told so.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

RELAY='--seed 1'
start_pair
check "a pair as it is by default" status_is client .tunnels[0].association.sctp_auth off
send_signal relay ALRM
check "one forged ABORT ends its association" wait_until 30 status_is client \
    .tunnels[0].counters.associations_total 2
end_all() {
    stop client && stop server && stop relay && rm "$dir/relay.out" # which has the old port
}
check "the pair ends" end_all

SERVER_OPTIONS='sctp_auth = true;' CLIENT_OPTIONS='sctp_auth = true;'
# The least lifetime there is: a master is renewed after two thirds of 10 s.
SERVER_TLS_OPTIONS='ticket_lifetime = 10;' CLIENT_TLS_OPTIONS=$SERVER_TLS_OPTIONS
start_pair
check "the client's SCTP is authenticated" wait_until 10 status_is client .tunnels[0].association.sctp_auth on
check "the server's, too" wait_until 10 status_is server .tunnels[0].association.sctp_auth on
check "status says so in words" grep -q 'SCTP authenticated' <("$HAWSER" status -s "$dir/client.sock")
start traffic "$TOOLS/load" rr --to "$TO" --seconds 16 --parallel 4 --timeout 100
start duplex "$TOOLS/load" both --to "$TO" --connections 8 --bytes "$(scaled 100000000)" --timeout 100
for ((i = 0; i < 20; i++)); do
    send_signal relay ALRM
done
check "full in both directions, with forged ABORTs: every byte is right" exit_code duplex 100
check "connections that come and go, too" exit_code traffic 100
check "the master was renewed meanwhile" status_has client '.tunnels[0].counters.masters_renewed >= 1'
check "no association was lost" status_is client .tunnels[0].counters.associations_total 1
check "at either end" status_is server .tunnels[0].counters.associations_total 1
check "it is still authenticated" status_is client .tunnels[0].association.sctp_auth on

# A server that has forgotten its associations cannot say so in a way that is believed at once.
crash server
start_server
check "the client comes back to a server that was killed" wait_until 30 status_is client \
    .tunnels[0].counters.associations_total 2
check "and is authenticated again" wait_until 10 status_is client .tunnels[0].association.sctp_auth on
check "the pair ends" end_all

SERVER_OPTIONS=''
start_server
REMOTE=$SERVER
write_config client "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
run_hawser client
check "an end that is alone with it refuses the other" wait_until 20 has_line client.err \
    'only this end has sctp_auth; both must have it, or neither'
check "which is told why" wait_until 20 has_line server.err 'this end requires sctp_auth'
finish
