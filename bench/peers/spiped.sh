# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# spiped: an encrypting and a decrypting process that share a key file; an encrypted connection for
# each TCP connection. It has no settings to choose: AES-256-CTR with HMAC-SHA256 and a Diffie-Hellman
# exchange for each connection, one thread. -n 0: as many connections as come.

PEER_DESCRIPTORS=2 # for each connection, in each process
# It polls all its descriptors for every packet: 4096 connections took 68 s to open, and a round trip
# beside them 38 ms.
PEER_OPEN_MAX=1024

peer_missing() {
    command -v spiped >/dev/null || echo spiped
}

peer_setup() {
    dd if=/dev/urandom of="$HOME_OF_PEER/key" bs=32 count=1 2>/dev/null
}

# spiped_run ROLE -e|-d SOURCE TARGET COMMAND...
spiped_run() {
    "${@:5}" spiped "$2" -s "[${3%:*}]:${3##*:}" -t "[${4%:*}]:${4##*:}" -k "$HOME_OF_PEER/key" \
        -F -n 0 >"$WORK/$1.log" 2>&1 &
    PIDS+=($!)
}

peer_start() {
    local middle
    middle=$SERVER_HOST:$(bench_free_port)
    ENTRY=127.0.0.1:$(bench_free_port)
    spiped_run server -d "$middle" "$TARGET" "${AT_SERVER[@]}"
    spiped_run client -e "$ENTRY" "$middle" "${AT_CLIENT[@]}"
    bench_wait 5 bench_listens "$middle" || bench_die "spiped: $(cat "$WORK/server.log")"
    bench_wait 5 bench_listens "$ENTRY" || bench_die "spiped: $(cat "$WORK/client.log")"
}
