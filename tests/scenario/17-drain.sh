#!/usr/bin/env bash
# Goal of this test: SIGTERM drains: no new connections, open ones may finish, then exit code 0.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

GLOBAL_OPTIONS='drain_timeout = 30;'
for end in client server; do
    rm -f "$dir"/*.err "$dir"/*.out # of the round before
    SERVER_LOCAL=127.0.0.1:0
    start_pair
    start download "$TOOLS/load" down --to "$TO" --bytes "$(scaled 20000000)" --stall-after 100000
    check "$end: a download is under way" wait_until 10 has_line download.out '^ready'
    send_signal $end TERM
    check "$end: the log says that it drains" wait_until 5 has_line $end.err '[Dd]rain|shut'
    refuses() {
        ! load rr --to "$TO" --timeout 5
    }
    check "$end: new connections are refused" wait_until 5 refuses
    check "$end: it still runs" is_running $end
    send_signal download USR1
    check "$end: the download ends, every byte right" exit_code download
    check "$end: then it leaves with exit code 0" exit_code $end 20
    for other in client server; do
        [ -z "${PIDS[$other]:-}" ] || stop $other
    done
done
finish
