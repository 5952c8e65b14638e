#!/usr/bin/env bash
# Goal of this test: 120 restarts of the association leave nothing behind in either end: no
# descriptor, no memory.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# dead_after is longer than a busy machine holds up a worker: with one second a new association ended now and
# then while its connections were under way, and reset them.
CLIENT_OPTIONS='streams = { initial = 4; max = 64; }; reconnect = { min = 0.01; max = 0.05; };
    heartbeat = 0.1; dead_after = 5;'
SERVER_OPTIONS='streams = { initial = 4; max = 64; }; heartbeat = 0.1; dead_after = 5;'
client_tunnel() { # as in lib.sh, with a reconnect of its own
    cat <<END
  { name = "$1"; role = "client"; transport = "udp"; remote = [ "$3" ];
    tls = { ca = "ca.pem"; cert = "client.pem"; key = "client.key"; peer = "$PEER"; };
    services = ( $2 );
    $CLIENT_OPTIONS
  }
END
}
descriptors() {
    find "/proc/${PIDS[$1]}/fd" -mindepth 1 | wc -l
}
memory() {
    awk '/VmRSS/ { print $2 }' "/proc/${PIDS[$1]}/status"
}
start_pair
is_up_again() { # not just still: after SIGKILL the client needs a moment to notice
    status_has client ".tunnels[0] | .state == \"up\" and .association.id != \"$association\""
}
restart() { # the other end of what is watched; every tenth time without a farewell
    association=$(tunnel client '.association.id')
    if [ $(($2 % 10)) -eq 0 ]; then crash "$1"; else stop "$1"; fi
    "start_$1"
    if ! wait_until 20 is_up_again || ! load rr --to "$TO" --connections 5 >/dev/null; then
        bad=$((bad + 1))
    fi
}
count=$(scaled 60)
for watched in client server; do
    other=$([ $watched = client ] && echo server || echo client)
    warm=$((count / 5))
    bad=0
    for ((i = 1; i <= warm; i++)); do restart "$other" $i; done
    wait_until 10 is_idle $watched
    files=$(descriptors $watched)
    kilobytes=$(memory $watched)
    for ((; i <= count; i++)); do restart "$other" $i; done
    wait_until 10 is_idle $watched
    check "$count restarts of the $other: the tunnel came up and carried connections each time" \
        test "$bad" -eq 0
    # An association that died without a farewell may still be on its way out.
    few_descriptors() {
        [ "$(descriptors "$watched")" -le "$files" ]
    }
    check "the $watched has no more descriptors than after $warm of them ($files)" \
        wait_until 10 few_descriptors
    grown=$(($(memory $watched) - kilobytes))
    note "memory of the $watched grew by $grown KB in $((count - warm)) restarts"
    check_memory "nor more than 20 KB of memory for each" \
        test "$grown" -le $(((count - warm) * 20 + 1024))
done
finish
