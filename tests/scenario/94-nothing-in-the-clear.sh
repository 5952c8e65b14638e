#!/usr/bin/env bash
# Goal of this test: what crosses the network shows no byte of a connection, and no name of a service, a
# certificate or a target: neither while the tunnel comes up nor later.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

TARGET=unix:$dir/a-secret-target
start target "$TOOLS/target" --echo --listen "$TARGET"
wait_until 10 has_line target.out '^listening' || fatal "the target does not start"
CLIENT_SERVICES='{ name = "a-secret-service"; listen = "127.0.0.1:0"; }'
SERVER_SERVICES="{ name = \"a-secret-service\"; connect = \"$TARGET\"; }"
RELAY="--dump $dir/captured"
start_pair
printf 'the-secret-words\n%.0s' {1..2000} >"$dir/said"
comes_back() {
    nc -N "${TO%:*}" "${TO##*:}" <"$dir/said" >"$dir/heard" && cmp "$dir/said" "$dir/heard"
}
for ((i = 1; i <= 20; i++)); do
    check "connection $i carries words there and back" comes_back
done
check "the tunnel ends" stop client
check "the relay writes down what it saw" stop relay
shows() {
    grep -aq -- "$1" "$dir/captured"
}
shows_nothing() {
    ! shows "$1"
}
check "the packets are there, and can be read" shows HWSPROB1
for words in the-secret-words a-secret-service client.example server.example a-secret-target; do
    check "no packet shows $words" shows_nothing "$words"
done
finish
