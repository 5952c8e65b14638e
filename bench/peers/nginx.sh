# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# nginx: a client and a server process with the stream module, a TLS connection for each TCP connection.
#
# Its good settings: TLS 1.3 with AES-128-GCM, ECDSA P-256 certificates that both ends verify, sessions
# reused (all but the first connections), a worker for each core with a listening socket of its own, no log.

NGINX_THREADS=${NGINX_THREADS:-$(nproc)}
PEER_DESCRIPTORS=2 # for each connection, in each process
NGINX_STREAM=/usr/lib/nginx/modules/ngx_stream_module.so

peer_threads() { # COUNT: for starts from now on
    NGINX_THREADS=$1
}

peer_missing() {
    [ -x /usr/sbin/nginx ] || echo nginx-light
    [ -f "$NGINX_STREAM" ] || echo libnginx-mod-stream
    command -v openssl >/dev/null || echo openssl
}

peer_setup() {
    bench_certificates "$HOME_OF_PEER"
}

# nginx_write_config ROLE LISTEN NEXT TLS-SETTING...
nginx_write_config() {
    cat >"$WORK/$1.conf" <<END
load_module $NGINX_STREAM;
$([ "$(id -u)" != 0 ] || echo "user root;")
daemon off;
pid $WORK/$1.pid;
error_log stderr error;
worker_processes $NGINX_THREADS;
events { worker_connections $(($(ulimit -n) - 64)); }
stream {
    server {
        listen $2 reuseport backlog=4096;
        proxy_pass $3;
        proxy_connect_timeout 60s;
        proxy_timeout 1h;
$(printf '        %s;\n' "${@:4}")
    }
}
END
}

nginx_run() { # ROLE COMMAND...
    "${@:2}" /usr/sbin/nginx -e stderr -c "$WORK/$1.conf" >"$WORK/$1.log" 2>&1 &
    PIDS+=($!)
}

peer_start() {
    local middle home=$HOME_OF_PEER
    middle=$SERVER_HOST:$(bench_free_port)
    ENTRY=127.0.0.1:$(bench_free_port)
    nginx_write_config server "$middle ssl" "$TARGET" "ssl_certificate $home/server.pem" \
        "ssl_certificate_key $home/server.key" "ssl_client_certificate $home/ca.pem" 'ssl_verify_client on' \
        'ssl_protocols TLSv1.3' 'ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256' \
        'ssl_session_cache shared:bench:20m'
    nginx_write_config client "$ENTRY" "$middle" 'proxy_ssl on' "proxy_ssl_certificate $home/client.pem" \
        "proxy_ssl_certificate_key $home/client.key" "proxy_ssl_trusted_certificate $home/ca.pem" \
        'proxy_ssl_verify on' 'proxy_ssl_name server.example' 'proxy_ssl_protocols TLSv1.3' \
        'proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256' 'proxy_ssl_session_reuse on'
    nginx_run server "${AT_SERVER[@]}"
    nginx_run client "${AT_CLIENT[@]}"
    bench_wait 5 bench_listens "$middle" || bench_die "nginx: $(cat "$WORK/server.log")"
    bench_wait 5 bench_listens "$ENTRY" || bench_die "nginx: $(cat "$WORK/client.log")"
}
