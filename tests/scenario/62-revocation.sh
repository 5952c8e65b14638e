#!/usr/bin/env bash
# Goal of this test: a client whose certificate is revoked, or that is not allowed any more, loses
# its association with the reason, and does not come back; the others notice nothing.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# revoke NAME...: crl.pem, with the certificates of these (none: an empty list)
revoke() {
    local arguments=() name
    for name in "$@"; do
        cat "$dir/$name.pem"
    done >"$dir/revoked.pem"
    [ $# -eq 0 ] || arguments=(--load-certificate "$dir/revoked.pem")
    printf 'crl_next_update = 30\ncrl_number = %d\n' "$((++crl_number))" >"$dir/crl.template"
    certtool --generate-crl --load-ca-privkey "$dir/ca.key" --load-ca-certificate "$dir/ca.pem" \
        "${arguments[@]}" --template "$dir/crl.template" --outfile "$dir/crl.new" 2>/dev/null
    mv "$dir/crl.new" "$dir/crl.pem"
}
crl_number=0
start_other() { # NAME CERTIFICATE: another client
    CLIENT_NAME=$2
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$SERVER")"
    run_hawser "$1"
    wait_until 30 is_up "$1" || fatal "the $1 does not come up"
}
is_not_up() {
    ! is_up "$1"
}
no_association() {
    status_has "$1" '.tunnels[0].state != "up" and .tunnels[0].counters.associations_up == 0'
}
make_ca ca
echo crl_signing_key >>"$dir/ca.template"
certtool --generate-self-signed --load-privkey "$dir/ca.key" --template "$dir/ca.template" \
    --outfile "$dir/ca.pem" 2>/dev/null
make_certificate server ca server.example
make_certificate client ca client.example
make_certificate second ca second.example
revoke
ALLOW='"client.example", "second.example"'
SERVER_TLS_OPTIONS='crl = "crl.pem";'
start_pair
start_other client2 second
TO2=$(tunnel client2 '.services[0].listen')
start held "$TOOLS/load" hold --to "$TO" --connections 5 --timeout 60
start others "$TOOLS/load" hold --to "$TO2" --connections 5 --timeout 60
check "both clients have connections" wait_until 20 has_line held.out '^ready'
check "both" wait_until 20 has_line others.out '^ready'

revoke client
check "the association of the revoked one ends" wait_until 15 is_not_up client
check "the server says why" has_line server.err 'client.example.*: association ended: .*revoked'
check "the client, too" \
    wait_until 10 has_line client.err 'association ended: .*(revoked|not accepted)'
send_signal held USR1
check "its connections were reset, not closed as if they were complete" \
    wait_until 10 has_line held.err 'reset by peer'
crash held
check "it is refused when it comes back" \
    wait_until 15 has_line server.err 'no association: .*revoked'
check "and stays out" no_association client
check "the other one keeps its association" \
    status_is client2 '.tunnels[0].counters.associations_total' 1
send_signal others USR1
check "and its connections" exit_code others

sed -i 's/"client.example", "second.example"/"client.example"/' "$dir/server.cfg"
send_signal server HUP
check "who is not allowed any more goes when the server reads its configuration" \
    wait_until 15 is_not_up client2
check "the reason names it" has_line server.err 'second.example.*: association ended: .*second\.example'

revoke
check "a list without it lets the first one in again" wait_until 30 is_up client
check "and its connections" load rr --to "$TO" --connections 20
finish
