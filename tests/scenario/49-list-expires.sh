#!/usr/bin/env bash
# Goal of this test: a revocation list that expires while the process runs: said once, nobody new of its
# CA comes in, what is open goes on; a new list mends it without a restart. Expired at the start: no start.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

LIFE=$((SCALE > 1 ? 12 : 5)) # seconds; whoever is slower than that starts with an expired list, which is another test
make_list() { # SECONDS FROM NOW: crl.pem, of nobody
    printf 'crl_this_update_date = "%s"\ncrl_next_update_date = "%s"\ncrl_number = %d\n' \
        "$(date -u -d '-1 hour' '+%F %T UTC')" "$(date -u -d "$1 seconds" '+%F %T UTC')" \
        "$((++number))" >"$dir/crl.template"
    certtool --generate-crl --load-ca-privkey "$dir/ca.key" --load-ca-certificate "$dir/ca.pem" \
        --template "$dir/crl.template" --outfile "$dir/crl.new" 2>/dev/null
    mv "$dir/crl.new" "$dir/crl.pem"
}
number=0
make_ca ca
echo crl_signing_key >>"$dir/ca.template"
certtool --generate-self-signed --load-privkey "$dir/ca.key" --template "$dir/ca.template" \
    --outfile "$dir/ca.pem" 2>/dev/null
make_certificate server ca server.example
make_certificate client ca client.example
SERVER_TLS_OPTIONS='crl = "crl.pem";'
start_target

make_list -5
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }"
write_config server "$(server_tunnel site "$SERVER_SERVICES")"
start early "$HAWSER" run "$dir/server.cfg"
check "a list that has expired already: it waits" wait_until 10 has_line early.err 'tunnel=site: waits'
check "and does not listen" test "$(tunnel server '.local | length')" = 0
stop early
check "the reason has the file and the date" \
    has_line early.err "revocation list in $dir/crl.pem expired on $(date -u '+%Y-')"

make_list $LIFE
start_pair
start held "$TOOLS/load" hold --to "$TO" --connections 5 --timeout 100
check "while the list is good there are connections" wait_until 10 has_line held.out '^ready'
check "when it expires, one line says so" wait_until $((LIFE + 10)) has_line server.err \
    'error tunnel=site: the revocation list of the CA "CN=ca" expired on .*its certificates are not accepted'
write_config client2 "$(client_tunnel site "$CLIENT_SERVICES" "$SERVER")"
run_hawser client2
check "a new client is refused" wait_until 10 has_line server.err \
    'no association: .*the revocation list of its CA has expired.*\(dns "client.example", sha256:'
check "and is told so" wait_until 10 has_line client2.err 'no association: .*revocation list is too old'
check "the old one keeps its association" status_is client '.tunnels[0].counters.associations_total' 1
check "and may still make connections" load rr --to "$TO" --connections 20
check "a reload for another reason" send_signal server HUP
check "keeps what there was, and says why" \
    wait_until 10 has_line server.err 'the earlier files stay in use: .*crl.pem expired on'
check "the list has been told of once" \
    test "$(count_lines server.err 'list of the CA "CN=ca" expired on')" = 1

make_list 3600
check "a new list is read as soon as it is there" \
    wait_until 10 has_line server.err 'reloaded certificates, keys and rules'
check "and the other client comes in" wait_until 20 is_up client2
send_signal held USR1
check "the held connections were there all the time" exit_code held
finish
