# shellcheck shell=bash
# bench/lib.sh: processes, ports and /proc for the scripts of this folder. Sourced.

# Every process that a script starts in the background is put in PIDS; bench_stop ends them and
# what they forked, by number, and nothing else.
PIDS=()

bench_die() {
    echo "bench: $*" >&2
    exit 1
}

# /proc/PID/task/TID/children is not in every kernel: read each process's parent instead.
bench_children() {
    cat /proc/[0-9]*/stat 2>/dev/null |
        awk -v parent="$1" '{ pid = $1; sub(/.*\) /, ""); if ($2 == parent) print pid }'
}

# The given processes and all their descendants, one number a line.
bench_tree() {
    local pid child
    for pid in "$@"; do
        [ -d "/proc/$pid" ] || continue
        echo "$pid"
        for child in $(bench_children "$pid"); do
            bench_tree "$child"
        done
    done
}

# Takes a process that has ended, and has been waited for, out of PIDS.
bench_forget() {
    local pid rest=()
    for pid in "${PIDS[@]}"; do
        [ "$pid" = "$1" ] || rest+=("$pid")
    done
    PIDS=("${rest[@]}")
}

# Waits until COMMAND succeeds; gives up after SECONDS or when a process of PIDS has ended.
bench_wait() {
    local deadline=$((SECONDS + $1)) pid
    shift
    until "$@"; do
        for pid in "${PIDS[@]}"; do
            kill -0 "$pid" 2>/dev/null || return 1
        done
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

bench_listens() {
    (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null
}

bench_gone() {
    local pid
    for pid in "$@"; do
        # A zombie of ours counts as ended: bench_stop reaps it.
        [ -d "/proc/$pid" ] && [ "$(bench_state "$pid")" != Z ] && return 1
    done
    return 0
}

bench_state() {
    awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$1/stat" 2>/dev/null
}

# Ends everything in PIDS: SIGTERM, five seconds to leave, SIGKILL.
bench_stop() {
    local all
    [ "${#PIDS[@]}" -gt 0 ] || return 0
    mapfile -t all < <(bench_tree "${PIDS[@]}")
    PIDS=()
    [ "${#all[@]}" -gt 0 ] || return 0
    bench_end "${all[@]}" 2>/dev/null # what the shell says of those that ended by a signal
}

bench_end() {
    kill -TERM "$@" || true
    bench_wait 5 bench_gone "$@" || kill -KILL "$@" || true
    wait "$@" || true
}

# A free port below the range that the kernel gives to connecting sockets, so that none of the
# load's connections takes it between this look and the peer's bind. ssh -L and stunnel cannot
# tell which port they took when asked for port 0.
bench_free_port() {
    local port low
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    while :; do
        port=$((10000 + RANDOM % (low - 10000)))
        bench_listens "127.0.0.1:$port" || break
    done
    echo "$port"
}

# Proportional set size of the processes and their descendants together, in KiB. Shared pages are
# counted once over all who map them, which a sum of RSS would not.
bench_pss() {
    local pid
    for pid in $(bench_tree "$@"); do
        cat "/proc/$pid/smaps_rollup" 2>/dev/null || true
    done | awk '$1 == "Pss:" { sum += $2 } END { print sum + 0 }'
}

# Processor time of the processes and their descendants, user and system, in seconds.
bench_cpu() {
    local pid
    for pid in $(bench_tree "$@"); do
        cat "/proc/$pid/stat" 2>/dev/null || true
    done | awk -v hz="$(getconf CLK_TCK)" \
        '{ sub(/.*\) /, ""); sum += $12 + $13 } END { printf "%.2f\n", sum / hz }'
}
