#!/usr/bin/env bash
# Goal of this test: a service that listens at the server goes to the client that may serve it,
# whoever came last, whatever the others offer; the rule is asked for where several can come, and a
# change of it applies at once.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

serve_back() { # ALLOW: the server's service, and where it listens from now on
    SERVER_SERVICES="{ name = \"back\"; listen = \"${BACK:-127.0.0.1:0}\"; $1 }"
}
start_named_client() { # NAME CERTIFICATE
    CLIENT_NAME=$2
    write_config "$1" "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser "$1"
    check "the $1 is up" wait_until 30 is_up "$1"
}
carried() { # NAME COUNT
    status_is "$1" '.tunnels[0].services[0].total' "$2"
}
served_by() { # PEER
    status_is server '.tunnels[0].services[0].carried_by.peer // "nobody"' "$1"
}
in_words() { # PATTERN
    "$HAWSER" status -s "$dir/server.sock" | grep -E -- "$1"
}
reload_server() { # ALLOW
    serve_back "$1"
    write_config server "$(server_tunnel site "$SERVER_SERVICES")"
    send_signal server HUP
}
says() { # NAME PATTERN: hawser check of NAME.cfg ends with 2 and that line
    "$HAWSER" check "$dir/$1.cfg" >"$dir/$1.said" 2>&1
    [ $? -eq 2 ] && grep -E -- "$2" "$dir/$1.said"
}
is_fine() {
    "$HAWSER" check "$dir/$1.cfg"
}

make_certificates
make_certificate guest ca guest.example
start_target

# ---- where the rule is asked for ----
refused='service "back" listens at the server, and .* lets more than one client in.*allow = \[ "name'
SERVER_LOCAL=127.0.0.1:9899
try() { # NAME TLS [ALLOW]
    local SERVER_TLS="$2"
    serve_back "${3:-}"
    write_config "$1" "$(server_tunnel site "$SERVER_SERVICES")"
}
base=$(certificates ca server)
pin=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
other_pin=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a09
try two "$base allow = [ \"client.example\", \"guest.example\" ];"
check "two names in tls.allow: check asks for allow in the service, with its line" \
    says two "two.cfg:[0-9]+: $refused"
try star "$base allow = [ \"*.clients.example\" ];"
check "so it does for a pattern" says star "$refused"
SERVER_OPTIONS='max_peers = 1;'
try any "$base"
check "and for the whole CA, max_peers or not" says any "$refused"
SERVER_OPTIONS=
try pins "cert = \"server.pem\"; key = \"server.key\"; pins = [ \"$pin\", \"$other_pin\" ];"
check "and for two pins" says pins "$refused"
for n in 1 2; do echo "name$n:$(openssl rand -hex 32)"; done >"$dir/two.psk"
head -n 1 "$dir/two.psk" >"$dir/one.psk"
chmod 600 "$dir"/*.psk
printf '%s one\n%s two\n' $pin $other_pin >"$dir/two.known"
echo "$pin one" >"$dir/one.known"
try psks 'psk = "two.psk";'
check "and for a file of two pre-shared keys" says psks "$refused"
try keys 'key = "server.key"; known = "two.known";'
check "and for a file of two raw keys" says keys "$refused"
try name "$base allow = [ \"client.example\" ];"
check "one name needs no more" is_fine name
try onepin "cert = \"server.pem\"; key = \"server.key\"; pins = [ \"$pin\" ];"
check "nor does one pin" is_fine onepin
try onepsk 'psk = "one.psk";'
check "nor one pre-shared key" is_fine onepsk
try onekey 'key = "server.key"; known = "one.known";'
check "nor one raw key" is_fine onekey
try both "$base allow = [ \"*.clients.example\" ];" 'allow = [ "client.example" ];'
check "with the rule, many may come" is_fine both

# ---- whoever comes last ----
SERVER_LOCAL=127.0.0.1:0
ALLOW='"client.example", "guest.example"'
serve_back 'allow = [ "client.example" ];'
start_server
REMOTE=$SERVER
BACK=$(tunnel server '.services[0].listen')
CLIENT_SERVICES="{ name = \"back\"; connect = \"$TARGET\"; }"
start_named_client client client
start_named_client client-guest guest
check "the server says that the guest may not, once, and who it is" wait_until 5 has_line server.err \
    'warning.*peer=guest\.example.*the peer offers "back", which does not allow dns "guest\.example", sha256:'
check "20 connections" load rr --to "$BACK" --connections 20
check "went to the client that may" carried client 20
check "and none to the guest, which came last" carried client-guest 0
check "the status says who serves it" served_by client.example
check "in words, too" in_words 'service  *back listens on .*; carried by client\.example, association [0-9a-f]{32}$'

stop client
check "when it goes, nobody does" wait_until 10 served_by nobody
start waits "$TOOLS/load" rr --to "$BACK"
check "a connection waits" wait_until 10 status_is server '.tunnels[0].connections.waiting' 1
check "it does not go to the guest, who is there" carried client-guest 0
start_named_client client client
check "it goes through when the client is back" exit_code waits
check "by that one" carried client 1

# ---- a change applies to open associations ----
stop client
wait_until 10 served_by nobody
start waits "$TOOLS/load" rr --to "$BACK"
wait_until 10 status_is server '.tunnels[0].connections.waiting' 1
reload_server 'allow = [ "guest.example" ];'
check "a new rule lets it go to the guest, who has been there all the time" exit_code waits
check "the guest had it" carried client-guest 1
start_named_client client client
check "now connections are the guest's" load rr --to "$BACK" --connections 5
check "all of them" carried client-guest 6
check "not the other's, which came last" carried client 0

# ---- several may: the order in allow decides ----
reload_server 'allow = [ "client.example", "guest.example" ];'
check "of two that may, the first one named" wait_until 10 served_by client.example
stop client-guest
start_named_client client-guest guest
check "whoever came last" load rr --to "$BACK" --connections 5
check "it has them" carried client 5
check "the other has none" carried client-guest 0
stop client
check "when it goes, the second takes its place" wait_until 10 served_by guest.example
check "at once" load rr --to "$BACK" --connections 5
check "it has them" carried client-guest 5

# ---- who may, but has no such service ----
CLIENT_SERVICES="{ name = \"else\"; connect = \"$TARGET\"; }"
start_named_client client client
check "the server says so" wait_until 5 has_line server.err \
    'peer=client\.example.*far end has no "connect" for "back"'
check "connections go to who has it" load rr --to "$BACK" --connections 5
check "that is the second" carried client-guest 10
finish
