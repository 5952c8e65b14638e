#!/usr/bin/env bash
# Goal of this test: tests/lab/run brings back what a command gives and nothing else, ends it in time,
# and leaves nothing on the host. Runs on the host, unlike the other tests here.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"
RUN=$ROOT/tests/lab/run
export TMPDIR=$dir/tmp
mkdir "$TMPDIR"

"$RUN" --time 60 true >"$dir/first.out" 2>"$dir/first.error"
code=$?
if [ $code -eq 77 ]; then
    skip "the lab" "$(tail -n 1 "$dir/first.error" | sed 's/^lab: //')"
    finish
fi

# A command that gives some of everything, and leaves a process behind.
cat >"$dir/job" <<'END'
pwd
echo "$HAWSER_LAB_TEST"
echo text >&2
seq 100000
printf 'a\tb\r\n\0\377c'
echo result >"$LAB_OUT/result"
echo >/tmp/a && echo >/run/a && echo >/var/tmp/a && echo >/dev/shm/a || exit 1
! echo >"$LAB_HOST/written-in-the-lab" || exit 2
sleep 1000 &
exit 42
END
{
    pwd
    echo "some 'words' \"and\" \$signs"
    seq 100000
    printf 'a\tb\r\n\0\377c'
} >"$dir/expected"
LAB_HOST=$ROOT HAWSER_LAB_TEST="some 'words' \"and\" \$signs" \
    "$RUN" --time 60 --out "$dir/results" bash -c "$(<"$dir/job")" >"$dir/job.out" 2>"$dir/job.error"
code=$?

is_error_text() {
    cat "$dir/job.error"
    [ "$(grep -v 'Read-only file system' "$dir/job.error")" = text ]
}

no_leftovers() {
    ls "$TMPDIR"
    # Processes of user-mode Linux name the folder on their command lines.
    pgrep -fa "$TMPDIR/hawser-lab" || [ -z "$(ls "$TMPDIR")" ]
}

check "the exit code" test $code -eq 42
check "standard output, every byte" cmp "$dir/expected" "$dir/job.out"
check "standard error apart from it" is_error_text
check "a file for the host" grep -qx result "$dir/results/result"
check "nothing left behind" no_leftovers

"$RUN" --time 4 sleep 1000 2>"$dir/hang.error"
check "a command that hangs is ended" test $? -eq 124
check "which is said" grep -q 'not ended after 4 s' "$dir/hang.error"
check "nothing left behind" no_leftovers

# shellcheck disable=SC2016 # expanded inside
start running "$RUN" --out "$dir/results" bash -c 'echo >"$LAB_OUT/up"; sync; sleep 1000'
wait_until 30 test -e "$dir/results/up"
check "files for the host are there as soon as they are synced" test -e "$dir/results/up"
stop running
check "it ends with SIGTERM" test $? -eq 143
check "nothing left behind" no_leftovers

"$RUN" bash -c 'echo c >/proc/sysrq-trigger; sleep 10' 2>"$dir/panic.error"
check "a panic of the lab's kernel is no result" test $? -eq 125
check "and is shown" grep -q 'sysrq triggered crash' "$dir/panic.error"
"$RUN" --mem 10000000 true 2>"$dir/memory.error"
check "without the memory it does not start" test $? -eq 77
check "which is said" grep -q 'MB of memory wanted' "$dir/memory.error"
check "nothing left behind" no_leftovers
finish
