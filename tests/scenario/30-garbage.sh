#!/usr/bin/env bash
# Goal of this test: garbage, floods, truncated, replayed and mutated datagrams at the UDP port
# hurt neither traffic nor memory.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

CLIENT_OPTIONS='mtu = 1500;' SERVER_OPTIONS='mtu = 1500;' # as on most ways, not as on loopback
RELAY="--dump $dir/captured"
start_pair
check "some traffic to capture" load both --to "$TO" --bytes 300000
memory() {
    awk '/VmRSS/ { print $2 }' "/proc/${PIDS[server]}/status"
}
throw() { # SEED COUNT: at the server's own port, where the tunnel's packets arrive too
    "$TOOLS/garbage" --to "$SERVER" --count "$2" --rate 20000 --seed "$1" --replay "$dir/captured"
}
check "20000 datagrams of all kinds, nothing else going on" throw 1 "$(scaled 20000)"
check "the tunnel is still up" is_up client
first=$(memory)
start traffic "$TOOLS/load" both --to "$TO" --connections 8 --bytes "$(scaled 16000000)" --timeout 100
check "60000 more while traffic flows" throw 2 "$(scaled 60000)"
check "the traffic is right to the last byte" exit_code traffic 100
association=$(tunnel client '.association.id')
check "20000 more" throw 3 "$(scaled 20000)"
check "the association is still the same" status_is client '.tunnels[0].association.id' "$association"
check "connections pass" load rr --to "$TO" --connections 100
grown=$(($(memory) - first))
note "memory of the server grew by $grown KB"
check_memory "the server's memory grew by less than 64 MiB" test "$grown" -lt 65536
check "the log was not flooded" test "$(wc -l <"$dir/server.err")" -lt 1000
finish
