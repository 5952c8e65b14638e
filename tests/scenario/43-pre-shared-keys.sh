#!/usr/bin/env bash
# Goal of this test: masters by pre-shared key: up, children resumed, a wrong key and a name that is
# not known are refused.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

new_key() {
    openssl rand -hex 32
}
key=$(new_key)
echo "laptop:$key" >"$dir/laptop.psk"
printf '%s\n' "laptop:$key" "office:$(new_key)" >"$dir/server.psk"
echo "laptop:$(new_key)" >"$dir/wrong.psk"
echo "stranger:$key" >"$dir/stranger.psk"
chmod 600 "$dir"/*.psk

SERVER_TLS='psk = "server.psk"; allow = [ "laptop" ];'
CLIENT_TLS='psk = "laptop.psk";'
start_target
start_server
REMOTE=$SERVER
start_client
check "the tunnel comes up" wait_until 20 is_up client
check "connections" load rr --to "$TO" --connections "$(scaled 200)"
check "all children are resumed" status_has server \
    '.tunnels[0].children | .resumed > 0 and .full + .failed == 0'
check "the server knows the client's name" status_is server '.tunnels[0].peer' laptop
stop client

for wrong in wrong stranger; do
    CLIENT_TLS="psk = \"$wrong.psk\";"
    start_client
    check "$wrong: refused" wait_until 20 has_line client.err 'no association'
    check "$wrong: not up" status_has client '.tunnels[0].state != "up"'
    check "$wrong: counted" status_has server '.tunnels[0].counters.masters_failed > 0'
    stop client
done
check "the server tells who came with which name" has_line server.err 'calls itself "stranger"'
finish
