#!/usr/bin/env bash
# Goal of this test: every line about a connection says who the far endpoint has proved to be and by which
# association; what that one claims is marked as a claim, and can look like nothing else.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_named_client() { # NAME CERTIFICATE
    CLIENT_NAME=$2
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser "$1"
    wait_until 30 is_up "$1" || fatal "the $1 does not come up"
}
to() { # CLIENT SERVICE
    tunnel "$1" ".services[] | select(.name == \"$2\").listen"
}
of_association() { # CLIENT: what its lines have
    tunnel "$1" '.association.id[0:16]'
}
# all_name FILE WHAT PATTERN: every line about a connection with WHAT has the pattern, and there is one.
all_name() {
    grep -E -- "connection=[0-9a-f]{16} .*: .*$2" "$dir/$1" >"$dir/lines" && ! grep -Ev -- "$3" "$dir/lines"
}
said() { # FILE WHAT PATTERN: in time
    check "$2: $1 names who it was" wait_until 10 all_name "$1" "$2" "$3"
}
try() { # CLIENT SERVICE: some bytes to it, whatever becomes of them
    echo hello | socat -t 5 - "TCP:$(to "$1" "$2")" >/dev/null 2>&1 || true
}

make_certificates
make_certificate guest ca guest.example
start_target
ALLOW='"client.example", "guest.example"'
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; },
    { name = \"secret\"; connect = \"$TARGET\"; allow = [ \"client.example\" ]; },
    { name = \"dead\"; connect = \"unix:$dir/nobody.sock\"; },
    { name = \"local\"; connect = \"$TARGET\"; }"
CLIENT_SERVICES="{ name = \"target\"; listen = \"127.0.0.1:0\"; },
    { name = \"secret\"; listen = \"127.0.0.1:0\"; }, { name = \"dead\"; listen = \"127.0.0.1:0\"; },
    { name = \"unknown\"; listen = \"127.0.0.1:0\"; },"
CLIENT_OPTIONS='waiting = { timeout = 0.5; }; streams = { initial = 2; max = 2; };
    heartbeat = 0.2; dead_after = 2;'
start_server
REMOTE=$SERVER
both=$CLIENT_SERVICES
CLIENT_SERVICES="$both { name = \"local\"; listen = \"unix:client.local\"; }"
start_named_client client client
CLIENT_SERVICES="$both { name = \"local\"; listen = \"unix:guest.local\"; }"
start_named_client client-guest guest
a=$(of_association client) b=$(of_association client-guest)
check "two associations" test -n "$a" -a -n "$b" -a "$a" != "$b"
check "the server knows them by the same ids" status_has server \
    "[.tunnels[0].associations[] | [.peer, .id[0:16]]] | sort == [[\"client.example\", \"$a\"], [\"guest.example\", \"$b\"]]"
check "the line of each association has all of its identity" has_line server.err \
    "peer=guest\.example association=$b: association up .*identity=\"dns .*guest\.example.*sha256:"

# At the server: proof and claim. At the clients: the server, and the local client, which the kernel vouches for.
of_client="peer=client\.example association=$a claims=\"[^\"]*\": "
of_guest="peer=guest\.example association=$b claims=\"[^\"]*\": "
here="peer=server\.example association=$a client=[^ ]*: "
check "a connection" load rr --to "$(to client target)"
check "another one's" load rr --to "$(to client-guest target)"
check "each with a line of its own" wait_until 5 has_line server.err \
    "service=target $of_client.*both sides closed"
check "that says whose it was" wait_until 5 has_line server.err "service=target $of_guest.*both sides closed"
said server.err "both sides closed" "$of_client|$of_guest"
said client.err "both sides closed" "$here"
check "a reset by the target" ends reset-by-target --to "$(to client target)"
said server.err "reset by the local end" "$of_client"
said client.err "reset by the far end" "$here"
check "a reset by the client" ends reset-by-client --to "$(to client target)" --ask "$TARGET"
said server.err "reset by the far end" "$of_client"
said client.err "reset by the local end" "$here"
try client-guest secret
said server.err "does not allow dns" "$of_guest"
said client-guest.err "not in the service.s allow" "peer=server\.example association=$b client=[^ ]*: "
try client dead
said server.err "target refused" "$of_client"
said client.err "target refused" "$here"
try client unknown
said server.err "no .connect. for this service" "service=unknown $of_client"
said client.err "no .connect. for this service" "$here"
for i in 1 2; do start "hold$i" socat -u "TCP:$(to client target)" "OPEN:$dir/hold$i.got,creat"; done
wait_until 10 status_is client '.tunnels[0].connections.open' 2
try client target
said client.err "no stream became free" "$here"
for i in 1 2; do stop "hold$i"; done
wait_until 10 is_idle client

# A local client of a UNIX socket chooses what its address looks like.
# (socat wants a backslash before quotes and colons.)
nasty='x\"\: ended peer=admin.example
2026-11-30T00\:00\:00.000Z info peer=admin.example'
echo hello | (cd "$dir" && socat -t 5 - "UNIX-CONNECT:guest.local,bind=$nasty") >/dev/null 2>&1 || true
check "one that spells an identity" wait_until 5 has_line server.err 'service=local .*: connection ended'
said server.err "" "$of_client|peer=guest\.example association=$b claims=\"(\\\\.|[^\"\\\\])*\": "
check "no line begins as it wanted" test "$(count_lines server.err '^2026-11-30T00:00:00.000Z')" -eq 0
check "nobody has proved to be admin.example" test "$(count_lines server.err '^[^"]* peer=admin')" -eq 0
check "nor at the client" test "$(count_lines client-guest.err '^[^"]* peer=admin')" -eq 0

# An association that goes.
start hold socat -u "TCP:$(to client target)" "OPEN:$dir/hold.got,creat"
wait_until 10 status_is client '.tunnels[0].connections.open' 1
crash server
rm -f "$dir/server.err"
said client.err "the tunnel is down" "$here"
try client target
check "one that waited in vain has no peer to name" wait_until 5 has_line client.err \
    'connection=[0-9a-f]{16} service=target client=[^ ]*: connection ended: the tunnel is down'
stop hold
stop client-guest
stop client

# ---- JSON ----
LOG_FORMAT=json
rm -f "$dir"/*.err
start_server
CLIENT_SERVICES=$both
CLIENT_SERVICES=${CLIENT_SERVICES%,}
start_named_client client client
a=$(of_association client)
check "with JSON: a connection" load rr --to "$(to client target)"
in_json() { # FILE FILTER: of the line of that connection
    jq -es "map(select(.connection and .service == \"target\")) | length == 1 and (.[0] | $2)" "$dir/$1"
}
check "the server has proof and claim as members of their own" wait_until 5 in_json server.err \
    ".peer == \"client.example\" and .association == \"$a\" and (.claims | test(\"^127.0.0.1:[0-9]+$\")) and (has(\"client\") | not)"
check "the client has the server and its own client" wait_until 5 in_json client.err \
    ".peer == \"server.example\" and .association == \"$a\" and (.client | test(\"^127.0.0.1:[0-9]+$\")) and (has(\"claims\") | not)"
finish
