#!/usr/bin/env bash
# Goal of this test: strangers in number, forged ones and such that come up and say nothing, take nothing from those
# who belong here: a connection goes on, a new client gets in while they last, and neither memory nor log grows.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

SERVER_OPTIONS='max_peers = 4;'
make_certificates
start_pair
memory() {
    awk '/VmRSS/ { print $2 }' "/proc/${PIDS[server]}/status"
}
flood() {
    "$TOOLS/flood" --to "$SERVER" "$@"
}
new_client() { # NAME
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser "$1"
}
newcomer() { # NAME WHILE
    new_client "$1"
    check "a new client gets in beside $2" wait_until 20 is_up "$1"
    check "while they still come" is_running flood
    check "and carries connections" load rr --to "$(tunnel "$1" '.services[0].listen')" --connections 4
    stop "$1"
}
association=$(tunnel client '.association.id')

# ---- forged INITs, whose answers meet nobody ----
flood --then nothing --count "$(scaled 20000)" >"$dir/first"
first=$(memory)
start flood "$TOOLS/flood" --to "$SERVER" --then nothing --count 100000000 --rate 20000 --sources 100000
check "a transfer beside a flood of INITs is right to the last byte" \
    load both --to "$TO" --connections 4 --bytes "$(scaled 8000000)" --timeout 100
newcomer client2 "a flood of INITs"
crash flood
grown=$(($(memory) - first))
note "memory of the server grew by $grown KB"
check_memory "nothing is kept of them" test "$grown" -lt 16384

# ---- thousands that come up and say nothing ----
check "those of many addresses come up" flood --then up --count "$(scaled 3000)" --sources 200
first=$(memory)
start flood "$TOOLS/flood" --to "$SERVER" --then up --count 100000000 --rate 3000 --sources 400
newcomer client3 "3000 silent associations a second"
crash flood
grown=$(($(memory) - first))
note "memory of the server grew by $grown KB"
check_memory "each costs little, and there are no more than so many" test "$grown" -lt 65536
check "the status lists none of them" status_has server '.tunnels[0].associations | length <= 3'

# ---- those of one address ----
said=$(flood --then up --count 200 --sources 1)
note "200 of one address: $said"
check "one source does not get all that it asks for" test "${said%% *}" -lt 200
newcomer_after() {
    new_client client4
    wait_until 20 is_up client4
}
check "and a client from elsewhere gets in" newcomer_after
stop client4

check "the first client has its association still" status_is client '.tunnels[0].association.id' "$association"
check "and carries connections" load rr --to "$TO" --connections 20
lines=$(wc -l <"$dir/server.err")
check "few lines tell of all that ($lines)" test "$lines" -lt 150
finish
