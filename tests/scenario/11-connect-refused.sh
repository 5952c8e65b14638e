#!/usr/bin/env bash
# Goal of this test: a target that refuses: RST and a clear line; once it is back, connections
# pass.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_target
port=${TARGET##*:}
crash target
start_pair
check "20 connections are refused with RST" ends refused --to "$TO" --connections 20
check "the client's log names the reason" wait_until 5 has_line client.err 'target.*refused'
check "the server's log too" wait_until 5 has_line server.err 'target.*refused'
check "nothing stays open" wait_until 10 is_idle client
start_target "127.0.0.1:$port"
check "with the target back, connections pass" load rr --to "$TO" --connections 100
finish
