#!/usr/bin/env bash
# Goal of this test: a service that is for some peers only: others are refused by name, and use the
# rest of the tunnel as before.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
make_certificate guest ca guest.example
start_target
ALLOW='"client.example", "guest.example"'
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; },
    { name = \"secret\"; connect = \"$TARGET\"; allow = [ \"client.example\", \"spiffe://example/admin/*\" ]; }"
CLIENT_SERVICES='{ name = "target"; listen = "127.0.0.1:0"; },
                 { name = "secret"; listen = "127.0.0.1:0"; }'
start_pair
check "who is allowed uses the service" \
    load rr --to "$(tunnel client '.services[1].listen')" --connections 20
stop client

CLIENT_NAME=guest
start_client
wait_until 30 is_up client || fatal "the tunnel does not come up"
check "another is refused with RST" \
    ends refused --to "$(tunnel client '.services[1].listen')" --connections 20
check "the server's log names who it was and the service" \
    wait_until 5 has_line server.err 'secret.*service "secret" does not allow dns "guest.example", sha256:'
check "the client's log says why" wait_until 5 has_line client.err 'secret.*not in the service.s allow'
check "both count it" status_is server '.tunnels[0].counters.services_denied' 20
check "at the client as refused" status_is client '.tunnels[0].services[1].refused' 20
check "the other service is open to it" load rr --to "$TO" --connections 100
check "no child session was lost by it" status_is client '.tunnels[0].children.failed' 0
finish
