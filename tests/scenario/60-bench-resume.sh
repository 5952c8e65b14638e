#!/usr/bin/env bash
# Goal of this test: children by four threads through eight associations at once, over the real
# transport: all of them are resumed, in every mode; and full ones beside them, to compare with.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

export TMPDIR=$dir
bench() { # NAME ARGUMENT...
    local name=$1
    shift
    "$HAWSER" bench resume "$@" >"$dir/$name.out" 2>>"$dir/$name.err"
}
# bench_is NAME FILTER: of its only result
bench_is() {
    [ "$(jq -r ".[0] | $2" "$dir/$1.out")" = true ]
}
for mode in tls13 psk_ke tls12-id tls12-ticket; do
    count=$(scaled 2000)
    [ "$mode" != tls13 ] || count=$(scaled 10000)
    check "$mode: $count children are made" \
        bench "$mode" --mode "$mode" --children "$count" --threads 4 --associations 8 --json
    check "$mode: all of them were resumed, at both ends" \
        bench_is "$mode" ".resumed == $count and .failed == 0"
    check "$mode: the figures are there" \
        bench_is "$mode" '.per_second > 0 and .per_second_in_memory > 0 and .full_per_second_in_memory > 0'
    check "$mode: full handshakes over the same transport, and the ratio to them" \
        bench_is "$mode" ".full_children >= 8 and .full_per_second > 0 and
            (.ratio_to_full - .per_second / .full_per_second | fabs) < 0.01"
    check "$mode: a resumed child costs less processor time than a full one" \
        bench_is "$mode" '.child_us < .full_us'
    note "$mode: $(jq -r '.[0] | "\(.per_second | floor) a second, \(.ratio_to_memory * 100 | floor)% of the same in memory, \(.ratio_to_full * 10 | floor | . / 10) times full handshakes"' "$dir/$mode.out")"
done
check "full: children that are full handshakes" \
    bench full --mode full --children "$(scaled 200)" --threads 4 --associations 8 --json
check "full: none was resumed" bench_is full ".full == $(scaled 200) and .resumed == 0 and .failed == 0"
check "in words, fewer children than threads" \
    bench words --transport udp --children 3 --threads 4 --associations 3 --mode tls13
check "they say how many were resumed" has_line words.out 'resumed +3 of 3$'
check "and how full ones compare" \
    has_line words.out 'full handshakes +[0-9]+ a second, .* over udp, .* times as fast'
check "an unknown mode is refused, and the others are named" \
    test "$(bench unknown --mode tls14; echo $?)" = 2
check "by name" has_line unknown.err 'full tls13 psk_ke tls12-id tls12-ticket'
check "so are no associations" test "$(bench none --associations 0; echo $?)" = 2
check "a transport that is not there is a failure with a reason" \
    test "$(bench nowhere --transport pigeon; echo $?)" = 1
check "with a reason" has_line nowhere.err 'pigeon'
check "no certificates are left behind" test -z "$(find "$dir" -name 'hawser-bench*')"
finish
