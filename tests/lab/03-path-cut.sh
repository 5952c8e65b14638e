#!/usr/bin/env bash
# Goal of this test: an association with two paths loses the one in use under load, both ways or one way
# only, without a word: nothing is lost, every connection lives on, log and status name the change, and
# the traffic goes back when the path does.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 2
SERVER_LOCAL='10.1.0.2:5000 10.2.0.2:5000'
LOCAL='local = [ "10.1.0.1:0", "10.2.0.1:0" ];'
MOST=1500 # ms: the aim is 500, but the machine may have other things to do

is_busy() { # BYTES: as many have gone up before
    status_has client ".tunnels[0].bytes.out - $1 > 300000"
}

# cut_under_load TEXT PATH WAYS: nothing goes these ways any more.
cut_under_load() {
    local text="$TRANSPORT, $1" path=$2 other=$((3 - $2)) before
    before=$(tunnel client .bytes.out)
    start traffic "${CLIENT_SIDE[@]}" "$TOOLS/load" both --to "$TO" --connections 4 --bytes "$(scaled 3000000)" --timeout 60
    start_pings pings
    check "$text: there is load" wait_until 20 is_busy "$before"
    lab_cut "$path" "$3"
    check "$text: the client sends another way" wait_until 10 uses client "10.$other.0.2"
    check "$text: the server does" wait_until 10 uses server "10.$other.0.1"
    check "$text: the client's status shows the state" status_has client \
        "[.tunnels[0].association.paths[] | select(.address == \"10.$path.0.2:5000\") | .state | . == \"failing\" or . == \"inactive\"] | any"
    check "$text: every byte of 4 uploads and downloads arrives" exit_code traffic 60
    check "$text: no round trip is lost" end_pings pings
    check "$text: the longest takes less than $MOST ms" test "$(longest pings)" -lt "$MOST"
    note "$text: longest gap $(longest pings) ms"
}

home=0 # lines in the client's log when it was last sending by the first path, undisturbed

said() { # PATTERN
    tail -n "+$((home + 1))" "$dir/client.err" | grep -Eq "$1"
}

cut_both_ways() { # TEXT
    cut_under_load "$1, cut" 1 both
    check "$TRANSPORT, $1: the log says that the path fails" said 'path .*10.1.0.2:5000: failing'
    check "$TRANSPORT, $1: and where the traffic goes" said "$(moves_to 10.2.0.2:5000)"
    check "$TRANSPORT, $1: it is counted" status_has client '.tunnels[0].counters | .failovers >= 1 and .path_changes >= 1'
    lab_restore 1
    check "$TRANSPORT, $1: the client goes back" wait_until 20 uses client 10.1.0.2
    check "$TRANSPORT, $1: the server does" wait_until 20 uses server 10.1.0.1
    check "$TRANSPORT, $1: the log says that the path is back" said 'path .*10.1.0.2:5000: active, round trip '
    check "$TRANSPORT, $1: and where the traffic goes" wait_until 5 said "$(moves_to 10.1.0.2:5000)"
    home=$(wc -l <"$dir/client.err")
}

cut_one_way() {
    local path=1
    cut_under_load "black hole upwards" 1 up
    lab_restore 1
    check "$TRANSPORT: the path is back" wait_until 20 has_paths client 2
    check "$TRANSPORT: at the server, too" wait_until 20 has_paths server 2
    # The traffic goes back to it within seconds.
    uses client 10.1.0.2 || path=2
    cut_under_load "black hole downwards" "$path" down
    lab_restore "$path"
}

set_up() { # OPTIONS
    end_pair
    CLIENT_OPTIONS="$LOCAL $1" SERVER_OPTIONS=$1
    start_pair
    home=0
    check "$TRANSPORT: two paths are active" wait_until 20 has_paths client 2
    check "$TRANSPORT: at the server, too" wait_until 20 has_paths server 2
}

lose_paths() {
    set_up ''
    cut_both_ways defaults
    cut_one_way
    check "$TRANSPORT: all in one association" is_first_association
    set_up 'heartbeat = 0.5; dead_after = 5;
        paths = { rto_min = 0.1; rto_initial = 0.2; rto_max = 1; max_retransmissions = 2; };'
    for round in 1 2 3; do # a loss that is not got over at once showed in one cut of three
        cut_both_ways "fast profile, $round"
    done
    check "$TRANSPORT: all in one association" is_first_association
}

for_transports lose_paths
finish
