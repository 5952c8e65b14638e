#!/usr/bin/env bash
# Goal of this test: every way to say whom to trust, with real processes at both ends: revocation
# lists, OCSP responses, pins, a directory of CAs, SPIFFE names. Each case is a tunnel of its own, all
# in one pair of processes. Who is refused is named in the log of the end that refuses, and the other
# end's log says why in a sentence.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

pin() { # NAME [hex]: of its public key
    local key=$dir/$1.pub
    openssl x509 -in "$dir/$1.pem" -noout -pubkey | openssl pkey -pubin -outform der >"$key"
    if [ $# -gt 1 ]; then
        echo "sha256:$(sha256sum <"$key" | cut -d ' ' -f 1)"
    else
        echo "sha256:$(openssl dgst -sha256 -binary <"$key" | base64)"
    fi
}
make_list() { # NAME OF THE REVOKED...: crl.pem
    cat "${@/%/.pem}" >"$dir/revoked.pem"
    printf 'crl_next_update = 30\ncrl_number = 1\n' >"$dir/crl.template"
    certtool --generate-crl --load-ca-privkey "$dir/ca.key" --load-ca-certificate "$dir/ca.pem" \
        --load-certificate "$dir/revoked.pem" --template "$dir/crl.template" \
        --outfile "$dir/crl.pem" 2>/dev/null
}
staple() { # NAME STATUS (V: good, R: revoked): NAME.ocsp
    local serial revoked=
    serial=$(openssl x509 -in "$dir/$1.pem" -noout -serial)
    [ "$2" = V ] || revoked=250101000000Z
    printf '%s\t491231235959Z\t%s\t%s\tunknown\t/CN=%s\n' "$2" "$revoked" "${serial#*=}" "$1" \
        >"$dir/$1.index"
    openssl ocsp -index "$dir/$1.index" -rsigner "$dir/ca.pem" -rkey "$dir/ca.key" \
        -CA "$dir/ca.pem" -issuer "$dir/ca.pem" -cert "$dir/$1.pem" -ndays 1 \
        -respout "$dir/$1.ocsp" >/dev/null 2>&1
}
make_ca ca
echo crl_signing_key >>"$dir/ca.template"
certtool --generate-self-signed --load-privkey "$dir/ca.key" --template "$dir/ca.template" \
    --outfile "$dir/ca.pem" 2>/dev/null
make_ca second
make_ca stranger
make_certificate server ca server.example 'uri = "spiffe://example/servers/one"'
make_certificate client ca client.example 'uri = "spiffe://example/laptops/anna"'
make_certificate gone ca gone.example
make_certificate fake ca gone-server.example
make_certificate bob second bob.example
make_certificate eve stranger eve.example
cd "$dir" || exit 1
make_list gone fake
staple server V
staple client V
staple gone R
mkdir cas
cp ca.pem cas/first.pem
cp second.pem cas/second.crt
cp stranger.pem cas/README # no name of a certificate: not looked at

ANY='ca = "ca.pem";'
OWN_S='cert = "server.pem"; key = "server.key";'
OWN_C='cert = "client.pem"; key = "client.key";'
P='peer = "server.example";' A='allow = [ "client.example" ];'
names=()
declare -A server_tls client_tls refuser seen told
good() { # NAME SERVER'S tls CLIENT'S tls
    names+=("$1")
    server_tls[$1]=$2
    client_tls[$1]=$3
}
refused() { # NAME BY SERVER'S CLIENT'S WHAT-THE-REFUSER-SEES WHAT-THE-OTHER-IS-TOLD
    good "$1" "$3" "$4"
    refuser[$1]=$2
    seen[$1]=$5
    told[$1]=$6
}
C=$(pin client) CH=$(pin client hex) S=$(pin server) G=$(pin gone)
ALLOWED='does not include us' UNNAMED='did not accept our certificate'

good crl "$ANY $OWN_S $A crl = \"crl.pem\";" "$ANY $OWN_C $P crl = \"crl.pem\";"
refused crl-client server "$ANY $OWN_S crl = \"crl.pem\";" \
    "$ANY cert = \"gone.pem\"; key = \"gone.key\"; $P" \
    'it is revoked \(dns "gone.example", sha256:.*, issued by "CN=ca"\)' 'our certificate is revoked'
refused crl-server client "$ANY cert = \"fake.pem\"; key = \"fake.key\";" \
    "$ANY $OWN_C peer = \"gone-server.example\"; crl = \"crl.pem\";" \
    'it is revoked \(dns "gone-server.example"' 'our certificate is revoked'
good ocsp "$ANY $OWN_S staple = \"server.ocsp\"; ocsp = \"require\";" \
    "$ANY $OWN_C staple = \"client.ocsp\"; ocsp = \"require\"; $P"
good ocsp-optional "$ANY $OWN_S staple = \"server.ocsp\";" "$ANY $OWN_C $P"
refused ocsp-client server "$ANY $OWN_S ocsp = \"require\";" "$ANY $OWN_C $P" \
    'no OCSP response came with it \(dns "client.example", uri "spiffe' "$UNNAMED.*OCSP"
refused ocsp-server client "$ANY $OWN_S" "$ANY $OWN_C ocsp = \"require\"; $P" \
    'no OCSP response came with it \(dns "server.example"' "$UNNAMED.*OCSP"
good pins "$OWN_S pins = [ \"$G\", \"$CH\" ];" "$OWN_C pins = \"$S\";"
good pins-and-ca "$ANY $OWN_S pins = \"$C\";" "$ANY $OWN_C pins = \"$S\"; $P"
refused pin-client server "$ANY $OWN_S pins = \"$G\";" "$ANY $OWN_C $P" \
    'the peer is dns "client.example".*, '"$CH"'; its key matches none of the pins \(1\)' \
    "$UNNAMED or key.*pinned"
refused pin-server client "$OWN_S pins = \"$C\";" "$OWN_C pins = [ \"$G\", \"$C\" ];" \
    "the peer is $(pin server hex); its key matches none of the pins \(2\)" "$UNNAMED or key.*pinned"
good cas "ca = \"cas\"; $OWN_S allow = \"bob.example\";" "$ANY cert = \"bob.pem\"; key = \"bob.key\"; $P"
refused cas-none server "ca = \"cas\"; $OWN_S" "$ANY cert = \"eve.pem\"; key = \"eve.key\"; $P" \
    'not signed by a CA that we trust \(dns "eve.example", .*, issued by "CN=stranger"\)' \
    'does not trust the CA that signed our certificate'
good spiffe "$ANY $OWN_S allow = \"spiffe://example/laptops/anna\";" \
    "$ANY $OWN_C peer = \"spiffe://example/servers/one\";"
good spiffe-below "$ANY $OWN_S allow = [ \"nobody\", \"spiffe://example/laptops/*\" ];" "$ANY $OWN_C $P"
good allow-pin "$ANY $OWN_S allow = \"$C\";" "$ANY $OWN_C peer = \"$S\";"
refused spiffe-client server "$ANY $OWN_S allow = \"spiffe://example/laptops/bert\";" "$ANY $OWN_C $P" \
    'uri "spiffe://example/laptops/anna", sha256:.*allowed is "spiffe://example/laptops/bert"' "$ALLOWED"
refused spiffe-above server "$ANY $OWN_S allow = \"spiffe://example/laptops/anna/*\";" "$ANY $OWN_C $P" \
    'uri "spiffe://example/laptops/anna", sha256:.*allowed is' "$ALLOWED"
refused spiffe-server client "$ANY $OWN_S" "$ANY $OWN_C peer = \"spiffe://example/servers/two\";" \
    'uri "spiffe://example/servers/one", sha256:.*servers/two" was expected' "$UNNAMED: another name"
refused allow-other-pin server "$ANY $OWN_S allow = \"$G\";" "$ANY $OWN_C $P" \
    "the peer is dns \"client.example\".*$CH; allowed is \"sha256:" "$ALLOWED"

# Services of one tunnel: name, allow, whether the client may use it.
services='uri|"spiffe://example/laptops/anna"|yes
below|"spiffe://example/laptops/*"|yes
key|"'$C'"|yes
other|"spiffe://example/laptops/bert"|no
elsewhere|"spiffe://example/servers/*"|no
otherkey|"'$G'"|no'

start_target
tunnels=() SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }"
for name in "${names[@]}"; do
    SERVER_TLS=${server_tls[$name]}
    tunnels+=("$(server_tunnel "$name" "$SERVER_SERVICES")")
done
for_server=() for_client=()
while IFS='|' read -r service allow may; do
    for_server+=("{ name = \"$service\"; connect = \"$TARGET\"; allow = $allow; }")
    for_client+=("{ name = \"$service\"; listen = \"127.0.0.1:0\"; }")
done <<<"$services"
join() {
    local IFS=,
    echo "$*"
}
SERVER_TLS="$ANY $OWN_S"
tunnels+=("$(server_tunnel services "$(join "${for_server[@]}")")")
write_config server "$(join "${tunnels[@]}")"
run_hawser server
address_of() {
    status server ".tunnels[] | select(.name == \"$1\").local[0]"
}
tunnels=()
for name in "${names[@]}"; do
    CLIENT_TLS=${client_tls[$name]}
    tunnels+=("$(client_tunnel "$name" "$CLIENT_SERVICES" "$(address_of "$name")")")
done
CLIENT_TLS="$ANY $OWN_C $P"
tunnels+=("$(client_tunnel services "$(join "${for_client[@]}")" "$(address_of services)")")
write_config client "$(join "${tunnels[@]}")"
run_hawser client

tunnel_is() { # NAME STATE
    status_is client ".tunnels[] | select(.name == \"$1\").state" "$2"
}
says() { # END NAME PATTERN: its log, of that tunnel
    has_line "$1.err" "tunnel=$2 .*(no association|association ended): .*$3"
}
for name in "${names[@]}"; do
    if [ -z "${refuser[$name]:-}" ]; then
        check "$name: comes up" wait_until 20 tunnel_is "$name" up
        continue
    fi
    other=client
    [ "${refuser[$name]}" = server ] || other=server
    check "$name: the ${refuser[$name]} refuses, and names whom it saw" \
        wait_until 20 says "${refuser[$name]}" "$name" "${seen[$name]}"
    check "$name: the $other knows why" wait_until 20 says "$other" "$name" "${told[$name]}"
    check "$name: is not up" status_has client \
        ".tunnels[] | select(.name == \"$name\") | .state != \"up\" and .counters.associations_up == 0"
done
check "services: comes up" wait_until 20 tunnel_is services up
while IFS='|' read -r service allow may; do
    to=$(status client ".tunnels[-1].services[] | select(.name == \"$service\").listen")
    if [ "$may" = yes ]; then
        check "service $service: may be used" load rr --to "$to" --connections 5
    else
        check "service $service: is refused" ends refused --to "$to" --connections 2
        check "service $service: the log names whom it saw" wait_until 5 \
            has_line server.err "$service.*does not allow.*uri \"spiffe://example/laptops/anna\""
        check "service $service: the client's log says why" \
            wait_until 5 has_line client.err "$service.*not in the service.s allow"
    fi
done <<<"$services"

# An own response that says "revoked" is refused before anybody sees it.
SERVER_TLS="$ANY cert = \"gone.pem\"; key = \"gone.key\"; staple = \"gone.ocsp\";"
write_config revoked "$(server_tunnel site "$SERVER_SERVICES")"
check "a staple that says our own certificate is revoked does not start" \
    test "$("$HAWSER" check revoked.cfg 2>revoked.err; echo $?)" = 2
check "with the reason" has_line revoked.err 'gone.ocsp cannot be stapled.*it is revoked'
finish
