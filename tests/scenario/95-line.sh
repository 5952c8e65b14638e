#!/usr/bin/env bash
# Goal of this test: bench/line is the line that it is told to be, for TCP and through Hawser. What is checked
# are bounds that a busy machine cannot break: it is never faster, nearer or kinder than that.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

export BENCHES=${TOOLS%/tools}/bench TOOLS HAWSER SECONDS_EACH=1

one() { # ARGUMENT...: of bench/wan-one; its figure in one.out, the rest in one.err
    "$ROOT/bench/wan-one" "$@" >"$dir/one.out" 2>"$dir/one.err"
}
is_within() { # MIN MAX: above the one, at most the other
    awk -v min="$1" -v max="$2" '$1 > min && $1 <= max { good = 1 } END { exit !good }'
}
figure_is() { # MIN MAX
    is_within "$@" <"$dir/one.out"
}
account_is() { # BEFORE AFTER MIN MAX: the number between these words of the line's account
    sed -nE "s/.*$1([0-9.]+)$2.*/\\1/p" "$dir/one.err" | is_within "$3" "$4"
}

# The windows with which 64 connections begin are more than the line and its queue hold, however slow the machine.
if ! one "rate 16 delay 5 queue 40" 1 64 down none; then
    skip "a line between two network namespaces" "$(tail -n 1 "$dir/one.err" | cut -c 1-100)"
    : >"$dir/one.err"
    finish
fi
check "16 Mbit/s carry at most 2 MB/s" figure_is 0 2.05
check "at most 40 ms wait for the line" account_is ', p95 ' ';' 0 41
check "what comes when these are full is dropped" account_is ' ' ' dropped by' 0 1e9
check "nothing else is" account_is ' ' ' were lost' -1 0
check "a line that loses packets" one "rate 16 delay 5 queue 40 loss 5" 1 4 down none
check "loses some" account_is ' ' ' were lost' 0 1e9
check "and is not faster for it" figure_is 0 2.05
check "a policer" one "rate 100 delay 5 queue 40 police 8 bucket 20" 1 1 down none
check "drops what is above its rate" figure_is 0 1.05
check "and counts it" account_is ' ' ' policed' 0 1e9
check "a round trip on a line" one "rate 16 delay 20 queue 40" 1 0 beside none
check "takes both ways' delay" figure_is 39.9 1e6
check "Hawser on that line" one "rate 16 delay 20 queue 40 loss 0.1" 1 2 up "$HAWSER"
check "has no more of it than there is" figure_is 0 2.05
finish
