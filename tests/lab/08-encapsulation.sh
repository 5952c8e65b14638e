#!/usr/bin/env bash
# Goal of this test: the kernel's SCTP inside UDP (RFC 6951), with the udp transport at the other end, in
# both roles, and with itself: every byte arrives, under load both ways.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

if ! has_sctp; then
    skip "encapsulation" "this kernel has no SCTP"
    finish
fi
lab_up 1
# Linux 6.1 loses the bursts of its own encapsulated SCTP where they are to be cut into packets.
ip -n client link set c1 gso_max_size 1500
ip -n server link set s1 gso_max_size 1500
in_client sysctl -qw net.sctp.udp_port=9899
in_server sysctl -qw net.sctp.udp_port=9899
make_certificates
start_target 127.0.0.1:0

# talk CLIENT-TRANSPORT SERVER-TRANSPORT SERVER-ADDRESS [OPTIONS OF THE CLIENT]: SCTP's port is 9899 at
# either server.
talk() {
    local text="client $1, server $2" begun
    end_pair
    TRANSPORT=$2 SERVER_LOCAL=$3
    start_server
    TRANSPORT=$1 REMOTE=10.1.0.2:9899 CLIENT_OPTIONS=${4:-}
    [ "$1" = kernel ] || REMOTE=$3
    start_client
    check "$text: the tunnel is up" wait_until 30 is_up client
    begun=$(milliseconds)
    start pings "${CLIENT_SIDE[@]}" "$TOOLS/load" ping --to "$TO" --connections 1 --seconds 1 --timeout 60
    check "$text: every byte of 4 uploads and downloads arrives" \
        load both --to "$TO" --connections 4 --bytes "$(scaled 1000000)" --timeout 60
    note "$text: $(scaled 8000000) bytes in $(($(milliseconds) - begun)) ms"
    check "$text: every round trip is made" exit_code pings 60
    note "$text: longest gap under load $(longest pings) ms"
    check "$text: connections pass" load rr --to "$TO" --connections "$(scaled 100)" --parallel 16 --timeout 60
    check "$text: all in one association" is_first_association
}

talk udp kernel 10.1.0.2:9899
talk kernel udp 10.1.0.2:9900 'encap_port = 9900;'
talk kernel kernel 10.1.0.2:9899 'encap_port = 9899;'
finish
