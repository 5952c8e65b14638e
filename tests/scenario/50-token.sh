#!/usr/bin/env bash
# Goal of this test: private keys that never leave a PKCS#11 token, at both ends, and what is said when
# the token does not give them. The PIN is in no log.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need_token
put_in_token() { # --load-privkey|--load-certificate FILE LABEL
    p11tool --login --set-pin=271828 --write "$1=$2" --label="$3" \
        --no-mark-private --batch pkcs11:token=hawser
}
make_certificates
make_ca other
make_certificate stranger other client.example
check "a token gets the server's key" put_in_token --load-privkey "$dir/server.key" server
check "the client's key" put_in_token --load-privkey "$dir/client.key" client
check "and its certificate" put_in_token --load-certificate "$dir/client.pem" client
mv "$dir/server.key" "$dir/server.away"
mv "$dir/client.key" "$dir/client.away"
printf 271828 >"$dir/pin"
chmod 600 "$dir/pin"

URI='pkcs11:token=hawser;object=%s;type=%s%s'
uri() { # OBJECT TYPE [QUERY]
    # shellcheck disable=SC2059 # that is what it is
    printf "$URI" "$1" "$2" "${3:-}"
}
SERVER_TLS="ca = \"ca.pem\"; cert = \"server.pem\"; key = \"$(uri server private '?pin-value=271828')\";
    allow = \"client.example\";"
CLIENT_TLS="ca = \"ca.pem\"; cert = \"$(uri client cert)\";
    key = \"$(uri client private "?pin-source=file:$dir/pin")\"; peer = \"server.example\";"
start_target
start_server
REMOTE=$SERVER
start_client
check "the tunnel comes up with both keys in the token" wait_until 20 is_up client
check "the client is who its certificate in the token says" \
    status_is server '.tunnels[0].peer' client.example
check "connections" load rr --to "$TO" --connections "$(scaled 200)"
check "no child was full: the token has signed for the masters only" \
    status_has server '.tunnels[0].children | .resumed > 0 and .full + .failed == 0'
check "SIGHUP asks the token again" send_signal server HUP
check "and goes on" wait_until 10 status_has server '.tunnels[0].reload | .done == 1 and .fine'
stop client

CLIENT_TLS="ca = \"ca.pem\"; cert = \"stranger.pem\"; key = \"stranger.key\"; peer = \"server.example\";"
start_client
check "a server with its key in a token refuses as any other" \
    wait_until 10 has_line server.err 'not signed by a CA that we trust \(dns "client.example".*CN=other'
check "and the client knows why" wait_until 10 has_line client.err 'does not trust the CA that signed'
stop client

# mistake | key | certificate | words
while IFS='|' read -r what key cert words; do
    SERVER_TLS="ca = \"ca.pem\"; cert = \"$cert\"; key = \"$key\"; allow = \"client.example\";"
    write_config refused "$(server_tunnel site "$SERVER_SERVICES")"
    rm -f "$dir/refused.err"
    start refused "$HAWSER" run "$dir/refused.cfg"
    check "$what: does not begin" wait_until 10 has_line refused.err 'tunnel=site: waits'
    check "$what: a PIN is not tried again and again" \
        test "$(count_lines refused.err 'retries when|token=gone')" -gt 0
    stop refused
    check "$what: says why" has_line refused.err "$words"
    cat "$dir/refused.err" >>"$dir/all.err"
done <<END
a wrong PIN|$(uri server private '?pin-value=999999')|server.pem|object=server;type=private cannot be used
no PIN|$(uri server private)|server.pem|no pin-value or pin-source
a PIN file that is not there|$(uri server private "?pin-source=file:$dir/nowhere")|server.pem|cannot be used
no such object|$(uri nobody private '?pin-value=271828')|server.pem|object=nobody;type=private cannot be used
no such token|pkcs11:token=gone;object=server?pin-value=271828|server.pem|token=gone;object=server cannot be used
a key of somebody else|$(uri client private '?pin-value=271828')|server.pem|does not belong to the certificate
END
check "no PIN is in any log" test -z "$(grep -E '271828|999999' "$dir"/*.err "$dir"/*.out)"
finish
