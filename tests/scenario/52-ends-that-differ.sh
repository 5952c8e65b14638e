#!/usr/bin/env bash
# Goal of this test: ends that were not configured alike, each case a tunnel in one pair of processes:
# orders of ciphers and groups, lifetimes of tickets, nothing in common. What can work does, with every
# child resumed, also after the shorter lifetime has ended; what cannot says so at both ends.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

BASE='NORMAL:-VERS-ALL:+VERS-TLS1.3'
only() { # CIPHERS GROUPS: an option
    echo "priority = \"$BASE:-CIPHER-ALL:$1:-GROUP-ALL:$2\";"
}
AES=+AES-128-GCM CHACHA=+CHACHA20-POLY1305 X=+GROUP-X25519 P=+GROUP-SECP256R1
OLD='min_version = "1.2"; max_version = "1.2";'
# name | server | client | up, refused, or up and renewed when the shorter lifetime has ended
cases="ciphers|$(only "$CHACHA:$AES" "$X")|$(only "$AES:$CHACHA" "$X")|up
groups|$(only "$AES" "$P:$X")|$(only "$AES" "$X:$P")|up
one-group|$(only "$AES" "$X:$P")|$(only "$AES" "$P")|up
no-cipher|$(only "$AES" "$X")|$(only "$CHACHA" "$X")|refused
no-group|$(only "$AES" "$X")|$(only "$AES" "$P")|refused
no-version|$OLD||refused
short-server|ticket_lifetime = 10;||renewed
short-client||ticket_lifetime = 10;|renewed
short-server-old|$OLD ticket_lifetime = 10; resume_by = \"tickets\";|$OLD|renewed
short-server-ids|$OLD ticket_lifetime = 10; resume_by = \"ids\";|$OLD|renewed
short-client-old|$OLD|$OLD ticket_lifetime = 10;|renewed"

make_certificates
start_target
each() { # COMMAND...: with name, server, client, outcome
    local name server client outcome
    while IFS='|' read -r name server client outcome; do
        "$@" "$name" "$server" "$client" "$outcome" </dev/null
    done <<<"$cases"
}
all_server='' all_client=''
add_server() {
    SERVER_TLS_OPTIONS=$2
    all_server+="${all_server:+,}$(server_tunnel "$1" "{ name = \"target\"; connect = \"$TARGET\"; }")"
}
of() { # END NAME FILTER
    status "$1" ".tunnels[] | select(.name == \"$2\") | $3"
}
has() { # END NAME FILTER
    [ "$(of "$@")" = true ]
}
add_client() {
    CLIENT_TLS_OPTIONS=$3
    all_client+="${all_client:+,}$(client_tunnel "$1" "$CLIENT_SERVICES" "$(of server "$1" '.local[0]')")"
}
each add_server
write_config server "$all_server"
run_hawser server
CLIENT_OPTIONS='streams = { initial = 4; };'
each add_client
write_config client "$all_client"
began=${EPOCHREALTIME%[.,]*}
run_hawser client

says_why() { # END NAME
    has_line "$1.err" "tunnel=$2 .*no association: .*(TLS handshake failed): .{20,}"
}
# True if the failure is to be expected: the shorter lifetime has ended already, on a machine with other things to do.
are_resumed() { # NAME OUTCOME
    has client "$1" '.children | .resumed > 0 and .full == 0' || return
    has client "$1" '.children.failed == 0' || { [ "$2" = renewed ] && lasts 9; }
}
lasts() { # SECONDS, since the client began
    [ $((${EPOCHREALTIME%[.,]*} - began)) -ge "$1" ]
}
check_case() {
    if [ "$4" = refused ]; then
        check "$1: the server says why" wait_until 20 says_why server "$1"
        check "$1: the client, too" wait_until 20 says_why client "$1"
        check "$1: is not up" has client "$1" '.state != "up" and .counters.associations_up == 0'
        return
    fi
    check "$1: comes up" wait_until 20 has client "$1" '.state == "up"'
    check "$1: connections" load rr --to "$(of client "$1" '.services[0].listen')" --connections 20
    check "$1: every child was resumed" are_resumed "$1" "$4"
}
each check_case

wait_until 20 lasts 12
check_late() {
    [ "$4" = renewed ] || return 0
    check "$1: later: more children than there were" load rr --parallel 20 --connections 100 \
        --to "$(of client "$1" '.services[0].listen')"
    check "$1: later: none of them was full" has client "$1" '.children.full == 0'
    check "$1: later: the master was renewed, in the same association" has client "$1" \
        '.counters | .masters_renewed >= 1 and .associations_total == 1'
    note "$1: $(of client "$1" '"\(.children) renewed \(.counters.masters_renewed), associations \(.counters.associations_total)"')"
}
each check_late
finish
