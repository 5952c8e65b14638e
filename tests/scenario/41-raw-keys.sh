#!/usr/bin/env bash
# Goal of this test: a pair with raw public keys and no CA, as `hawser init --raw` makes it, works;
# a key that is not known is refused at either end, and the log shows that key and the known one.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='waiting = { timeout = 0.5; };'
check "init --raw writes a pair" "$HAWSER" init --raw "$dir/pair"
check "the server's configuration is fine" "$HAWSER" check "$dir/pair/server.cfg"
check "so is the client's" "$HAWSER" check "$dir/pair/client.cfg"
check "there is no certificate" test -z "$(find "$dir/pair" -name '*.pem')"
check "keys are for their owner only" test -z "$(find "$dir/pair" -name '*.key' -perm /077)"
"$HAWSER" init --raw "$dir/other" >"$dir/other.out"
pin_in() { # FILE: of its only key
    sed -n 's/^# \(sha256:.*\)/\1/p' "$1"
}

SERVER_TLS='key = "pair/server.key"; known = "pair/server.known"; allow = [ "client" ];'
CLIENT_TLS='key = "pair/client.key"; known = "pair/client.known"; peer = "server";'
start_target
start_server
REMOTE=$SERVER
start_client
check "the tunnel comes up" wait_until 20 is_up client
check "connections" load rr --to "$TO" --connections "$(scaled 200)"
check "all children are resumed" status_has client \
    '.tunnels[0].children | .resumed > 0 and .full + .failed == 0'
check "the server knows the client by name and key" \
    status_is server '.tunnels[0].tls.identity' "known \"client\", $(pin_in "$dir/pair/server.known")"
stop server
start_server
check "it comes up again" wait_until 20 is_up client
stop client

CLIENT_TLS='key = "other/client.key"; known = "pair/client.known"; peer = "server";'
start_client
check "the server names the key that it saw" wait_until 20 \
    has_line server.err "key is $(pin_in "$dir/other/server.known").*not among the known keys"
check "and the one that it knows" \
    has_line server.err "client is $(pin_in "$dir/pair/server.known")"
check "the failure is counted by its reason" \
    status_has server '.tunnels[0].counters.failures_unverified > 0'
check "no connection passes" ends refused --to "$TO" --timeout 30
stop client

CLIENT_TLS='key = "pair/client.key"; known = "other/client.known"; peer = "server";'
start_client
check "a client that knows another server's key says what it saw" wait_until 20 \
    has_line client.err "key is $(pin_in "$dir/pair/client.known").*not among the known keys"
check "and what it knows" has_line client.err "server is $(pin_in "$dir/other/client.known")"
check "it is not up" status_has client '.tunnels[0].state != "up"'
finish
