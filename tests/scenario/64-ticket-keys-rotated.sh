#!/usr/bin/env bash
# Goal of this test: the file of ticket keys is rotated while the server runs: masters that come
# back are resumed by new and old keys, until the old one is taken out.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

key() {
    openssl rand -base64 64 | tr -d '\n'
    echo
}
write_keys() { # KEY...
    (umask 077 && printf '%s\n' "$@" >"$dir/keys.new")
    mv "$dir/keys.new" "$dir/keys"
}
reads() { # TIMES
    [ "$(count_lines server.err 'reloaded certificates')" -ge "$1" ]
}
masters() { # resumed|full
    tunnel client ".counters.masters_$1"
}
comes_back() { # TIMES, as a resumed master
    [ "$(masters resumed)" -ge "$1" ] && is_up client
}
# The client keeps its tickets.
restart_server() {
    crash server
    start_server # at the same port
}
first=$(key) second=$(key)
write_keys "$first"
SERVER_TLS_OPTIONS='ticket_key_file = "keys";'
CLIENT_OPTIONS='dead_after = 2;'
start_pair
restart_server
check "after a restart the client is resumed by the key in the file" wait_until 30 comes_back 1

write_keys "$second" "$first"
check "a new key in front is read while it runs" wait_until 15 reads 1
check "connections go on" load rr --to "$TO" --connections 50
restart_server
check "tickets of the key behind it are still good" wait_until 30 comes_back 2
restart_server
check "those of the new one as well" wait_until 30 comes_back 3

full=$(masters full)
write_keys "$(key)"
check "both are taken out" wait_until 15 reads 1
echo garbage >"$dir/keys"
check "a broken file is refused" wait_until 15 has_line server.err 'stay in use: .*keys'
write_keys "$(key)"
restart_server
another() {
    [ "$(masters full)" -gt "$full" ] && is_up client
}
check "tickets of a key that is gone lead to a full handshake" wait_until 30 another
check "and everything works" load rr --to "$TO" --connections 50
check "no child failed" status_is client '.tunnels[0].children | .full + .failed' 0
finish
