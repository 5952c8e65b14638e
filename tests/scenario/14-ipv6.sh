#!/usr/bin/env bash
# Goal of this test: IPv6 everywhere: listener, tunnel and target.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

if ! grep -q . /proc/net/if_inet6 2>/dev/null; then
    echo "ok 1 - IPv6 # SKIP this machine has none"
    echo 1..1
    exit 0
fi
SERVER_LOCAL='[::1]:0'
CLIENT_SERVICES='{ name = "target"; listen = "[::1]:0"; }'
start_target '[::1]:0'
start_pair
check "the tunnel runs over IPv6" status_has client '.tunnels[0].association.paths[0].address | contains("::1")'
check "200 connections" load rr --to "$TO" --connections 200 --parallel 16
check "bytes both ways" load both --to "$TO" --bytes "$(scaled 10000000)" --connections 4
finish
