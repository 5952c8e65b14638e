#!/usr/bin/env bash
# Goal of this test: a target whose name has a silent address, or some that refuse, before the one that works
# is connected within the time limit, and sees no other connections.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need_troubles
start deaf "$TOOLS/deaf" --listen 127.0.0.1:0
wait_until 10 has_line deaf.out '^listening' || fatal "no silent address"
port=$(sed -n 's/^listening 127.0.0.1://p' "$dir/deaf.out")
start_target "127.0.0.2:$port"
name silent-first.test 127.0.0.1 127.0.0.2
name refusals-first.test 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8 127.0.0.2
name nowhere.test 127.0.0.1 127.0.0.3
SERVER_SERVICES=
CLIENT_SERVICES=
for name in silent-first refusals-first nowhere; do
    SERVER_SERVICES+="${SERVER_SERVICES:+, }{ name = \"$name\"; connect = \"$name.test:$port\"; connect_timeout = 4; }"
    CLIENT_SERVICES+="${CLIENT_SERVICES:+, }{ name = \"$name\"; listen = \"127.0.0.1:0\"; }"
done
start_pair
refusals=$(tunnel client '.services[1].listen') nowhere=$(tunnel client '.services[2].listen')
check "a silent address first: 20 connections pass" load rr --to "$TO" --connections 20 --parallel 20
check "six that refuse first: 20 connections pass" load rr --to "$refusals" --connections 20 --parallel 20
check "none that works: refused" ends refused --to "$nowhere" --connections 1
check "the log tells what each address said" wait_until 5 has_line server.err \
    'service=nowhere .*the target refused the connection: .*127\.0\.0\.1:[0-9]+: no answer; 127\.0\.0\.3:[0-9]+: Connection refused'
finish
