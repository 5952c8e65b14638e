#!/usr/bin/env bash
# Goal of this test: why a client has no association, and why an end does not start, is in the log, in the words
# of the system and of the resolver.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need_troubles
make_certificates
name unknown.test error -2
name temporary.test error -3
name ipv6.test ::1
start_target
start_server
RELAY='--loss 100'
start_relay
silent=$REMOTE
crash server
SERVER_LOCAL=127.0.0.1:0
CLIENT_OPTIONS='connect_timeout = 0.5; waiting = { timeout = 1.0; };'
TUNNELS=
declare -A WANTED=()
NAMES_OF_TUNNELS=()
attempt() { # NAME ADDRESS WHAT THE LOG SAYS
    TUNNELS+="${TUNNELS:+, }$(client_tunnel "$1" "{ name = \"$1\"; listen = \"127.0.0.1:0\"; }" "$2")"
    WANTED[$1]=$3
    NAMES_OF_TUNNELS+=("$1")
}
attempt no-name unknown.test:9899 'cannot resolve the name: the name does not exist: Name or service not known'
attempt no-answer temporary.test:9899 'cannot resolve the name: no name server can be reached.*Temporary failure in name resolution'
attempt refused "$SERVER" 'no association: association refused by the peer: nobody listens at that port'
attempt silent "$silent" 'no association: no answer from the peer: is hawser running there'
attempt network 192.0.2.101:9899 'no association: cannot send to the peer: Network is unreachable'
attempt denied 192.0.2.1:9899 'no association: cannot send to the peer: Operation not permitted'
attempt port 192.0.2.99:9899 'no association: cannot send to the peer: Cannot assign requested address'
CLIENT_OPTIONS+=' local = [ "127.0.0.1:0" ];'
attempt family ipv6.test:9899 'no association over udp: no address of local is of the family of one of remote'
write_config client "$TUNNELS"
run_hawser client
for tunnel in "${NAMES_OF_TUNNELS[@]}"; do
    check "$tunnel" wait_until 10 has_line client.err "tunnel=$tunnel .*${WANTED[$tunnel]}"
done
check "who waits for an association in vain" ends refused --connections 1 \
    --to "$(status client '.tunnels[] | select(.name == "no-name").services[0].listen')"
check "is told of with the reason" wait_until 5 has_line client.err \
    'service=no-name .*connection ended: the tunnel is down: no association: cannot resolve the name: the name does not'

# A tunnel that does not start waits, and says why.
fails() { # NAME PATTERN
    start "$1" "${SERVER_SIDE[@]}" "$HAWSER" run "$dir/$1.cfg"
    wait_until 20 has_line "$1.err" "waits, .*$2" && stop "$1"
}
start_server
SERVER_LOCAL="127.0.0.1:0 $SERVER"
write_config other "$(server_tunnel site "$SERVER_SERVICES")"
check "a UDP port that is taken" fails other "bind to $SERVER: Address already in use"
SERVER_LOCAL=192.0.2.1:9899
write_config other "$(server_tunnel site "$SERVER_SERVICES")"
check "an address of another host" fails other 'bind to 192\.0\.2\.1:9899: Cannot assign requested address'
CLIENT_OPTIONS=
write_config other "$(client_tunnel site "{ name = \"target\"; listen = \"$TARGET\"; }" "$SERVER")"
check "a port of a listener that is taken" fails other "cannot listen on $TARGET: Address already in use"
write_config other "$(client_tunnel site '{ name = "target"; listen = "unix:nowhere/socket"; }' "$SERVER")"
check "a UNIX socket in a directory that is not there" fails other 'cannot listen on unix:nowhere/socket: No such file or directory'
finish
