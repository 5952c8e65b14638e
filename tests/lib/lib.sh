# shellcheck shell=bash
# tests/lib/lib.sh: what every scenario needs. A *scenario* is one file in tests/scenario that
# starts real processes; a *check* is one line of TAP that it prints.
#
# Environment: HAWSER (the binary; default build/hawser), TOOLS (folder of the helper programs),
# SCALE (divides the sizes: sanitizers are slow), KEEP=1 (leaves the folder with logs behind).
#
# Nothing here waits blindly: wait_until polls a condition, with a deadline.
set -u

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
HAWSER=$(realpath "${HAWSER:-$ROOT/build/hawser}")
TOOLS=$(realpath "${TOOLS:-$ROOT/build/default/tools}")
SCALE=${SCALE:-1}
dir=$(mktemp -d "${TMPDIR:-/tmp}/hawser-scenario.XXXXXX")
declare -A PIDS=()
CHECKS=0
FAILURES=0

# check TEXT COMMAND...: one line of TAP; on failure with what the command and the endpoints said.
check() {
    local text=$1
    shift
    CHECKS=$((CHECKS + 1))
    if "$@" >"$dir/check.out" 2>&1; then
        echo "ok $CHECKS - $text"
    else
        FAILURES=$((FAILURES + 1))
        echo "not ok $CHECKS - $text"
        show "$*" "$dir/check.out"
        show_logs
    fi
}

# skip TEXT WHY: a check that cannot be made here: counted and shown.
skip() {
    CHECKS=$((CHECKS + 1))
    echo "ok $CHECKS - $1 # SKIP $2"
}

# A PKCS#11 token "hawser" with PIN 271828, only for this test; ends it as skipped where there can be none.
need_token() {
    printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$dir/tokens" >"$dir/softhsm2.conf"
    mkdir "$dir/tokens"
    export SOFTHSM2_CONF=$dir/softhsm2.conf
    softhsm2-util --init-token --free --label hawser --pin 271828 --so-pin 314159 >/dev/null 2>&1
    p11tool --list-tokens 2>/dev/null | grep -q 'token=hawser' && return
    skip "a key in a token" "softhsm2, p11tool and p11-kit's configuration of it are needed"
    finish
}

# Names and targets that behave as the test says (tests/tools/preload/net_troubles.c), at both ends; ends the
# test as skipped where that cannot be.
need_troubles() {
    export NAMES=$dir/names
    mkdir "$NAMES"
    SERVER_SIDE=(env "LD_PRELOAD=$TOOLS/net_troubles.so") CLIENT_SIDE=(env "LD_PRELOAD=$TOOLS/net_troubles.so")
    grep -qE '__[at]san_init' "$HAWSER" || return
    skip "names and targets as the test says" "a sanitizer wants to be loaded first"
    finish
}

name() { # NAME WORD...: what the look-up of NAME does from now on
    local file=$NAMES/$1
    shift
    echo "$*" >"$file.new" && mv "$file.new" "$file"
}

# A check on the memory of a process: sanitizers keep what is freed for a while, on purpose.
check_memory() {
    if grep -q __asan_init "$HAWSER" || grep -q __tsan_init "$HAWSER"; then
        skip "$1" "a sanitizer holds memory of its own"
    else
        check "$@"
    fi
}

# A remark of TAP.
note() {
    echo "# $*"
}

show() { # TITLE FILE
    [ -s "$2" ] || return 0
    echo "# --- $1"
    grep -v 'both sides closed' "$2" | tail -n 12 | cut -c 1-240 | sed 's/^/#   /'
}

show_logs() {
    local file
    for file in "$dir"/*.err; do
        [ ! -e "$file" ] || show "${file##*/}" "$file"
    done
}

# The last line of a scenario: no endpoint may have been hurt, and each must end when asked to.
finish() {
    local name
    for name in "${!PIDS[@]}"; do
        case $name in
        client* | server*) check "the $name ends when told to, with exit code 0" stop "$name" ;;
        esac
    done
    check "no assertion or sanitizer spoke up" no_report
    echo "1..$CHECKS"
    [ "$FAILURES" -eq 0 ]
    exit
}

no_report() {
    ! grep -E -A 20 'Sanitizer|runtime error:|check failed|assertion' "$dir"/*.err
}

# N divided by SCALE, at least 1.
scaled() {
    echo $(($1 / SCALE > 0 ? $1 / SCALE : 1))
}

# start NAME COMMAND...: in the background, output to NAME.out and NAME.err.
start() {
    local name=$1
    shift
    rm -f "$dir/$name.out" # until the new one has opened its own, has_line would see the last one's
    "$@" >"$dir/$name.out" 2>>"$dir/$name.err" </dev/null &
    PIDS[$name]=$!
}

is_running() {
    kill -0 "${PIDS[$1]}" 2>/dev/null
}

has_ended() {
    ! is_running "$1"
}

# The exit code of NAME; 124 if it does not end within SECONDS (default 60).
exit_code() {
    local pid=${PIDS[$1]} code
    wait_until "${2:-60}" has_ended "$1" || return 124
    wait "$pid"
    code=$?
    unset "PIDS[$1]"
    return $code
}

# stop NAME [SIGNAL]: ends it; its exit code.
stop() {
    kill "-${2:-TERM}" "${PIDS[$1]}" 2>/dev/null
    exit_code "$1" 30
}

# The same for SIGKILL, where bash's own notice is not wanted.
crash() {
    { stop "$1" KILL; } 2>/dev/null
    return 0
}

send_signal() { # NAME SIGNAL
    kill "-$2" "${PIDS[$1]}"
}

clean_up() {
    local pid
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    if [ -n "${KEEP:-}" ]; then
        echo "# kept: $dir"
    else
        rm -rf "$dir"
    fi
} 2>/dev/null
trap clean_up EXIT
trap 'exit 130' INT TERM

# wait_until SECONDS COMMAND...: true as soon as the command is; false after so many seconds.
wait_until() {
    local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
        [ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
        sleep 0.02 # between two looks, not for a result
    done
}

has_line() { # NAME.out|NAME.err PATTERN
    grep -Eqs -- "$2" "$dir/$1"
}

has_not() { # NAME.out|NAME.err PATTERN
    ! has_line "$@"
}

# A pattern for the log: the traffic goes to ADDRESS now. The path that it leaves says so where it was the
# reason and another one answered at once; else the one that has it now.
moves_to() { # ADDRESS
    echo "(path .*$1: active.*traffic moves here|traffic moves to $1)"
}

# When the last such line was written, in ms.
logged_ms() { # NAME.err PATTERN
    date -d "$(grep -E -- "$2" "$dir/$1" | tail -n 1 | cut -d ' ' -f 1)" +%s%3N
}

# Time that the client needed for an association after the server was there, in ms, as their logs have it: to ask
# for the status takes a busy machine longer.
back_after() {
    echo $(($(logged_ms client.err ': association up with ') - $(logged_ms server.err ' info: ready: ')))
}

count_lines() { # FILE PATTERN
    grep -Ecs -- "$2" "$dir/$1"
}

# status NAME FILTER: what jq makes of `hawser status --json` of that endpoint.
status() {
    "$HAWSER" status -s "$dir/$1.sock" --json 2>/dev/null | jq -r "$2"
}

# status_is NAME FILTER VALUE
status_is() {
    [ "$(status "$1" "$2")" = "$3" ]
}

# True where the filter gives true.
status_has() {
    status_is "$1" "$2" true
}

# tunnel NAME FILTER: of the first tunnel.
tunnel() {
    status "$1" ".tunnels[0]$2"
}

is_answering() {
    "$HAWSER" status -s "$dir/$1.sock" --json >/dev/null 2>&1
}

is_up() {
    status_is "$1" '.tunnels[0].state' up
}

is_idle() {
    status_is "$1" '[.tunnels[].connections.open] | add' 0
}

# make_ca NAME [days]: NAME.pem, NAME.key
make_ca() {
    local file=$dir/$1
    certtool --generate-privkey --key-type=ecdsa --curve=secp256r1 --outfile "$file.key"
    cat >"$file.template" <<END
cn = "$1"
ca
cert_signing_key
expiration_days = 30
END
    certtool --generate-self-signed --load-privkey "$file.key" --template "$file.template" \
        --outfile "$file.pem"
} 2>/dev/null

# make_certificate NAME CA HOST [LINE OF THE TEMPLATE]...: NAME.pem, NAME.key
make_certificate() {
    local file=$dir/$1 ca=$dir/$2 host=$3
    shift 3
    certtool --generate-privkey --key-type=ecdsa --curve=secp256r1 --outfile "$file.key"
    {
        printf 'cn = "%s"\ndns_name = "%s"\nsigning_key\ntls_www_server\ntls_www_client\n' \
            "$host" "$host"
        [ $# -gt 0 ] || echo 'expiration_days = 30'
        printf '%s\n' "$@"
    } >"$file.template"
    certtool --generate-certificate --load-privkey "$file.key" --load-ca-certificate "$ca.pem" \
        --load-ca-privkey "$ca.key" --template "$file.template" --outfile "$file.pem"
    chmod 600 "$file.key"
} 2>/dev/null

make_certificates() {
    make_ca ca
    make_certificate server ca server.example
    make_certificate client ca client.example
}

# Options of the endpoints: set any of these before start_server, start_client or start_pair.

THREADS=${THREADS:-2}
LOG_FORMAT=text
TRANSPORT=udp
SERVER_LOCAL=127.0.0.1:0                     # one or more
SERVER_SIDE=() CLIENT_SIDE=()                # commands that put a program on one side of a network
SERVER_NAME=server CLIENT_NAME=client        # certificates
SERVER_CA=ca CLIENT_CA=ca                    # whom they trust
PEER=server.example ALLOW='"client.example"' # whom they expect
SERVER_TLS='' CLIENT_TLS=''                  # all of tls; default: those certificates and names
SERVER_TLS_OPTIONS='' CLIENT_TLS_OPTIONS=''  # further options of tls
SERVER_SERVICES=''                           # default: "target"
CLIENT_SERVICES='{ name = "target"; listen = "127.0.0.1:0"; }'
SERVER_OPTIONS='' CLIENT_OPTIONS=''          # further lines of the tunnel
GLOBAL_OPTIONS='drain_timeout = 5;'
RELAY=                                       # arguments: a relay is put between them

write_config() { # FILE TUNNELS
    cat >"$dir/$1.cfg" <<END
admin = { socket = "$1.sock"; };
threads = $THREADS;
log = { level = "info"; format = "$LOG_FORMAT"; };
$GLOBAL_OPTIONS
tunnels = ( $2 );
END
}

quoted_list() { # WORD...
    local list
    list=$(printf ', "%s"' "$@")
    echo "${list#, }"
}

certificates() { # CA NAME
    echo "ca = \"$1.pem\"; cert = \"$2.pem\"; key = \"$2.key\";"
}

server_tunnel() { # NAME SERVICES
    local tls=${SERVER_TLS:-$(certificates "$SERVER_CA" "$SERVER_NAME") allow = [ $ALLOW ];}
    # shellcheck disable=SC2086 # several addresses
    cat <<END
  { name = "$1"; role = "server"; transport = "$TRANSPORT"; local = [ $(quoted_list $SERVER_LOCAL) ];
    tls = { $tls $SERVER_TLS_OPTIONS };
    services = ( $2 );
    $SERVER_OPTIONS
  }
END
}

client_tunnel() { # NAME SERVICES REMOTES
    local tls=${CLIENT_TLS:-$(certificates "$CLIENT_CA" "$CLIENT_NAME") peer = \"$PEER\";}
    # shellcheck disable=SC2086 # several addresses
    cat <<END
  { name = "$1"; role = "client"; transport = "$TRANSPORT"; remote = [ $(quoted_list $3) ];
    reconnect = { min = 0.05; max = 0.5; };
    tls = { $tls $CLIENT_TLS_OPTIONS };
    services = ( $2 );
    $CLIENT_OPTIONS
  }
END
}

# start_target [ADDRESS]: sets TARGET to the address of a new target.
start_target() {
    start target "${SERVER_SIDE[@]}" "$TOOLS/target" --listen "${1:-127.0.0.1:0}"
    wait_until 10 has_line target.out '^listening' || fatal "the target does not start"
    TARGET=$(sed -n 's/^listening //p' "$dir/target.out" | head -n 1)
}

run_hawser() { # NAME
    local side=()
    case $1 in
    server*) side=("${SERVER_SIDE[@]}") ;;
    client*) side=("${CLIENT_SIDE[@]}") ;;
    esac
    start "$1" "${side[@]}" "$HAWSER" run "$dir/$1.cfg"
    wait_until 20 is_answering "$1" || fatal "the $1 does not start"
}

# Sets SERVER to its addresses, and keeps them for the next start.
start_server() {
    [ -n "$SERVER_SERVICES" ] || SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }"
    write_config server "$(server_tunnel site "$SERVER_SERVICES")"
    run_hawser server
    SERVER=$(tunnel server '.local | join(" ")')
    SERVER_LOCAL=$SERVER
}

# Sets REMOTE to the relay's address.
start_relay() {
    # shellcheck disable=SC2086 # arguments
    start relay "$TOOLS/relay" --to "$SERVER" $RELAY
    wait_until 10 has_line relay.out '^listening' || fatal "the relay does not start"
    REMOTE=$(sed -n 's/^listening //p' "$dir/relay.out")
}

# shellcheck disable=SC2034 # for the scenarios
# Sets TO to the address of its first listener.
start_client() {
    write_config client "$(client_tunnel site "$CLIENT_SERVICES" "$REMOTE")"
    run_hawser client
    TO=$(tunnel client '.services[0].listen')
}

# Target, server, relay if one is wanted, client; waits until the tunnel is up.
start_pair() {
    [ -e "$dir/ca.pem" ] || make_certificates
    [ -n "${TARGET:-}" ] || start_target 127.0.0.1:0
    start_server
    REMOTE=$SERVER
    [ -z "$RELAY" ] || start_relay
    start_client
    wait_until 30 is_up client || fatal "the tunnel does not come up"
}

# A scenario that cannot even begin.
fatal() {
    CHECKS=$((CHECKS + 1))
    echo "not ok $CHECKS - $*"
    show_logs
    echo "1..$CHECKS"
    exit 1
}

load() {
    "${CLIENT_SIDE[@]}" "$TOOLS/load" "$@"
}

ends() {
    "${CLIENT_SIDE[@]}" "$TOOLS/ends" "$@"
}

# start_pings NAME [ARGUMENT OF load]...: round trips until end_pings.
start_pings() {
    local name=$1
    shift
    start "$name" "${CLIENT_SIDE[@]}" "$TOOLS/load" ping --to "$TO" --seconds 100 --timeout 110 "$@"
}

end_pings() { # NAME: true where none was lost
    send_signal "$1" USR1
    exit_code "$1" 60
}

# The longest of them, or of the connections of `load rr`, in ms as that process had the time: what a busy
# machine took from it is not counted.
longest() { # NAME
    jq -s '.[-1].own_max_us / 1000 | round' "$dir/$1.out"
}
