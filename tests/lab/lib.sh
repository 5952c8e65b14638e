# shellcheck shell=bash
# tests/lab/lib.sh: what a test of the lab needs besides tests/lib/lib.sh and tests/lab/network.sh.
# Started outside the lab, a test starts the lab for itself.
[ -n "${LAB_MODE:-}" ] || exec "$(dirname "${BASH_SOURCE[0]}")/run" -- "$(realpath "$0")" "$@"
# shellcheck source=tests/lib/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/lib.sh"
# shellcheck source=tests/lab/network.sh
. "$(dirname "${BASH_SOURCE[0]}")/network.sh"

lab_clean_up() {
    clean_up
    lab_down
}
trap lab_clean_up EXIT

has_sctp() {
    [ -e /proc/sys/net/sctp ]
}

# for_transports COMMAND: with TRANSPORT set to each that this kernel has.
for_transports() {
    TRANSPORT=udp
    "$1"
    TRANSPORT=kernel
    if has_sctp; then
        "$1"
    else
        skip "transport kernel" "this kernel has no SCTP"
    fi
}

# Ends the client and the server, if there are any; what they have logged stays under another name.
end_pair() {
    local name file
    for name in client server; do
        [ -z "${PIDS[$name]:-}" ] || check "$TRANSPORT: the $name ends when told to" stop "$name"
    done
    for file in "$dir"/client.err "$dir"/server.err; do
        [ ! -e "$file" ] || mv "$file" "${file%.err}-$CHECKS.err"
    done
}

# uses client|server ADDRESS: it sends to that address of the other end.
uses() {
    status_has "$1" "[.tunnels[0].association.paths[] | select(.in_use) | .address | startswith(\"$2:\")] == [true]"
}

# has_paths client|server COUNT: that many to addresses that are all active.
has_paths() {
    status_has "$1" ".tunnels[0].association.paths | map(select(.state == \"active\") | .address) | unique | length == $2"
}

# One association has been enough.
is_first_association() {
    status_has client '.tunnels[0].counters | .associations_total == 1 and .associations_lost == 0'
}

milliseconds() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# mark_log NAME: what was logged until now is no news.
declare -A MARKS=()
mark_log() {
    MARKS[$1]=$(wc -l <"$dir/$1.err")
}

has_news() { # NAME PATTERN
    tail -n +$((${MARKS[$1]:-0} + 1)) "$dir/$1.err" | grep -Eq -- "$2"
}
