# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# stunnel: a client and a server process, a TLS connection for each TCP connection.
#
# Its good settings: threads (Debian's build), TLS 1.3 with AES-128-GCM, ECDSA P-256 certificates
# (an RSA key would make each full handshake several times dearer), session resumption as it comes
# (on), TCP_NODELAY both ways, no log. Both ends check the other's certificate, as Hawser and ssh do;
# STUNNEL_MUTUAL=no leaves that to the client alone: about 1.4 times the new connections.

STUNNEL_MUTUAL=${STUNNEL_MUTUAL:-yes}
PEER_DESCRIPTORS=2 # for each connection, in each process

peer_missing() {
    command -v stunnel4 >/dev/null || echo stunnel4
    command -v openssl >/dev/null || echo openssl
}

peer_setup() {
    bench_certificates "$HOME_OF_PEER"
}

# stunnel_write_config ROLE ACCEPT CONNECT
stunnel_write_config() {
    cat >"$WORK/$1.conf" <<END
foreground = yes
pid =
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[bench]
client = $([ "$1" = client ] && echo yes || echo no)
accept = $2
connect = $3
cert = $HOME_OF_PEER/$1.pem
key = $HOME_OF_PEER/$1.key
CAfile = $HOME_OF_PEER/ca.pem
verifyChain = $([ "$1" = server ] && echo "$STUNNEL_MUTUAL" || echo yes)
sslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
END
}

peer_start() {
    local middle
    middle=$SERVER_HOST:$(bench_free_port)
    ENTRY=127.0.0.1:$(bench_free_port)
    stunnel_write_config server "$middle" "$TARGET"
    stunnel_write_config client "$ENTRY" "$middle"
    "${AT_SERVER[@]}" stunnel4 "$WORK/server.conf" >"$WORK/server.log" 2>&1 &
    PIDS+=($!)
    "${AT_CLIENT[@]}" stunnel4 "$WORK/client.conf" >"$WORK/client.log" 2>&1 &
    PIDS+=($!)
    bench_wait 5 bench_listens "$middle" || bench_die "stunnel: $(cat "$WORK/server.log")"
    bench_wait 5 bench_listens "$ENTRY" || bench_die "stunnel: $(cat "$WORK/client.log")"
}
