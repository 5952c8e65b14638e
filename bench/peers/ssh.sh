# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY and sets the rest
# OpenSSH: `ssh -N -L` to an sshd of our own, on loopback, with keys of its own.
#
# Its good settings: AES-128-GCM, no compression, and -N with RequestTTY=no so that the session
# counts as bulk and not as interactive (IPQoS says the same to the kernel; it also makes ssh set
# TCP_NODELAY, without which small messages wait for Nagle).

# Its work for every packet grows with the channels that are open: 4096 of them took 50 s to open, and a
# round trip beside them 70 ms. What more of them need is not worth the wait.
PEER_OPEN_MAX=1024

peer_missing() {
    command -v ssh >/dev/null || echo openssh-client
    [ -x /usr/sbin/sshd ] || echo openssh-server
}

peer_setup() {
    ssh-keygen -q -t ed25519 -N '' -f "$HOME_OF_PEER/host"
    ssh-keygen -q -t ed25519 -N '' -f "$HOME_OF_PEER/user"
    cp "$HOME_OF_PEER/user.pub" "$HOME_OF_PEER/authorized_keys"
}

ssh_write_config() {
    cat >"$WORK/sshd_config" <<END
ListenAddress $SERVER_HOST:$1
HostKey $HOME_OF_PEER/host
AuthorizedKeysFile $HOME_OF_PEER/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding local
MaxSessions 4096
Ciphers aes128-gcm@openssh.com
Compression no
LogLevel ERROR
END
    echo "[$SERVER_HOST]:$1 $(cat "$HOME_OF_PEER/host.pub")" >"$WORK/known_hosts"
}

peer_start() {
    local port entry
    port=$(bench_free_port)
    entry=$(bench_free_port)
    ssh_write_config "$port"
    "${AT_SERVER[@]}" /usr/sbin/sshd -D -e -f "$WORK/sshd_config" 2>"$WORK/sshd.log" &
    PIDS+=($!)
    bench_wait 5 bench_listens "$SERVER_HOST:$port" || bench_die "sshd: $(cat "$WORK/sshd.log")"
    "${AT_CLIENT[@]}" ssh -F none -N -T -c aes128-gcm@openssh.com -p "$port" -i "$HOME_OF_PEER/user" \
        -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o Compression=no \
        -o UserKnownHostsFile="$WORK/known_hosts" -o ExitOnForwardFailure=yes \
        -L "127.0.0.1:$entry:${TARGET%:*}:${TARGET##*:}" "$(id -un)@$SERVER_HOST" \
        </dev/null >"$WORK/ssh.log" 2>&1 &
    PIDS+=($!)
    ENTRY=127.0.0.1:$entry
    bench_wait 10 bench_listens "$ENTRY" || bench_die "ssh: $(cat "$WORK/ssh.log" "$WORK/sshd.log")"
}
