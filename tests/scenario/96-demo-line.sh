#!/usr/bin/env bash
# Goal of this test: ./demo --line shows one download through Hawser and through stunnel, leaves nothing behind,
# and says in one sentence why it cannot.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

export TMPDIR=$dir/tmp BENCHES=${TOOLS%/tools}/bench TOOLS HAWSER DEMO_LIMIT=6
mkdir "$TMPDIR"

demo_fails() { # COMMAND...: with one sentence
    "$@" >"$dir/demo.out" 2>"$dir/why" && return 1
    cat "$dir/why"
    [ "$(wc -l <"$dir/why")" -eq 1 ] && [ ! -s "$dir/demo.out" ]
}
says_why() { # PATTERN
    grep -E -- "$1" "$dir/why"
}
nothing_runs() {
    [ -z "$(ls "$TMPDIR")" ] && ! pgrep -f "$TMPDIR"
}

check "a line that does not exist" demo_fails "$ROOT/scripts/demo" --line nowhere
check "is answered with those that do" says_why 'lte wifi'
if ! "$ROOT/scripts/demo-line" --can wifi 2>"$dir/why"; then
    check "why it cannot be is one sentence" demo_fails "$ROOT/scripts/demo" --line wifi
    skip "the demonstration on a line" "$(cut -c 1-120 "$dir/why")"
    finish
fi
# shellcheck disable=SC2016 # for that shell
check "without /dev/net/tun it does not begin" demo_fails unshare -m sh -c \
    'mount -t tmpfs none /dev/net && exec "$0" --line wifi' "$ROOT/scripts/demo"
check "and says so" says_why 'needs /dev/net/tun,'
if ! command -v stunnel4 >/dev/null || [ ! -x "$BENCHES/line" ]; then
    skip "the demonstration on a line" "needs stunnel4 and $BENCHES/line (make wan-one)"
    finish
fi
check "it runs" "$ROOT/scripts/demo" --line wifi
mv "$dir/check.out" "$dir/demo.out"
check "it says what the line is" has_line demo.out '^The line: 80 Mbit/s, 8 ms, 1% lost'
check "it shows both downloads side by side" has_line demo.out '^ +[0-9]+  [#.]{30} +[0-9.]+ MB   [#.]{30} +[0-9.]+ MB$'
check "Hawser's comes forward" has_line demo.out '^  Hawser   [0-9.]+ .*MB.*: 0*[1-9.][0-9.]* MB/s$'
check "and stunnel's" has_line demo.out '^  stunnel  [0-9.]+ .*MB.*: 0*[1-9.][0-9.]* MB/s$'
check "nothing is left" nothing_runs
finish
