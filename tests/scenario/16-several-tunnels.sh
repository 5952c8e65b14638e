#!/usr/bin/env bash
# Goal of this test: one process holds several tunnels, clients and servers mixed.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
start_target
# "first" has a server for tunnel a and will have a client for tunnel b; "second" the reverse.
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }"
write_config server-first "$(server_tunnel a "$SERVER_SERVICES")"
run_hawser server-first
A=$(status server-first '.tunnels[0].local[0]')
SERVER_LOCAL=127.0.0.1:0
write_config server-second "$(server_tunnel b "$SERVER_SERVICES"),
    $(client_tunnel a "$CLIENT_SERVICES" "$A")"
run_hawser server-second
B=$(status server-second '.tunnels[] | select(.name == "b").local[0]')
check "the first leaves" stop server-first
SERVER_LOCAL=$A
write_config server-first "$(server_tunnel a "$SERVER_SERVICES"),
    $(client_tunnel b "$CLIENT_SERVICES" "$B"), $(client_tunnel c "$CLIENT_SERVICES" "$B")"
run_hawser server-first

up_in() { # PROCESS TUNNEL
    status_has "$1" ".tunnels[] | select(.name == \"$2\") | .state == \"up\""
}
entry() { # PROCESS TUNNEL
    status "$1" ".tunnels[] | select(.name == \"$2\").services[0].listen"
}
check "tunnel a comes up" wait_until 20 up_in server-second a
check "tunnel b comes up" wait_until 20 up_in server-first b
check "tunnel c comes up, to the same server as b" wait_until 20 up_in server-first c
start one "$TOOLS/load" both --to "$(entry server-second a)" --connections 4 --bytes "$(scaled 8000000)"
start two "$TOOLS/load" both --to "$(entry server-first b)" --connections 4 --bytes "$(scaled 8000000)"
check "connections through tunnel c" \
    load rr --to "$(entry server-first c)" --connections 200 --parallel 16
check "bytes through tunnel a" exit_code one
check "bytes through tunnel b" exit_code two
finish
