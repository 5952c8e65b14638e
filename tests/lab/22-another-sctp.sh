#!/usr/bin/env bash
# Goal of this test: the engine and Linux's SCTP, authenticated and inside UDP, in both roles: every byte arrives
# over a line that loses packets, and an end that was killed without a word is taken again at once.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has_sctp; then
    skip "another SCTP" "this kernel has no SCTP"
    finish
fi
lab_up 1
for host in client server; do
    ip netns exec $host sysctl -qw net.sctp.auth_enable=1 net.sctp.udp_port=9899
    # Linux 6.1 loses the bursts of its own encapsulated SCTP where they are to be cut into packets.
    ip -n $host link set "${host:0:1}1" gso_max_size 1500
done
make_certificates
start_target 127.0.0.1:0
# Linux takes no ABORT that is not authenticated, so it finds out by itself that a server has begun anew.
COMMON='sctp_auth = true; heartbeat = 0.5; dead_after = 4;
    paths = { rto_min = 0.1; rto_initial = 0.2; rto_max = 1; max_retransmissions = 2; };'
SERVER_OPTIONS=$COMMON

begin_server() {
    TRANSPORT=$SERVER_TRANSPORT
    start_server
}

# SCTP's port is 9899 at either server, the client's own is the same after each start.
begin_client() {
    TRANSPORT=$CLIENT_TRANSPORT CLIENT_OPTIONS="$COMMON local = [ \"10.1.0.1:6000\" ];"
    [ "$TRANSPORT" = udp ] || CLIENT_OPTIONS+=" encap_port = ${SERVER_LOCAL#*:};"
    start_client
}

# Nothing that the host says of its own accord (ABORT, ICMP) while its program is gone arrives.
kill_silently() { # NAME
    lab_cut 1
    crash "$1"
    lab_restore 1
}

are_authenticated() {
    status_is client .tunnels[0].association.sctp_auth on &&
        status_is server '[.tunnels[0].associations[] | select(.state == "up") | .sctp_auth] | join(" ")' on
}

is_used() { # TEXT
    check "$1: one association is up at both ends, authenticated" wait_until 60 are_authenticated
    check "$1: connections pass" load rr --to "$TO" --connections 20 --parallel 10
}

talk() { # CLIENT-TRANSPORT SERVER-TRANSPORT PORT-OF-UDP
    local text="client $1, server $2" begun drops
    end_pair
    CLIENT_TRANSPORT=$1 SERVER_TRANSPORT=$2 SERVER_LOCAL=10.1.0.2:$3 REMOTE=10.1.0.2:9899
    [ "$1" = kernel ] || REMOTE=10.1.0.2:$3
    begin_server
    begin_client
    is_used "$text"
    lab_loss 1 1
    begun=$(milliseconds)
    check "$text, 1% lost: every byte of 4 uploads and downloads arrives" \
        load both --to "$TO" --connections 4 --bytes 150000 --timeout 60
    drops="$(lab_count 1 up drops) up, $(lab_count 1 down drops) down"
    note "$text: 1.2 MB in $(($(milliseconds) - begun)) ms, lost were $drops"
    check "$text, 1% lost: some were" test "$drops" != "0 up, 0 down"
    check "$text, 1% lost: in the first association" is_first_association
    lab_loss 1 0
    kill_silently client
    begin_client
    is_used "$text, client killed"
    kill_silently server
    begin_server
    begun=$(milliseconds)
    is_used "$text, server killed"
    note "$text, server killed: used again after $(($(milliseconds) - begun)) ms"
}

talk udp kernel 9899
talk kernel udp 9900
finish
