# shellcheck shell=bash disable=SC2034 # TARGET is read by the peer's file
# bench/measure.sh: what bench/cell and bench/scale-cell share: one peer between load and target.
# Sourced after lib.sh and the peer's file; needs PEER, ROUND, WORK and TOOLS.

# A failed measurement gives no figure, only a line on stderr that bench/run puts into the results.
complain() {
    echo "bench: $PEER, round $ROUND: $* $(tail -q -n 1 "$WORK"/*.log 2>/dev/null | tr '\n' ' ')" >&2
}

# The number behind a key of the load tool's last line.
field() {
    tail -n 1 "$WORK/load.json" | grep -o "\"$1\":[0-9.]*" | cut -d : -f 2
}

calculate() { # EXPRESSION of awk, with variables as NAME=VALUE after it
    local expression=$1 variables=()
    shift
    while [ $# -gt 0 ]; do
        variables+=(-v "$1")
        shift
    done
    awk "${variables[@]}" "BEGIN { print $expression }"
}

load() {
    timeout "${LOAD_LIMIT:-60}" "$TOOLS/load" "$1" --to "$ENTRY" "${@:2}" >"$WORK/load.json" 2>"$WORK/load.err" && return 0
    complain "load $*: $(head -n 1 "$WORK/load.err")"
    return 1
}

# A load in the background; what it prints is in NAME.out.
load_behind() { # NAME MODE ARGUMENT...
    rm -f "$WORK/$1.out"
    "$TOOLS/load" "$2" --to "$ENTRY" "${@:3}" >"$WORK/$1.out" 2>"$WORK/$1.err" &
    BEHIND=$!
    PIDS+=("$BEHIND")
}

is_ready() { # NAME
    grep -sq '^ready' "$WORK/$1.out"
}

# Waits for it; its last line is then what field reads.
load_ends() { # NAME
    local code=0
    wait "$BEHIND" || code=$?
    bench_forget "$BEHIND"
    mv "$WORK/$1.out" "$WORK/load.json"
    [ "$code" = 0 ] || complain "$1: $(head -n 1 "$WORK/$1.err")"
    return "$code"
}

start_target() {
    rm -f "$WORK/target.out" # the last one's would be read for this one's
    "$TOOLS/target" >"$WORK/target.out" &
    PIDS+=($!)
    bench_wait 5 grep -sq '^listening' "$WORK/target.out" || bench_die "target does not start"
    TARGET=$(sed -n 's/^listening //p' "$WORK/target.out")
}

# Starts target and peer anew; TUNNEL is what of it counts as the peer's own.
start() {
    start_target
    local before=${#PIDS[@]}
    peer_start
    TUNNEL=("${PIDS[@]:before}")
}

# The processor time that the tunnel has used since the last call, in seconds, in SPENT.
spent_begin() {
    SPENT_BEFORE=$(bench_cpu "${TUNNEL[@]}")
}
spent_end() {
    SPENT=$(calculate 'a - b' "a=$(bench_cpu "${TUNNEL[@]}")" "b=$SPENT_BEFORE")
}

# A first run of FIRST bytes in all, whose rate says how many keep the connections busy for SECONDS:
# the peers' rates differ by a factor of ten and more. What counts is the second.
load_bulk() { # MODE CONNECTIONS SECONDS FIRST
    local bytes
    load "$1" --connections "$2" --bytes $(($4 / $2)) || return 1
    bytes=$(calculate 'sprintf("%d", rate * 1e6 * seconds / all)' "rate=$(field mb_per_second)" \
        "seconds=$3" "all=$2")
    spent_begin
    load "$1" --connections "$2" --bytes "$bytes" || return 1
    spent_end
}
