#!/usr/bin/env bash
# Goal of this test: whatever the system refuses while the process starts (a thread, a descriptor, memory, random
# numbers), it ends with a sentence and exit code 1, or does without; more services than a HELLO names work.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# ---- more services than HELLO names ----
make_certificates
start_target
few=$(seq 300 | sed "s|.*|{ name = \"s&\"; connect = \"$TARGET\"; },|")
SERVER_SERVICES=${few%,}
CLIENT_SERVICES=$(seq 300 | sed 's|.*|{ name = "s&"; listen = "127.0.0.1:0"; },|')
CLIENT_SERVICES=${CLIENT_SERVICES%,}
start_pair
works() { # NUMBER
    load rr --to "$(tunnel client ".services[] | select(.name == \"s$1\").listen")"
}
for n in 1 255 256 300; do
    check "service $n of 300" works $n
done
check "no warning says that one is missing" test "$(count_lines client.err 'no service')" -eq 0
stop client
stop server

# ---- one process with both ends, that is refused something ----
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }, { name = \"back\"; listen = \"unix:back\"; }"
CLIENT_SERVICES="{ name = \"target\"; listen = \"127.0.0.1:0\"; }, { name = \"back\"; connect = \"$TARGET\"; }"
GLOBAL_OPTIONS='drain_timeout = 0;'
both="$(server_tunnel far "$SERVER_SERVICES"), $(client_tunnel near "$CLIENT_SERVICES" "$SERVER")"
write_config both "$both"

has_settled() {
    has_ended both || has_line both.err ' info: ready: '
}
# True if it ends as it should: 0 once it was ready, else 1 with a sentence (2, should it not even read its files).
run_both() { # COMMAND...
    local code
    rm -f "$dir/both.err"
    start both "$@" "$HAWSER" run "$dir/both.cfg"
    wait_until 20 has_settled || return 1
    kill -TERM "${PIDS[both]}" 2>/dev/null
    exit_code both 20
    code=$?
    [ "$code" -eq 0 ] && has_line both.err ' info: ready: ' && return 0
    [ "$code" -eq 1 ] && has_line both.err '( error: |^hawser: out of memory).{10}' && return 0
    [ "$code" -eq 2 ] && has_line both.err 'both\.cfg:.{10}' && return 0
    echo "exit code $code: $*"
    tail -n 3 "$dir/both.err"
    return 1
}
# Every call of the function, or those of these numbers.
refuse_each() { # FUNCTION ERROR [NUMBER]...
    local n failed=0 count=0 numbers=("${@:3}")
    [ $# -gt 2 ] || mapfile -t numbers < <(seq 400)
    for n in "${numbers[@]}"; do
        rm -f "$dir/told"
        run_both env "LD_PRELOAD=$TOOLS/fail_call.so" FAIL_CALL="$1" FAIL_ERROR="$2" FAIL_NUMBER="$n" \
            FAIL_TOLD="$dir/told" || failed=$((failed + 1))
        [ -e "$dir/told" ] || break
        count=$((count + 1))
    done
    echo "$count calls of $1 were refused, $failed ended badly"
    [ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
}
says() { # PATTERN FUNCTION ERROR NUMBER: that is the sentence
    run_both env "LD_PRELOAD=$TOOLS/fail_call.so" FAIL_CALL="$2" FAIL_ERROR="$3" FAIL_NUMBER="$4"
    has_line both.err "$1"
}

check "it starts where nothing is refused" run_both
if grep -qE '__[at]san_init' "$HAWSER"; then
    skip "what is refused" "a sanitizer wants to be loaded first"
else
    EMFILE=24 EAGAIN=11 ENOMEM=12 ENOSYS=38 EADDRINUSE=98 ENOSPC=28
    for call in epoll_create1 timerfd_create eventfd signalfd inotify_init1 socket; do
        check "no descriptor: $call" refuse_each "$call" $EMFILE
    done
    check "no thread" refuse_each pthread_create $EAGAIN
    check "no random numbers" refuse_each getrandom $ENOSYS all
    check "nothing to be watched" refuse_each epoll_ctl $ENOSPC
    for call in bind listen getsockname; do
        check "no address: $call" refuse_each "$call" $EADDRINUSE
    done
    check "no memory, now and then" refuse_each calloc $ENOMEM 1 2 3 5 9 15 26 44 75 127 216 367 624 1061 1804
    check "a worker that is missing is named, with what helps" \
        says 'error: thread 1 of 2 workers cannot be made: .*ulimit -u' pthread_create $EAGAIN 2
    check "and the lack of random numbers" says 'error: the system gives no random numbers' \
        getrandom $ENOSYS all
    too_many_threads() {
        sed 's/^threads = .*/threads = 250;/' "$dir/both.cfg" >"$dir/many.cfg"
        cp "$dir/many.cfg" "$dir/both.cfg"
        run_both prlimit --as=1000000000:1000000000
        has_line both.err 'error: there is no memory for 251 threads: .*lower threads'
    }
    limit_each() { # OPTION VALUE...
        local value failed=0
        for value in "${@:2}"; do
            run_both prlimit "--$1=$value:$value" || failed=$((failed + 1))
        done
        [ "$failed" -eq 0 ]
    }
    # shellcheck disable=SC2046 # a list
    check "5 to 40 descriptors" limit_each nofile $(seq 5 40)
    check "too little address space for its threads" too_many_threads
    write_config both "$both"
    start both prlimit --data=67108864:67108864 "$HAWSER" run "$dir/both.cfg"
    check "64 MB of data are enough" wait_until 20 is_answering both
    check "and it ends well" stop both
fi

# ---- standard files that are closed ----
rm -f "$dir/both.err"
# shellcheck disable=SC2016 # for sh
start both sh -c 'exec "$0" "$@" <&- >&- 2>&-' "$HAWSER" run "$dir/both.cfg"
check "it starts with standard input, output and error closed" wait_until 20 is_answering both
are_null() {
    local fd
    for fd in 0 1 2; do
        [ "$(readlink "/proc/${PIDS[both]}/fd/$fd")" = /dev/null ] || return 1
    done
}
check "no socket takes their place" are_null
check "and ends well" stop both
finish
