#!/usr/bin/env bash
# Goal of this test: two servers share their TLS 1.2 sessions in Redis: a client that moves from one
# to the other is resumed. Redis goes: full handshakes, counted, without delay. It comes back: resumed
# again. What is in Redis is of no use without the key.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

if ! command -v redis-server >/dev/null || ! grep -q hiredis "$HAWSER"; then
    skip "sessions in Redis" "redis-server is not installed, or hawser is built without Redis"
    finish
fi
start_redis() {
    start redis redis-server --port 0 --unixsocket "$dir/redis" --save '' --appendonly no \
        --dir "$dir" --daemonize no
    wait_until 10 redis_answers || fatal "redis does not start"
}
redis_answers() {
    [ "$(redis-cli -s "$dir/redis" ping 2>/dev/null)" = PONG ]
}
is_resumed() {
    is_up client && status_is client '.tunnels[0].tls.master_resumed' "$1"
}
new_keys() {
    openssl rand -base64 32 >"$dir/redis.keys"
    chmod 600 "$dir/redis.keys"
}
REDIS='redis = { address = "unix:redis"; key_file = "redis.keys"; timeout = 0.2; };'
GLOBAL_OPTIONS="drain_timeout = 5; sessions = { $REDIS };"
SERVER_TLS_OPTIONS='min_version = "1.2"; max_version = "1.2"; resume_by = "ids";'
CLIENT_TLS_OPTIONS='min_version = "1.2"; max_version = "1.2";'
new_keys
start_redis
make_certificates
start_target

# The same address, so that the client takes both for one server; one after the other.
start_server
REMOTE=$SERVER
GLOBAL_OPTIONS='drain_timeout = 5;' start_client
check "a client at the first server: full" wait_until 20 is_resumed false
check "its session goes to Redis" wait_until 5 status_is server '.sessions.redis.stored' 1
check "which is connected" status_is server '.sessions.redis.connected' true
value=$(redis-cli -s "$dir/redis" --scan | head -n 1)
check "Redis has it, with an expiry" \
    test "$(redis-cli -s "$dir/redis" ttl "$value")" -gt 0
stop server
start_server
check "at the second server: resumed" wait_until 20 is_resumed true
check "from Redis" status_is server '.sessions.redis.hits' 1
check "connections" load rr --to "$TO" --connections "$(scaled 100)"
check "no child was full" status_has client '.tunnels[0].children | .full + .failed == 0'

stop server
stop redis
start_server
before=${EPOCHREALTIME/[.,]/}
check "without Redis: a full handshake" wait_until 20 is_resumed false
note "up again after $(((${EPOCHREALTIME/[.,]/} - before) / 1000)) ms"
check "counted" status_has server '.sessions.redis | .unavailable + .timeouts > 0'
check "and seen" status_is server '.sessions.redis.connected' false
check "connections" load rr --to "$TO" --connections 20
check "no child was full" status_has client '.tunnels[0].children | .full + .failed == 0'

start_redis
stop server
start_server
check "an empty Redis is a miss" wait_until 20 is_resumed false
check "that is stored again" wait_until 5 status_has server '.sessions.redis.stored > 0'
stop server
start_server
check "then resumed again" wait_until 20 is_resumed true

wait_until 5 status_has server '.sessions.redis.connected'
stop server
new_keys
start_server
check "other keys: a full handshake" wait_until 20 is_resumed false
check "because what Redis holds is not accepted" \
    status_has server '.sessions.redis.not_accepted > 0'

# Redis that says nothing at all: the handshake goes on after the time-out.
send_signal redis STOP
stop server
start_server
check "a Redis that hangs: a full handshake" wait_until 20 is_resumed false
check "connections" load rr --to "$TO" --connections 20
send_signal redis CONT
finish
