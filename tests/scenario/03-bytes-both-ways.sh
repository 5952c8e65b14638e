#!/usr/bin/env bash
# Goal of this test: what goes in comes out, in both directions, for sizes from one byte up.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
check "64 bytes there and back" load rr --to "$TO"
for bytes in 1 16384 16385 1000003; do
    check "$bytes bytes up" load up --to "$TO" --bytes $bytes
    check "$bytes bytes down" load down --to "$TO" --bytes $bytes
    check "$bytes bytes both ways at once" load both --to "$TO" --bytes $bytes
done
check "1000 pings on one connection" load ping --to "$TO" --rounds "$(scaled 1000)"
check "nothing stays open" wait_until 10 is_idle client
check "nor at the server" wait_until 10 is_idle server
check "both ends counted the same connections" \
    status_is server '.tunnels[0].connections.total' "$(tunnel client '.connections.total')"
check "what the client took in, the server gave out" \
    status_is server '.tunnels[0].bytes.in' "$(tunnel client '.bytes.out')"
check "and the other way round" \
    status_is server '.tunnels[0].bytes.out' "$(tunnel client '.bytes.in')"
finish
