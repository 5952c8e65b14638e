# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# Hawser: a client and a server process, one association over UDP, everything at its defaults
# (TLS 1.3, AES-128-GCM, mutual authentication) except how many streams there may be, and the number
# of workers.

HAWSER_STREAMS_INITIAL=${HAWSER_STREAMS_INITIAL:-16}
HAWSER_STREAMS_MAX=${HAWSER_STREAMS_MAX:-2048}
# For other kinds of networks than loopback: further options of the tunnel at both ends, and several
# addresses of the server.
HAWSER_TRANSPORT=${HAWSER_TRANSPORT:-udp}
HAWSER_OPTIONS=${HAWSER_OPTIONS:-}
HAWSER_SERVER_HOSTS=${HAWSER_SERVER_HOSTS:-$SERVER_HOST}
HAWSER_CLIENT_HOSTS=${HAWSER_CLIENT_HOSTS:-}
# Both ends share the cores: a worker for each core and each end would be twice too many.
HAWSER_THREADS=${HAWSER_THREADS:-$((($(nproc) + 1) / 2))}

peer_threads() { # COUNT: for starts from now on
    HAWSER_THREADS=$1
}

peer_missing() {
    [ -x "$HAWSER" ] || echo "$HAWSER (make)"
    command -v jq >/dev/null || echo jq
}

peer_setup() {
    "$HAWSER" init "$HOME_OF_PEER/keys" --host "$SERVER_HOST" >"$HOME_OF_PEER/init.log" 2>&1 ||
        bench_die "hawser init: $(cat "$HOME_OF_PEER/init.log")"
}

# The quoted names behind KEY in the configuration that `hawser init` wrote.
hawser_name() {
    grep -v '^ *#' "$HOME_OF_PEER/keys/$1.cfg" | grep -o "\\b$2 *= *\\[\\? *\"[^\"]*\"" |
        head -n 1 | sed 's/.*"\(.*\)"/\1/'
}

# hawser_write_config ROLE UDP-ADDRESS TLS-OPTION SERVICE
hawser_write_config() {
    local keys=$HOME_OF_PEER/keys
    cat >"$WORK/$1.cfg" <<END
threads = $HAWSER_THREADS;
admin = { socket = "$WORK/$1.sock"; };
log = { level = "${HAWSER_LOG:-warning}"; format = "json"; };
tunnels = ( {
    name = "bench"; role = "$1"; transport = "$HAWSER_TRANSPORT"; $2 $HAWSER_OPTIONS
    streams = { initial = $HAWSER_STREAMS_INITIAL; max = $HAWSER_STREAMS_MAX; };
    tls = { ca = "$keys/ca.pem"; cert = "$keys/$1.pem"; key = "$keys/$1.key"; $3 };
    services = ( { name = "bench"; $4 } );
} );
END
}

# What `hawser status` answers, through a jq filter.
hawser_status() {
    "$HAWSER" status -s "$WORK/$1.sock" --json 2>/dev/null | jq -e "$2"
}

# Up means: everybody's handshakes are over. Only then is the tunnel as idle as it will be.
hawser_is_up() {
    [ "$(hawser_status client '.tunnels[0].children.ready')" -ge "$HAWSER_STREAMS_INITIAL" ] 2>/dev/null
}

# Waits for a line of a log. Looking at the status again and again takes 10 ms of processor time each
# time: 1000 children took 190 ms then, and 150 without.
hawser_await() { # ROLE WORDS
    local log reader
    exec {log}< <(exec timeout 20 tail -n +1 -F "$WORK/$1.log" 2>/dev/null)
    reader=$!
    grep -q -m 1 "$2" <&"$log" || true
    kill "$reader" 2>/dev/null || true
    exec {log}<&-
}

hawser_run() {
    "${@:2}" "$HAWSER" run "$WORK/$1.cfg" >"$WORK/$1.log" 2>&1 &
    PIDS+=($!)
}

# HOST... with one port, as elements of a list.
hawser_addresses() { # PORT HOST...
    local port=$1
    shift
    printf '"%s:'"$port"'", ' "$@" | sed 's/, $//'
}

peer_start() {
    local port servers own=
    port=$(bench_free_port)
    # shellcheck disable=SC2086 # lists
    servers=$(hawser_addresses "$port" $HAWSER_SERVER_HOSTS)
    # shellcheck disable=SC2086
    [ -z "$HAWSER_CLIENT_HOSTS" ] || own="local = [ $(hawser_addresses 0 $HAWSER_CLIENT_HOSTS) ];"
    ENTRY=127.0.0.1:$(bench_free_port)
    hawser_write_config server "local = [ $servers ];" \
        "allow = [ \"$(hawser_name server allow)\" ];" "connect = \"$TARGET\";"
    hawser_write_config client "remote = [ $servers ]; $own" \
        "peer = \"$(hawser_name client peer)\";" "listen = \"$ENTRY\";"
    hawser_run server "${AT_SERVER[@]}"
    hawser_run client "${AT_CLIENT[@]}"
    [ "${HAWSER_LOG:-warning}" != info ] || hawser_await client 'streams ready'
    bench_wait 60 hawser_is_up || bench_die "hawser: $(tail -n 5 "$WORK/server.log" "$WORK/client.log")"
    # Anything else would be another comparison.
    hawser_status client '.tunnels[0] | .tls.cipher == "AES-128-GCM" and .children.full == 0' >/dev/null ||
        bench_die "hawser: $(hawser_status client '.tunnels[0] | .tls, .children' | tr -d '\n')"
}

# Seconds since the epoch of the first line of a log that holds WORDS.
hawser_logged_at() { # ROLE WORDS
    date -d "$(grep -m 1 "$2" "$WORK/$1.log" | jq -r .time)" +%s.%N
}

# For starts from now on: so many streams are made ready before anybody asks for them.
peer_streams() { # COUNT
    HAWSER_STREAMS_INITIAL=$1 HAWSER_LOG=info
}

# Milliseconds from the association's coming up to all these streams ready.
peer_streams_ready() {
    calculate '1000 * (a - b)' "a=$(hawser_logged_at client "$HAWSER_STREAMS_INITIAL streams ready")" \
        "b=$(hawser_logged_at client 'association up')"
}

# 1000 children from one association, and what the same handshakes cost in memory.
peer_extra() {
    # The floor has two threads that do the work of both ends: as many here as cores.
    HAWSER_THREADS=$(nproc)
    peer_streams 1000
    peer_start
    say children "$(peer_streams_ready)"
    bench_stop
    say children_floor "$("$BENCHES/tls_bench" children |
        sed -n 's/^| tls | child handshake, 2 threads, a second | \([0-9.]*\) |.*/\1/p' |
        awk '{ print 1000 * 1000 / $1 }')"
}
