#!/usr/bin/env bash
# Goal of this test: a name that no name server answers costs only those who want it; equal questions are
# asked once; and neither the end of the process nor a server that moves waits for what is remembered.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need_troubles
name silent.test silent
name steady.test wait 30 127.0.0.1
name moves.test 127.0.0.1
start_target
port=${TARGET##*:}
SERVER_SERVICES="{ name = \"silent\"; connect = \"silent.test:$port\"; connect_timeout = 1; },
    { name = \"steady\"; connect = \"steady.test:$port\"; }, { name = \"hosts\"; connect = \"localhost:$port\"; }"
CLIENT_SERVICES='{ name = "silent"; listen = "127.0.0.1:0"; }, { name = "steady"; listen = "127.0.0.1:0"; },
    { name = "hosts"; listen = "127.0.0.1:0"; }'
make_certificates
start_server
REMOTE=moves.test:${SERVER##*:}
start_client
check "the tunnel is up, by the server's name" wait_until 20 is_up client
steady=$(tunnel client '.services[1].listen') hosts=$(tunnel client '.services[2].listen')

start silent "$TOOLS/ends" refused --to "$TO" --connections 3
check "the silent name is asked" wait_until 10 grep -q silent "$NAMES/look-ups"
check "a name of /etc/hosts is not held up by it" load rr --to "$hosts" --connections 5 --timeout 5
check "nor is one that has a name server" load rr --to "$steady" --connections 100 --parallel 100 --timeout 20
many=$(count_lines names/look-ups steady)
note "100 connections at once: $many look-ups"
check "which is not asked for each connection" test "$many" -le 10
check "those to the silent one are refused" exit_code silent 20
check "with the reason" wait_until 5 has_line server.err \
    'service=silent.*no name server answers.*silent\.test:[0-9]+: the name servers have not answered yet'
check "for three connections it was asked once" test "$(count_lines names/look-ups silent)" = 1

check "the server ends, whatever look-up hangs" stop server
name moves.test 127.0.0.2
SERVER_LOCAL=127.0.0.2:${SERVER##*:}
start_server
check "it is found at its new address" wait_until 20 is_up client
finish
