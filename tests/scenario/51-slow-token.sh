#!/usr/bin/env bash
# Goal of this test: a token that needs two seconds for a signature holds up the clients that have to
# wait for it, and nobody else: not even with a single thread.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

SLOW_TOKEN_MODULE=$(find /usr/lib /usr/lib64 -name libsofthsm2.so -type f 2>/dev/null | head -n 1)
need_token
if [ -z "$SLOW_TOKEN_MODULE" ] || grep -qE '__[at]san_init' "$HAWSER"; then
    skip "a slow token" "a sanitizer wants to be loaded first (tests/unit/tls/test_signer runs with it)"
    finish
fi
export SLOW_TOKEN_MODULE SLOW_TOKEN_MS=2000
make_certificates
p11tool --login --set-pin=271828 --write --load-privkey="$dir/server.key" --label=server \
    --no-mark-private --batch pkcs11:token=hawser >/dev/null 2>&1

THREADS=1
SERVER_TLS='ca = "ca.pem"; cert = "server.pem"; allow = "client.example";
    key = "pkcs11:token=hawser;object=server;type=private?pin-value=271828";'
start_target
SERVER_SIDE=(env "LD_PRELOAD=$TOOLS/slow_token.so")
start_server
REMOTE=$SERVER
start_client
check "a client comes up" wait_until 20 is_up client
start traffic "$TOOLS/load" rr --to "$TO" --seconds 9 --parallel 2 --timeout 60
write_config client2 "$(client_tunnel one "$CLIENT_SERVICES" "$SERVER"),
    $(client_tunnel two "$CLIENT_SERVICES" "$SERVER"), $(client_tunnel three "$CLIENT_SERVICES" "$SERVER")"
before=${EPOCHREALTIME/[.,]/}
run_hawser client2
all_up() {
    status_has "$1" '[.tunnels[].state == "up"] | all'
}
check "three more do" wait_until 40 all_up client2
took=$(((${EPOCHREALTIME/[.,]/} - before) / 1000))
note "after $took ms"
check "with full handshakes, for which the token signed" \
    status_has client2 '[.tunnels[].counters.masters_full] | add == 3'
check "which took its time, one after the other" test "$took" -ge 5500
check "the first one's connections the whole time" exit_code traffic
longest=$(longest traffic)
note "$(jq -s '.[-1].connections' "$dir/traffic.out") connections, the longest took $longest ms"
check "none of them waited for a signature" test "$longest" -lt 1500
finish
