# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# haproxy: a client and a server process in tcp mode, a TLS connection for each TCP connection.
#
# Its good settings: TLS 1.3 with AES-128-GCM, ECDSA P-256 certificates that both ends verify, session
# resumption as it comes (on, and used by all but the first connections), no log, and as many threads as
# Hawser has: one for each two cores, because both ends share them.

HAPROXY_THREADS=${HAPROXY_THREADS:-$((($(nproc) + 1) / 2))}
PEER_DESCRIPTORS=2 # for each connection, in each process

peer_threads() { # COUNT: for starts from now on
    HAPROXY_THREADS=$1
}

peer_missing() {
    command -v haproxy >/dev/null || echo haproxy
    command -v openssl >/dev/null || echo openssl
}

peer_setup() {
    bench_certificates "$HOME_OF_PEER"
    cat "$HOME_OF_PEER/server.key" >>"$HOME_OF_PEER/server.pem"
    cat "$HOME_OF_PEER/client.key" >>"$HOME_OF_PEER/client.pem"
}

# haproxy_write_config ROLE MAXCONN BIND SERVER
haproxy_write_config() {
    cat >"$WORK/$1.cfg" <<END
global
    nbthread $HAPROXY_THREADS
    maxconn $2
    stats socket $WORK/$1.sock
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    ssl-default-server-options ssl-min-ver TLSv1.3
    ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
    tune.ssl.cachesize 100000
defaults
    mode tcp
    timeout connect 60s
    timeout client 1h
    timeout server 1h
listen bench
    bind $3
    server next $4
END
}

haproxy_run() { # ROLE COMMAND...
    "${@:2}" haproxy -db -q -f "$WORK/$1.cfg" >"$WORK/$1.log" 2>&1 &
    PIDS+=($!)
}

peer_start() {
    local middle maxconn home=$HOME_OF_PEER
    # It refuses to start with more than its descriptors allow, and takes some for itself.
    maxconn=$((($(ulimit -n) - 128) / PEER_DESCRIPTORS))
    [ "$maxconn" -le 16384 ] || maxconn=16384
    middle=$SERVER_HOST:$(bench_free_port)
    ENTRY=127.0.0.1:$(bench_free_port)
    haproxy_write_config server "$maxconn" \
        "$middle ssl crt $home/server.pem ca-file $home/ca.pem verify required" "$TARGET"
    haproxy_write_config client "$maxconn" "$ENTRY" \
        "$middle ssl crt $home/client.pem ca-file $home/ca.pem verify required verifyhost server.example"
    haproxy_run server "${AT_SERVER[@]}"
    haproxy_run client "${AT_CLIENT[@]}"
    bench_wait 5 bench_listens "$middle" || bench_die "haproxy: $(cat "$WORK/server.log")"
    bench_wait 5 bench_listens "$ENTRY" || bench_die "haproxy: $(cat "$WORK/client.log")"
}
