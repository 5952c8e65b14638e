#!/usr/bin/env bash
# Goal of this test: the associations of one server are spread over its workers, and it is one server all the same: one
# port, one status, limits that hold over all, a reload and an end that reach all.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

THREADS=3
CLIENTS=9
make_certificates
make_certificate other ca other.example
ALLOW='"client.example", "other.example"'
SERVER_OPTIONS="max_peers = 12; identity = { max_associations = $((CLIENTS + 1)); };"
start_pair
THREADS=1
another() { # NAME [CERTIFICATE]
    CLIENT_NAME=${2:-client}
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser "$1"
}
all_up() {
    local i
    for i in $(seq 2 "$CLIENTS"); do
        is_up "client$i" || return 1
    done
}
for i in $(seq 2 "$CLIENTS"); do
    another "client$i"
done
check "$CLIENTS clients are up at one address" wait_until 20 all_up
spread() { # FILTER
    status_has server "[.tunnels[0].associations[].worker] | group_by(.) | map(length) | $1"
}
check "the status shows all of them" status_has server ".tunnels[0].associations | length == $CLIENTS"
check "they are on all three workers" spread 'length == 3'
check "no worker has most of them" spread "max < $CLIENTS - 2"
check "the identity has them all" status_has server \
    ".tunnels[0].identities[] | select(.identity == \"client.example\") | .associations == $CLIENTS"
check "the address is said once" test "$(count_lines server.err 'waits for peers on')" -eq 1
carried() {
    local i
    for i in "" $(seq 2 "$CLIENTS"); do
        load rr --to "$(tunnel "client$i" '.services[0].listen')" --connections 4 || return 1
    done
}
check "each carries" carried
check "all that is counted is counted together" wait_until 5 status_has server \
    ".tunnels[0].connections.total == 4 * $CLIENTS and .tunnels[0].services[0].total == 4 * $CLIENTS"

another last
another one other
another two other
check "three more have places" wait_until 20 eval 'is_up last && is_up one && is_up two'
another late other
check "max_peers holds over all workers" wait_until 20 has_line server.err 'no place for another association.*max_peers = 12'
stop late

# A server beside it must not take a part of its packets.
write_config second "$(server_tunnel site "$SERVER_SERVICES")"
run_hawser second
check "another process does not get the same address" wait_until 20 has_line second.err 'Address already in use'
stop second

sed -i 's/"client.example", "other.example"/"client.example"/' "$dir/server.cfg"
send_signal server HUP
check "a reload ends those that may not be here any more, wherever they are" wait_until 20 status_has server \
    ".tunnels[0].associations | map(select(.state == \"up\")) | length == $CLIENTS + 1"
check "it counts them together" status_has server '.tunnels[0].counters.associations_ended_by_reload == 2'

crash client2
another client2
check "a client that comes back is found" wait_until 20 is_up client2
send_signal server TERM
check "the end reaches all" exit_code server
check "each client hears of it" wait_until 10 has_line client9.err 'association (ended|aborted|closed)|peer'
finish
