#!/usr/bin/env bash
# Goal of this test: authenticated SCTP with the kernel's transport, alone and inside UDP towards the udp
# transport, in both roles: every byte arrives while keys change; and an end that lacks it is told so.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has_sctp; then
    skip "authentication" "this kernel has no SCTP"
    finish
fi
lab_up 1
make_certificates
start_target 127.0.0.1:0

is_authenticated() { # END
    status_is "$1" .tunnels[0].association.sctp_auth on
}

# The option asks for what the host has not.
TRANSPORT=kernel SERVER_LOCAL=10.1.0.2:9899 SERVER_OPTIONS='sctp_auth = true;'
write_config server "$(server_tunnel site "{ name = \"target\"; connect = \"$TARGET\"; }")"
refused() {
    ! in_server timeout 20 "$HAWSER" run "$dir/server.cfg" >"$dir/refused.out" 2>"$dir/refused.err" &&
        grep 'sysctl -w net.sctp.auth_enable=1' "$dir/refused.err"
}
check "without the sysctl the end says what to do" refused

in_client sysctl -qw net.sctp.auth_enable=1 net.sctp.udp_port=9899
in_server sysctl -qw net.sctp.auth_enable=1 net.sctp.udp_port=9899
# Linux 6.1 loses the bursts of its own encapsulated SCTP where they are to be cut into packets.
ip -n client link set c1 gso_max_size 1500
ip -n server link set s1 gso_max_size 1500
# The least lifetime there is: a master is renewed after two thirds of 10 s.
SERVER_TLS_OPTIONS='ticket_lifetime = 10;' CLIENT_TLS_OPTIONS=$SERVER_TLS_OPTIONS

# talk CLIENT-TRANSPORT SERVER-TRANSPORT SERVER-ADDRESS [OPTIONS OF THE CLIENT]
talk() {
    local text="client $1, server $2"
    end_pair
    TRANSPORT=$2 SERVER_LOCAL=$3 SERVER_OPTIONS='sctp_auth = true;'
    start_server
    TRANSPORT=$1 REMOTE=10.1.0.2:9899 CLIENT_OPTIONS="sctp_auth = true; ${4:-}"
    [ "$1" = kernel ] || REMOTE=$3
    start_client
    check "$text: the tunnel is up" wait_until 30 is_up client
    check "$text: the client is authenticated" wait_until 20 is_authenticated client
    check "$text: the server, too" wait_until 20 is_authenticated server
    check "$text: every byte of 4 uploads and downloads arrives" \
        load both --to "$TO" --connections 4 --bytes "$(scaled 1000000)" --timeout 60
    check "$text: connections pass for 9 s" \
        load rr --to "$TO" --seconds 9 --parallel 8 --timeout 60
    check "$text: the master was renewed" status_has client '.tunnels[0].counters.masters_renewed >= 1'
    check "$text: all in one association" is_first_association
    check "$text: which is authenticated" is_authenticated client
}

talk kernel kernel 10.1.0.2:9899
talk udp kernel 10.1.0.2:9899
talk kernel udp 10.1.0.2:9900 'encap_port = 9900;'

end_pair
TRANSPORT=kernel SERVER_LOCAL=10.1.0.2:9899 SERVER_OPTIONS='sctp_auth = true;'
start_server
REMOTE=10.1.0.2:9899 CLIENT_OPTIONS=''
start_client
check "an end that is alone with it says so" wait_until 20 has_line server.err \
    'only this end has sctp_auth; both must have it, or neither'
check "and the other hears it" wait_until 20 has_line client.err 'this end requires sctp_auth'
finish
