# shellcheck shell=bash
# bench/lib.sh: processes, ports and /proc for the scripts of this folder. Sourced.

# Every process that a script starts in the background is put in PIDS; bench_stop ends them and
# what they forked, by number, and nothing else.
PIDS=()

# What the two ends are run with, and where the client's end reaches the server's: both on this
# machine, or, in the lab, each in a network namespace of its own.
# shellcheck disable=SC2034 # for the peers
AT_CLIENT=() AT_SERVER=() SERVER_HOST=127.0.0.1

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

# Repeats COMMAND until it succeeds; fails after SECONDS.
bench_until() { # SECONDS COMMAND...
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.02
    done
}

# The same, and fails as soon as a process of PIDS has ended.
bench_wait() {
    bench_until "$1" bench_settled "${@:2}" && "${@:2}"
}

bench_settled() {
    local pid
    for pid in "${PIDS[@]}"; do
        ! bench_ended "$pid" || return 0
    done
    "$@"
}

bench_listens() {
    "${AT_CLIENT[@]}" bash -c "exec 3<>'/dev/tcp/${1%:*}/${1##*:}'" 2>/dev/null
}

# Ends everything in PIDS, the last started first, each after its own children: who outlives its
# parent is left to init, and not every init of a container reaps.
bench_stop() {
    local i
    for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do
        bench_end "${PIDS[i]}" 2>/dev/null # what the shell says of those that ended by a signal
    done
    PIDS=()
}

# SIGTERM, five seconds to leave, SIGKILL.
bench_end() {
    local below
    mapfile -t below < <(bench_tree "$1" | tail -n +2)
    if [ "${#below[@]}" -gt 0 ]; then
        kill -TERM "${below[@]}" || true
        bench_until 5 bench_gone "${below[@]}" || kill -KILL "${below[@]}" || true
    fi
    kill -TERM "$1" || true
    bench_until 5 bench_ended "$1" || kill -KILL "$1" || true
    wait "$1" || true
}

bench_gone() {
    local pid
    for pid in "$@"; do
        [ ! -d "/proc/$pid" ] || return 1
    done
}

# A child of ours stays as a zombie until it is waited for.
bench_ended() {
    case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
    Z* | "") return 0 ;;
    esac
    return 1
}

# A free port below the range that the kernel gives to connecting sockets, so that none of the
# load's connections takes it between this look and the peer's bind. ssh -L and stunnel cannot
# tell which port they took when asked for port 0. None is given twice in one WORK: two haproxies
# share a port without a word.
bench_free_port() {
    local port low
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    while :; do
        port=$((10000 + RANDOM % (low - 10000)))
        ! grep -qx "$port" "$WORK/ports" 2>/dev/null || continue
        bench_listens "127.0.0.1:$port" || break
    done
    echo "$port" | tee -a "$WORK/ports"
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

bench_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# DIR/ca.pem, and {server,client}.{pem,key} signed by it: ECDSA P-256, for peers that speak TLS.
bench_certificates() { # DIR
    local name
    bench_key "$1/ca"
    openssl req -x509 -new -key "$1/ca.key" -days 2 -subj /CN=bench-ca -out "$1/ca.pem"
    for name in server client; do
        bench_key "$1/$name"
        openssl req -new -key "$1/$name.key" -subj "/CN=$name.example" |
            openssl x509 -req -days 2 -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial \
                -out "$1/$name.pem" 2>/dev/null
    done
}
