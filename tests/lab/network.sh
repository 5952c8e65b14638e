# shellcheck shell=bash
# tests/lab/network.sh: the network of the lab: two hosts, joined by several independent paths. Sourced;
# whoever does has a function fatal and a folder of its own, $dir.
#
#     client --- cN 10.N.0.1, fd00:N::1 --- router --- sN 10.N.0.2, fd00:N::2 --- server
#
# Each is a network namespace. Delays and losses are the router's, as they would be on a way through a
# network: what a sender's own queue drops is told to the sender, and a packet that is to be cut into
# segments on the way out would be lost or kept as a whole. Directions: up (client to server), down.
: "${dir:?}"
CLIENT_SIDE=(nsenter --net=/run/netns/client)
SERVER_SIDE=(nsenter --net=/run/netns/server)
ROUTER_SIDE=(nsenter --net=/run/netns/router)
LAB_PATHS=0
declare -A LAB_DELAY=() LAB_LOSS=() LAB_CUT=()

in_client() {
    "${CLIENT_SIDE[@]}" "$@"
}

in_server() {
    "${SERVER_SIDE[@]}" "$@"
}

in_router() {
    "${ROUTER_SIDE[@]}" "$@"
}

# lab_up [PATHS]: makes the namespaces and 1 to 9 paths (default 2). In batches, because a program takes
# 50 ms to start in the lab.
lab_up() {
    local host
    lab_down
    LAB_PATHS=${1:-2}
    for host in client router server; do
        ip netns add $host || fatal "no network namespaces"
    done
    lab_needs_netem
    in_router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    lab_batch router lab_router_links
    lab_batch client lab_host_link c 1
    lab_batch server lab_host_link s 2
}

# A kernel of the host may lack it; the lab's own has it.
lab_needs_netem() {
    [ "$LAB_MODE" = direct ] || return 0
    if ! tc -n router qdisc replace dev lo root netem 2>/dev/null; then
        skip "$(basename "$0")" "this kernel has no netem"
        finish
    fi
    tc -n router qdisc delete dev lo root
}

# Runs what COMMAND prints for each path.
lab_batch() { # HOST COMMAND...
    local host=$1 path
    shift
    {
        echo link set lo up
        for ((path = 1; path <= LAB_PATHS; path++)); do
            "$@"
        done
    } >"$dir/$host.batch"
    ip -n "$host" -batch "$dir/$host.batch" || fatal "the links of the $host cannot be made"
}

# The router has the address .254 on every link. Packets are segments, not bursts of up to 64 KB that a
# single loss would take away.
lab_router_links() {
    local outer device host number
    while read -r outer device host number; do
        cat <<END
link add $outer gso_max_segs 1 type veth peer name $device gso_max_segs 1 netns $host
link set $outer up
address add 10.$path.0.254/32 dev $outer
address add fd00:$path::fe/128 dev $outer nodad
route add 10.$path.0.$number dev $outer
route add fd00:$path::$number dev $outer
END
    done <<END
rc$path c$path client 1
rs$path s$path server 2
END
}

# The hosts know one way to each other's address.
lab_host_link() { # c|s NUMBER
    local device=$1$path number=$2 other=$((3 - $2))
    cat <<END
link set $device up
address add 10.$path.0.$number/32 dev $device
address add fd00:$path::$number/128 dev $device nodad
route add 10.$path.0.254 dev $device
route add fd00:$path::fe dev $device
route add 10.$path.0.$other via 10.$path.0.254 dev $device src 10.$path.0.$number
route add fd00:$path::$other via fd00:$path::fe dev $device src fd00:$path::$number
END
}

# Also what a test that was killed has left.
lab_down() {
    local host pids
    for host in client router server; do
        [ -e "/run/netns/$host" ] || continue
        pids=$(ip netns pids $host)
        # shellcheck disable=SC2086 # several
        [ -z "$pids" ] || kill -KILL $pids 2>/dev/null
        ip netns delete $host
    done
    LAB_DELAY=() LAB_LOSS=() LAB_CUT=()
}

# The router's device by which packets of a path leave in a direction.
lab_device() { # PATH up|down
    case $2 in
    up) echo "rs$1" ;;
    down) echo "rc$1" ;;
    *) fatal "no direction: $2" ;;
    esac
}

lab_directions() { # [up|down|both]
    case ${1:-both} in
    both) echo up down ;;
    *) echo "$1" ;;
    esac
}

# lab_netem PATH up|down|both ARGUMENT...: these arguments of netem and no others, until the next change.
# netem's queue holds 1000 packets unless told otherwise (limit).
lab_netem() {
    local path=$1 direction directions
    directions=$(lab_directions "$2")
    shift 2
    for direction in $directions; do
        tc -n router qdisc replace dev "$(lab_device "$path" "$direction")" root netem "$@" ||
            fatal "netem $*"
    done
}

lab_apply() { # PATH DIRECTION
    local key=$1-$2
    if [ -n "${LAB_CUT[$key]:-}" ]; then
        lab_netem "$1" "$2" loss 100%
    else
        lab_netem "$1" "$2" limit 10000 ${LAB_DELAY[$key]:+delay "${LAB_DELAY[$key]}ms"} \
            ${LAB_LOSS[$key]:+loss "${LAB_LOSS[$key]}%"}
    fi
}

lab_set() { # ARRAY PATH DIRECTIONS VALUE
    local -n array=$1
    local direction
    for direction in $(lab_directions "$3"); do
        # shellcheck disable=SC2034 # a name for one of the three
        array["$2-$direction"]=$4
        lab_apply "$2" "$direction"
    done
}

# lab_delay PATH MS [up|down|both]: one way; both ways make a round trip of twice that.
lab_delay() {
    lab_set LAB_DELAY "$1" "${3:-both}" "$2"
}

# lab_loss PATH PERCENT [up|down|both]
lab_loss() {
    lab_set LAB_LOSS "$1" "${3:-both}" "$2"
}

# lab_cut PATH [up|down|both]: packets vanish, nobody is told.
lab_cut() {
    lab_set LAB_CUT "$1" "${2:-both}" yes
}

lab_restore() { # PATH [up|down|both]
    lab_set LAB_CUT "$1" "${2:-both}" ''
}

# lab_mtu PATH BYTES: of the way behind the router, in both directions: the hosts' devices keep their own,
# so that a host learns it from ICMP, or never.
lab_mtu() {
    ip -n router -batch - <<END || fatal "no MTU of $2"
route replace 10.$1.0.1 dev rc$1 mtu lock $2
route replace 10.$1.0.2 dev rs$1 mtu lock $2
route replace fd00:$1::1 dev rc$1 mtu lock $2
route replace fd00:$1::2 dev rs$1 mtu lock $2
END
}

# netem's counts since it was put there: packets, drops, bytes.
lab_count() { # PATH up|down packets|drops|bytes
    tc -n router -s -j qdisc show dev "$(lab_device "$1" "$2")" root | jq ".[0].$3 // 0"
}
