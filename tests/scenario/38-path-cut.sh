#!/usr/bin/env bash
# Goal of this test: an association with two paths loses one under load: nothing is lost, the log
# and the status say so, and the path comes back.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# Two addresses each way; between them a relay for each path.
SERVER_LOCAL='127.0.0.1:0 127.0.0.2:0'
relay() { # NAME ADDRESS-TO-LISTEN SERVER-ADDRESS: prints where it listens
    wait_until 10 has_line "$1.out" '^listening' || fatal "the $1 does not start"
    sed -n 's/^listening //p' "$dir/$1.out"
}
make_certificates
start_target 127.0.0.1:0
start_server
check "the server has two addresses" status_is server '.tunnels[0].local | length' 2
start relay1 "$TOOLS/relay" --listen 127.0.0.1:0 --to "$(tunnel server '.local[0]')"
start relay2 "$TOOLS/relay" --listen 127.0.0.2:0 --to "$(tunnel server '.local[1]')"
first=$(relay relay1) second=$(relay relay2)
REMOTE="$first $second"
start_client
wait_until 30 is_up client || fatal "the tunnel does not come up"

paths='.tunnels[0].association.paths[]'
uses() { # ADDRESS
    status_is client "[${paths} | select(.in_use) | .address] | join(\" \")" "$1"
}
path_is() { # ADDRESS STATE
    status_is client "${paths} | select(.address == \"$1\") | .state" "$2"
}
check "the client has two paths" wait_until 20 status_is client "[$paths] | length" 2
check "both are active" wait_until 20 status_has client "[${paths} | .state] | all(. == \"active\")"
check "the first one is in use" uses "$first"

# A cut under load. The slowest round trip is how long the traffic stood still.
start traffic "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 60000000)" --timeout 100
start_pings pings
check "there is load" wait_until 20 status_has client '.tunnels[0].connections.open >= 5'
send_signal relay1 USR1
check "the traffic moves to the other path" wait_until 20 uses "$second"
check "the log says that the path fails" wait_until 5 has_line client.err "path .*$first: failing"
check "and where the traffic goes" wait_until 5 has_line client.err "$(moves_to "$second")"
check "the status says that the first one is not well" \
    status_has client "${paths} | select(.address == \"$first\") | .state | . == \"failing\" or . == \"inactive\""
check "it is counted" status_has client '.tunnels[0].counters | .failovers >= 1 and .path_changes >= 1'
check "the peer's address is the one that is used" \
    status_is client .tunnels[0].association.address "$second"
check "for people, too" grep -q "path .*$second active, in use" \
    <("$HAWSER" status -s "$dir/client.sock")
check "every byte of the uploads and downloads arrives" exit_code traffic 100
check "no round trip is lost" end_pings pings
longest=$(longest pings)
note "longest round trip across the cut: $longest ms"
check "and none takes longer than 3 s, on whatever machine" test "$longest" -lt 3000
check "it is still the first association" status_is client .tunnels[0].counters.associations_total 1
check "and new connections pass" load rr --to "$TO" --connections "$(scaled 200)" --parallel 16

send_signal relay1 USR2
check "the path comes back" wait_until 30 path_is "$first" active
check "the log says so" wait_until 5 has_line client.err "path .*$first: active, round trip"
check "the first path, being preferred, is used again" wait_until 30 uses "$first"
check "connections pass" load rr --to "$TO" --connections "$(scaled 200)" --parallel 16

# The other one is cut while it only stands by.
send_signal relay2 USR1
check "a cut path that only stands by is noticed" \
    wait_until 60 has_line client.err "path .*$second: (failing|inactive)$"
check "the traffic stays where it is" uses "$first"
check "connections pass" load rr --to "$TO" --connections "$(scaled 200)" --parallel 16
check "all in one association" status_is client .tunnels[0].counters.associations_total 1
check "nothing stays open" wait_until 10 is_idle client
finish
