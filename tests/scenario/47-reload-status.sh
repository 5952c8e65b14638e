#!/usr/bin/env bash
# Goal of this test: every reload can be seen afterwards: how many, when, how the last one went and
# why one failed, in status and counters; and the keys of Redis are read again while the process runs.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

if ! command -v redis-server >/dev/null || ! grep -q hiredis "$HAWSER"; then
    skip "sessions in Redis" "redis-server is not installed, or hawser is built without Redis"
    finish
fi
redis_answers() {
    [ "$(redis-cli -s "$dir/redis" ping 2>/dev/null)" = PONG ]
}
is_resumed() {
    is_up client && status_is client '.tunnels[0].tls.master_resumed' "$1"
}
put_keys() { # KEY...
    printf '%s\n' "$@" >"$dir/keys.new"
    chmod 600 "$dir/keys.new"
    mv "$dir/keys.new" "$dir/redis.keys"
}
store_keys() { # FILTER
    status_has server ".reloads.redis_keys | $1"
}
says() { # PATTERN: hawser status, in words
    "$HAWSER" status -s "$dir/server.sock" | grep -E -- "$1"
}
old=$(openssl rand -base64 32) new=$(openssl rand -base64 32)
start redis redis-server --port 0 --unixsocket "$dir/redis" --save '' --appendonly no \
    --dir "$dir" --daemonize no
wait_until 10 redis_answers || fatal "redis does not start"
put_keys "$old"
GLOBAL_OPTIONS='drain_timeout = 5;
    sessions = { redis = { address = "unix:redis"; key_file = "redis.keys"; timeout = 0.2; }; };'
SERVER_TLS_OPTIONS='min_version = "1.2"; max_version = "1.2"; resume_by = "ids";'
CLIENT_TLS_OPTIONS='min_version = "1.2"; max_version = "1.2";'
make_certificates
start_target
start_server
REMOTE=$SERVER
GLOBAL_OPTIONS='drain_timeout = 5;'
check "before the first reload there is nothing to tell" status_has server \
    '.reloads == {"configuration": null, "redis_keys": null} and .tunnels[0].reload == null'

# The new key comes first, the old one is still accepted: seen by the watch alone.
put_keys "$new" "$old"
check "a new key of Redis is noticed" \
    wait_until 10 store_keys '.done == 1 and .failed == 0 and .fine and .failure == ""'
check "when, is there" store_keys '.at | fromdateiso8601 | now - . < 60'
check "no tunnel's files were touched by it" status_is server '.tunnels[0].reload' null
start_client
check "a client, full" wait_until 20 is_resumed false
check "its session is stored" wait_until 5 status_has server '.sessions.redis.stored > 0'
stop server
put_keys "$new"
SERVER_LOCAL=$SERVER
GLOBAL_OPTIONS='drain_timeout = 5;
    sessions = { redis = { address = "unix:redis"; key_file = "redis.keys"; timeout = 0.2; }; };'
start_server
check "a server that has the new key alone resumes it: so it was stored with that" \
    wait_until 20 is_resumed true
check "from Redis" status_is server '.sessions.redis.hits' 1

echo rubbish >"$dir/redis.keys"
check "a file of rubbish is noticed" wait_until 10 store_keys '.failed == 1 and .fine == false'
check "with the reason, which names the file" store_keys '.failure | test("redis.keys")'
check "in the log, too" has_line server.err 'the Redis keys stay unchanged: .*redis.keys'
check "and in words" says '^Redis keys: 0 reloads, 1 failed; last .*Z: FAILED: .*redis.keys'
put_keys "$new"
send_signal server HUP
check "SIGHUP reads a mended one" wait_until 10 store_keys '.done >= 1 and .fine'
check "its reason stays to be seen" store_keys '.failed == 1 and .failure != ""'
check "the configuration was read" status_has server '.reloads.configuration | .done == 1 and .fine'
check "and the files of the tunnel" status_has server '.tunnels[0].reload | .done == 1 and .fine'
check "which are counted" status_has server \
    '.tunnels[0].counters | .reloads == 1 and .reloads_failed == 0'

cp "$dir/client.pem" "$dir/server.pem"
check "a certificate that does not fit its key" \
    wait_until 10 status_has server '.tunnels[0].reload | .failed == 1 and .done == 1 and .fine == false'
check "is counted" status_is server '.tunnels[0].counters.reloads_failed' 1
check "the reason is there" status_has server \
    '.tunnels[0].reload.failure | test("does not belong to the certificate")'
check "in words" says '^  files .*1 reload, 1 failed; last .*: FAILED: .*does not belong'
echo 'tunnels = 7' >>"$dir/server.cfg"
send_signal server HUP
check "a configuration file that is none" wait_until 10 status_has server \
    '.reloads.configuration | .done == 1 and .failed == 1 and (.failure | test("server.cfg"))'
check "nobody was hurt by all this" load rr --to "$TO" --connections 20
check "the association is the second one" status_is client '.tunnels[0].counters.associations_total' 2
finish
