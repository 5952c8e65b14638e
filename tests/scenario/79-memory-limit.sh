#!/usr/bin/env bash
# Goal of this test: memory_limit bounds all that waits for readers that have stopped, at a client and, over all
# associations of an identity, at a server; what is open goes on, and what waits gets every byte later.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

LIMIT=33554432
rss() { # NAME: in bytes
    awk '/VmRSS/ { print $2 * 1024 }' "/proc/${PIDS[$1]}/status"
}
used() { # NAME
    status "$1" '.memory.used'
}
# Bytes that the far end has sent and this one's sockets have not taken wait in one of the two.
waiting() { # FROM TO
    echo $(($(tunnel "$1" .bytes.out) - $(tunnel "$2" .bytes.in)))
}
# Ten looks in a row, half a second, show the same figure.
is_still() { # NAME
    local before i
    before=$(tunnel "$1" .bytes.in)
    for ((i = 0; i < 10; i++)); do
        sleep 0.1 # between two looks
        [ "$(tunnel "$1" .bytes.in)" = "$before" ] || return 1
    done
}
is_within_limit() { # NAME
    test "$(used "$1")" -le "$LIMIT"
}
# 12 MiB: what malloc keeps, pieces that are not full, read-ahead, what SCTP holds.
is_within_memory() { # NAME BEFORE
    echo "$2, now $(rss "$1")"
    test "$(rss "$1")" -le $(($2 + LIMIT + 12582912))
}
gives_back() { # NAME
    status_is "$1" '.memory.used' 0
}

GLOBAL_OPTIONS="drain_timeout = 5; memory_limit = $LIMIT;"
SERVER_OPTIONS='identity = { memory = 33554432; };'
start_pair
many=$(scaled 300)
load hold --to "$TO" --connections "$many" --no-wait >"$dir/warm.out"
check "connections that have ended hold nothing" wait_until 10 gives_back client
before=$(rss client)
start stalled "$TOOLS/load" down --to "$TO" --connections "$many" --parallel "$many" --bytes 8000000 \
    --stall-after 1000 --timeout 300
check "$many downloads stop reading" wait_until 60 has_line stalled.out '^ready'
check "and are held back" wait_until 120 is_still client
note "of $LIMIT bytes $(used client) are used, $(waiting server client) wait, memory grew by $(($(rss client) - before))"
check "what they may send counts for memory_limit" test "$(used client)" -ge $((many * 4096))
check "and stays within it" is_within_limit client
# The other end reads ahead from its sockets, 8 MiB at most.
AHEAD=$((9 * 1048576))
check "and so does what waits" test "$(waiting server client)" -le $((LIMIT + AHEAD))
check_memory "and the memory of the client" is_within_memory client "$before"
check "another one is served" load rr --to "$TO" --connections 20
check "and gets its megabytes" load down --to "$TO" --bytes "$(scaled 8000000)"
send_signal stalled USR1
check "those that stopped get every byte" exit_code stalled 300
check "and give everything back" wait_until 20 gives_back client

write_config client2 "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
run_hawser client2
wait_until 30 is_up client2 || fatal "the second client does not come up"
SECOND=$(tunnel client2 '.services[0].listen')
many=$(scaled 500)
load hold --to "$TO" --connections "$many" --no-wait >"$dir/warm.out"
load hold --to "$SECOND" --connections "$many" --no-wait >"$dir/warm.out"
check "nothing is held at the server" wait_until 10 gives_back server
before=$(rss server)
start unread "$TOOLS/unread" --to "$TO" --connections "$many" --timeout 300
start unread2 "$TOOLS/unread" --to "$SECOND" --connections "$many" --timeout 300
check "$many connections of each of two associations send to a target that does not read" \
    wait_until 120 has_line unread.out '^ready'
check "both" wait_until 120 has_line unread2.out '^ready'
check "and are held back" wait_until 120 is_still server
both() { # what waits at the server for the targets
    echo $(($(tunnel client .bytes.out) + $(tunnel client2 .bytes.out) - $(tunnel server .bytes.in)))
}
note "of $LIMIT bytes $(used server) are used, $(both) wait, memory grew by $(($(rss server) - before))"
check "the identity that both have is charged" \
    status_has server '.tunnels[0].identities | length == 1 and .[0].associations == 2 and .[0].memory.used > 1000000'
check "and stays within memory_limit" is_within_limit server
check "and so does what waits" test "$(both)" -le $((LIMIT + 2 * AHEAD))
check_memory "and the memory of the server" is_within_memory server "$before"
check "nobody was refused" status_is server '.tunnels[0].connections.refused' 0
check "another one is served" load rr --to "$TO" --connections 20
send_signal unread USR1
send_signal unread2 USR1
check "not one broke" exit_code unread
check "nor of the other" exit_code unread2
# A reset goes behind the data for a while; nobody takes them here.
check "and everything is given back" wait_until 60 gives_back server

stop client2
# SCTP itself keeps little here, so that a few hundred connections have more than that to send.
CLIENT_OPTIONS='buffer = 1048576;'
write_config client3 "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
run_hawser client3
wait_until 30 is_up client3 || fatal "the third client does not come up"
THIRD=$(tunnel client3 '.services[0].listen')
many=$(scaled 1500)
start held "$TOOLS/load" hold --to "$THIRD" --connections "$many" --size 100000 --timeout 300
# The server stands still while they have something to send: 16 KB of each would be 24 MB.
full() {
    status_has client3 '.tunnels[0].association.queued > 262144'
}
held_back() {
    local before
    before=$(tunnel client3 .bytes.out)
    sleep 0.3 # between two looks
    full && [ "$(tunnel client3 .bytes.out)" = "$before" ]
}
wait_until 60 has_line held.out '^ready' || fatal "$many connections do not come up"
send_signal server STOP
send_signal held USR1
check "with nothing taken by SCTP, $many connections are held back" wait_until 10 held_back
note "$(tunnel client3 .association.queued) bytes wait for SCTP"
check "and few bytes wait for it" status_has client3 '.tunnels[0].association.queued < 1600000'
send_signal server CONT
check "then all goes on" exit_code held 100
finish
