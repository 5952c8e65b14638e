#!/usr/bin/env bash
# Goal of this test: a server out of file descriptors refuses with that reason, lives, and
# recovers.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target
make_certificates
write_config server "$(server_tunnel site "{ name = \"target\"; connect = \"$TARGET\"; }")"
start server bash -c "ulimit -n 48; exec '$HAWSER' run '$dir/server.cfg'"
check "a server with 48 descriptors starts" wait_until 20 is_answering server
REMOTE=$(tunnel server '.local[0]')
start_client
check "the tunnel comes up" wait_until 20 is_up client
check "100 connections one after the other pass" load rr --to "$TO" --connections 100 --parallel 4
some_fail() {
    ! load hold --to "$TO" --connections 100 --parallel 100 --no-wait --timeout 60
}
check "of 100 held at once, some are refused" some_fail
check "the log says what is missing" wait_until 5 has_line client.err 'descriptor'
check "the server lives" is_running server
check "nothing stays open" wait_until 20 is_idle server
check "100 connections pass again" load rr --to "$TO" --connections 100 --parallel 4
finish
