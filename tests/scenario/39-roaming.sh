#!/usr/bin/env bash
# Goal of this test: the client's address changes under load, as when a NAT forgets it: the same
# association goes on and nothing is lost.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

RELAY='--seed 1'
start_pair
address() {
    tunnel server .association.address
}
check "there is a first connection" load rr --to "$TO" --connections 10
has_moved() {
    [ "$(address)" != "$before" ]
}
bad=0
start traffic "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 100000000)" --timeout 100
start_pings pings
check "there is load" wait_until 20 status_has client '.tunnels[0].connections.open >= 5'
for ((i = 0; i < 5; i++)); do
    before=$(address)
    send_signal relay HUP
    wait_until 20 has_moved || bad=$((bad + 1))
done
check "the server follows the client to five other ports" test "$bad" -eq 0
check "its log says where" wait_until 5 has_line server.err \
    "$(moves_to "$(address)")"
check "every byte of the uploads and downloads arrives" exit_code traffic 100
check "no round trip is lost" end_pings pings
longest=$(longest pings)
note "longest round trip meanwhile: $longest ms"
check "and none takes longer than 3 s, on whatever machine" test "$longest" -lt 3000
check "it is still the first association, at the client" \
    status_is client .tunnels[0].counters.associations_total 1
check "and at the server" status_is server .tunnels[0].counters.associations_total 1
# Nothing but heartbeats goes now: the client's next packet is what tells.
before=$(address)
send_signal relay HUP
check "an idle client is followed by its heartbeats" wait_until 20 has_moved
check "connections pass" load rr --to "$TO" --connections "$(scaled 200)" --parallel 16
stop client
stop relay
grep '^{' "$dir/relay.out" >"$dir/relay.json"
check "the relay really had other ports" jq -e '.rebound >= 6' "$dir/relay.json"
finish
