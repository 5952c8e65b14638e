# shellcheck shell=bash disable=SC2034 # what the peer's file reads
# bench/wan.sh: a peer at the two ends of a line of wan-lines.tsv, and loads on it. Sourced after
# lib.sh; needs BENCH, TOOLS, BENCHES, HAWSER, HOME_OF_PEER, WORK and PEER.

SERVER_HOST=10.77.0.2
LINE='' CLIENT='' SERVER=''

calculate() { # EXPRESSION NAME=VALUE...
    local expression=$1 settings=() setting
    shift
    for setting in "$@"; do
        settings+=(-v "$setting")
    done
    awk "${settings[@]}" "BEGIN { print $expression }"
}

# One line each; nothing: the lines can be made.
wan_missing() {
    [ "$(id -u)" = 0 ] || echo root
    { [ -c /dev/net/tun ] && (: <>/dev/net/tun) 2>/dev/null; } || echo /dev/net/tun
    unshare -n true 2>/dev/null || echo "network namespaces"
}

# Two peers are others with a setting.
wan_file() {
    case $1 in
    hawser_cubic) echo "$BENCH/peers/hawser.sh" ;;
    bbr) echo "$BENCH/peers/none.sh" ;;
    *) echo "$BENCH/peers/$1.sh" ;;
    esac
}

wan_use_peer() {
    # shellcheck source=/dev/null
    . "$(wan_file "$PEER")"
    [ "$PEER" != hawser_cubic ] || HAWSER_OPTIONS="$HAWSER_OPTIONS congestion = \"cubic\";"
}

wan_set_up() { # in HOME_OF_PEER
    local missing
    wan_use_peer
    missing=$(peer_missing | tr '\n' ' ')
    [ -z "$missing" ] || bench_die "$PEER: missing: $missing"
    peer_setup
}

# ---- the line ----

wan_column() { # LINE NUMBER
    awk -F '|' -v name="$1" -v column="$2" '$1 == name { print $column }' "$BENCH/wan-lines.tsv"
}

wan_options() { # LINE: as bench/line wants them
    wan_column "$1" 4 | sed -E 's/([a-z]+) /--\1 /g'
}

# Two network namespaces, each held by a process that sleeps, joined by bench/line.
line_up() { # SEED OPTION...
    unshare -n sleep 3600 &
    CLIENT=$!
    unshare -n sleep 3600 &
    SERVER=$!
    bench_until 5 line_has_namespaces || bench_die "no network namespaces"
    rm -f "$WORK/line.out" # the last one's says ready already
    "$BENCHES/line" --client "/proc/$CLIENT/ns/net" --server "/proc/$SERVER/ns/net" --seed "$@" >"$WORK/line.out" &
    LINE=$!
    bench_until 20 grep -qs ready "$WORK/line.out" || bench_die "bench/line does not start"
    AT_CLIENT=(nsenter --net="/proc/$CLIENT/ns/net")
    AT_SERVER=(nsenter --net="/proc/$SERVER/ns/net")
    line_side 1 2 "${AT_CLIENT[@]}"
    line_side 2 1 "${AT_SERVER[@]}"
}

line_has_namespaces() {
    local own
    own=$(readlink /proc/self/ns/net)
    [ "$(readlink "/proc/$CLIENT/ns/net")" != "$own" ] && [ "$(readlink "/proc/$SERVER/ns/net")" != "$own" ]
}

# TCP's buffers must hold what is under way. The routes name the congestion control (which the kernel
# allows whatever net.ipv4.tcp_allowed_congestion_control says): CUBIC, but for the peer bbr.
# 10.77.1.x is for TCP beside a peer.
line_side() { # NUMBER OTHER COMMAND...
    local tcp=cubic
    [ "$PEER" != bbr ] || tcp=bbr
    "${@:3}" sh -e -c "
        ip link set lo up
        ip route replace local 127.0.0.0/8 dev lo table local src 127.0.0.1 congctl cubic
        ip route replace local 127.0.0.1 dev lo table local src 127.0.0.1 congctl cubic
        ip link set line txqueuelen 10000 up
        ip address add 10.77.0.$1/32 dev line
        ip address add 10.77.1.$1/32 dev line
        ip route add 10.77.0.$2 dev line src 10.77.0.$1 congctl $tcp
        ip route add 10.77.1.$2 dev line src 10.77.1.$1 congctl cubic
        echo 4096 131072 67108864 >/proc/sys/net/ipv4/tcp_rmem
        echo 4096 65536 67108864 >/proc/sys/net/ipv4/tcp_wmem
    "
}

line_down() {
    local pid
    for pid in "$LINE" "$CLIENT" "$SERVER"; do
        [ -z "$pid" ] || bench_end "$pid" 2>/dev/null
    done
    LINE='' CLIENT='' SERVER=''
}

# What the line did since the last call, as JSON, in LINE_DID.
line_did() {
    local before
    before=$(wc -l <"$WORK/line.out")
    kill -USR1 "$LINE"
    bench_until 5 line_said_more "$before" || bench_die "bench/line does not answer"
    LINE_DID=$(tail -n 1 "$WORK/line.out")
}
line_said_more() {
    [ "$(wc -l <"$WORK/line.out")" -gt "$1" ]
}
line_field() { # up|down KEY
    echo "$LINE_DID" | sed "s/.*\"$1\":{\\([^}]*\\)}.*/\\1/" | grep -o "\"$2\":[0-9.]*" | cut -d : -f 2
}

# ---- load ----

wan_is_bare() {
    [ "$PEER" = none ] || [ "$PEER" = bbr ]
}

# Target and peer anew.
wan_start() {
    rm -f "$WORK/target.out"
    "${AT_SERVER[@]}" "$TOOLS/target" --listen "$(wan_is_bare && echo "$SERVER_HOST" || echo 127.0.0.1):0" \
        >"$WORK/target.out" &
    PIDS+=($!)
    bench_until 20 grep -qs '^listening' "$WORK/target.out" || bench_die "target does not start"
    TARGET=$(sed -n 's/^listening //p' "$WORK/target.out")
    peer_start
}

# Ends peer and loads, which hold nothing that must be put in order.
wan_stop() {
    local all
    [ "${#PIDS[@]}" -gt 0 ] || return 0
    mapfile -t all < <(bench_tree "${PIDS[@]}")
    kill -KILL "${all[@]}" 2>/dev/null || true
    wait "${PIDS[@]}" 2>/dev/null || true
    PIDS=()
}

# More than the time suffices for.
wan_load() { # up|down CONNECTIONS [ADDRESS]
    "${AT_CLIENT[@]}" "$TOOLS/load" "$1" --to "${3:-$ENTRY}" --connections "$2" --parallel "$2" \
        --bytes 20000000000 --timeout 600 >"$WORK/load.out" 2>&1 &
    PIDS+=($!)
}

# Bytes that the receivers' connections brought until now: the kernel counts them.
wan_arrived() { # up|down [ADDRESS]
    local entry=${2:-$ENTRY}
    if [ "$1" = up ]; then
        "${AT_SERVER[@]}" ss -Htin state established sport = ":${TARGET##*:}"
    else
        "${AT_CLIENT[@]}" ss -Htin state established dst "$entry"
    fi | awk 'match($0, /bytes_received:[0-9]+/) { sum += substr($0, RSTART + 15, RLENGTH - 15) } END { printf "%d", sum }'
}

wan_rate() { # BYTES-BEFORE BYTES-NOW SINCE: MB/s
    calculate '(b - a) / 1e6 / (now - then)' "a=$1" "b=$2" "now=$EPOCHREALTIME" "then=$3"
}

# RATE: MB/s of a bulk from some seconds on (2 at least) for some; BEGIN: MB in the first two; BROUGHT:
# in all. And LINE_DID, of the time that RATE is of.
wan_bulk() { # up|down CONNECTIONS SECONDS-BEFORE SECONDS
    local began before now
    wan_load "$1" "$2"
    sleep 2
    BEGIN=$(calculate 'a / 1e6' "a=$(wan_arrived "$1")")
    sleep $(($3 - 2))
    line_did
    before=$(wan_arrived "$1")
    began=$EPOCHREALTIME
    sleep "$4"
    now=$(wan_arrived "$1")
    RATE=$(wan_rate "$before" "$now" "$began")
    BROUGHT=$(calculate 'a / 1e6' "a=$now")
    line_did
}

# A load that ends by itself; its figures are then asked for.
wan_small() { # MODE ARGUMENT...
    "${AT_CLIENT[@]}" "$TOOLS/load" "$1" --to "$ENTRY" "${@:2}" --timeout 60 >"$WORK/small.json" 2>"$WORK/small.err"
}
wan_figure() { # KEY
    grep -o "\"$1\":[0-9.]*" "$WORK/small.json" | cut -d : -f 2
}
wan_ms() { # KEY
    wan_figure "$1" | awk '{ print $1 / 1000 }'
}
