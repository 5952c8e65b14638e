#!/usr/bin/env bash
# Goal of this test: what this machine cannot carry is said in one sentence, and "auto" takes what
# there is and says why.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

make_certificates
start_target 127.0.0.1:0
SERVER_SERVICES="{ name = \"target\"; connect = \"$TARGET\"; }"
TRANSPORT=kernel
write_config kernel "$(server_tunnel site "$SERVER_SERVICES")"
"$HAWSER" check "$dir/kernel.cfg" >"$dir/check-kernel.out" 2>&1
code=$?
check "a configuration with transport kernel is no mistake" test "$code" -eq 0
if grep -q 'cannot run here with transport = "kernel"' "$dir/check-kernel.out"; then
    check "check warns in one line" test "$(grep -c 'warning:' "$dir/check-kernel.out")" -eq 1
    note "$(grep warning "$dir/check-kernel.out" | sed "s|$dir/||")"
    fails() {
        "$HAWSER" run "$dir/kernel.cfg" >"$dir/run-kernel.out" 2>&1
        [ $? -eq 1 ]
    }
    check "run fails at once, exit code 1" fails
    check "with one error" test "$(grep -c ' error' "$dir/run-kernel.out")" -eq 1
    check "that says which tunnel and why" \
        grep -q 'error: tunnel "site": transport "kernel" is not possible here: ..........' \
        "$dir/run-kernel.out"
    expected=udp
else
    skip "kernel transport is refused in one sentence" "this kernel has SCTP"
    expected=kernel
fi

TRANSPORT=auto
start_pair
check "auto carries" load rr --to "$TO" --connections "$(scaled 200)" --parallel 16
check "it has taken $expected" status_is client .tunnels[0].association.transport "$expected"
check "the server too" status_is server .tunnels[0].association.transport "$expected"
check "it is configured as auto" status_is client .tunnels[0].transport auto
check "the client's log says what was taken, and why" \
    has_line client.err "transport \"auto\" chose $expected: ..........."
check "the server's, what it has" has_line server.err "waits for peers on .*\(udp\)"
[ "$expected" = kernel ] || check "and why not more" \
    has_line server.err 'transport "auto" has only udp: ..........'

# A client with both, a server with udp alone: the kernel's SCTP is not answered.
stop client
stop server
TRANSPORT=udp
start_server
TRANSPORT=auto
start_client
check "a server with udp alone is reached" wait_until 30 is_up client
check "over udp" status_is client .tunnels[0].association.transport udp
finish
