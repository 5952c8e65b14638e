#!/usr/bin/env bash
# Goal of this test: keys change while many streams are busy in both directions: KeyUpdate at each
# lease and after so many bytes, masters that are renewed; and four tunnels that come back to one
# server at once, with fewer tickets than that.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# The least lifetime there is: a master is renewed after two thirds of 10 s.
SERVER_TLS_OPTIONS='rekey_on_lease = true; rekey_bytes = 200000; ticket_lifetime = 10;'
CLIENT_TLS_OPTIONS=$SERVER_TLS_OPTIONS
CLIENT_OPTIONS='streams = { initial = 64; };'
SERVER_OPTIONS=$CLIENT_OPTIONS
streams=$(scaled 40)
start_pair
start traffic "$TOOLS/load" rr --to "$TO" --seconds 16 --parallel 8 --timeout 100
start duplex "$TOOLS/load" both --to "$TO" --connections "$streams" --parallel "$streams" \
    --bytes "$(scaled 8000000)" --timeout 100
check "$streams streams, full in both directions: each byte is right" exit_code duplex 100
check "connections that come and go the whole time, too" exit_code traffic 100
check "many leases began with new keys" \
    status_has client ".tunnels[0].counters.leases_rekeyed >= 50"
check "at the other end as well" status_has server ".tunnels[0].counters.leases_rekeyed >= 50"
check "the master was renewed meanwhile" \
    status_has client '.tunnels[0].counters.masters_renewed >= 1'
start burst "$TOOLS/load" hold --to "$TO" --connections "$((64 + streams))" --parallel 64 \
    --timeout 60
check "more children, from the renewed one" wait_until 30 has_line burst.out '^ready'
check "no child failed, all were resumed" status_is client '.tunnels[0].children | .full + .failed' 0
send_signal burst USR1
check "and they are right" exit_code burst
check "all in one association" status_is client '.tunnels[0].counters.associations_total' 1
check "the client ends" stop client
check "the server ends" stop server

(umask 077 && openssl rand -base64 64 | tr -d '\n' >"$dir/keys")
SERVER_TLS_OPTIONS='ticket_key_file = "keys";' CLIENT_TLS_OPTIONS=''
SERVER_OPTIONS='' CLIENT_OPTIONS='dead_after = 2;'
start_server
REMOTE=$SERVER
tunnels=$(client_tunnel a "$CLIENT_SERVICES" "$REMOTE")
for name in b c d; do
    tunnels+=", $(client_tunnel "$name" "$CLIENT_SERVICES" "$REMOTE")"
done
write_config client "$tunnels"
run_hawser client
all_up() { # TIMES
    status_has client "[.tunnels[] | select(.state == \"up\" and .counters.associations_total >= $1)] | length == 4"
}
check "four tunnels to one server, in one process" wait_until 30 all_up 1
crash server
start_server
check "all of them come back at once" wait_until 30 all_up 2
count() {
    status client "[.tunnels[].counters.$1] | add"
}
note "$(count masters_resumed) masters resumed, $(count masters_full) by full handshakes"
check "some by the tickets that there were" status_has client '[.tunnels[].counters.masters_resumed] | add >= 1'
check "all children were resumed" status_is client '[.tunnels[].children | .full + .failed] | add' 0
finish
