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
