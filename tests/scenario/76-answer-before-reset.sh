#!/usr/bin/env bash
# Goal of this test: an answer that is followed by a reset arrives, each time, and the reset behind it: from
# Redis with too many clients, nginx with an upload that is too large, and targets and clients that reset
# at once, over TCP and UNIX sockets.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

TRIES=$(scaled 30)
if ! command -v redis-server >/dev/null || ! command -v nginx >/dev/null || ! command -v curl >/dev/null; then
    skip "answers of Redis and nginx" "redis-server, nginx and curl are needed"
    finish
fi

# Each connection to the first socket is answered and reset, when it has said LINE; the second one takes what
# clients send before they reset: how many bytes, and how it ended, is a line of output.
cat >"$dir/targets.py" <<'END'
import os, socket, struct, sys, threading
answer = b"x" * int(sys.argv[2]) + b"end\n"
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
def answers(s, is_unix):
    while is_unix and not s.recv(1):
        pass
    s.sendall(answer) # with the rest of the line unread
    reset(s)
def takes(s, is_unix):
    size = 0
    try:
        while data := s.recv(65536):
            size += len(data)
        how = "end"
    except ConnectionResetError:
        how = "reset"
    os.write(1, b"took %d %s\n" % (size, how.encode())) # in one piece: many threads do
def serve(listener, handle, is_unix):
    while True:
        s, _ = listener.accept()
        threading.Thread(target=handle, args=(s, is_unix), daemon=True).start()
for name, handle, is_unix in (("answers", answers, False), ("takes", takes, False), ("unix", answers, True)):
    if is_unix:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1] + "/answers.sock")
    else:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        print(name, "127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    listener.listen(100)
    threading.Thread(target=serve, args=(listener, handle, is_unix), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
END
# asks ADDRESS TRIES SIZE: how many get all of the answer and a reset (of a UNIX socket: an end) behind it.
cat >"$dir/asks.py" <<'END'
import socket, sys
whole = 0
for i in range(int(sys.argv[2])):
    if sys.argv[1].startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[1][5:])
    else:
        host, port = sys.argv[1].split(":")
        s = socket.create_connection((host, int(port)))
    s.settimeout(20)
    s.sendall(b"a line that is not read\n")
    got = b""
    try:
        while data := s.recv(65536):
            got += data
        how = "end"
    except ConnectionResetError:
        how = "reset"
    whole += len(got) == int(sys.argv[3]) + 4 and got.endswith(b"end\n") and how == sys.argv[4]
print(whole)
END
# tells ADDRESS TRIES SIZE: clients that send so much and reset.
cat >"$dir/tells.py" <<'END'
import socket, struct, sys
host, port = sys.argv[1].split(":")
for i in range(int(sys.argv[2])):
    s = socket.create_connection((host, int(port)))
    s.sendall(b"x" * int(sys.argv[3]))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
END

SIZE=30000
start targets python3 "$dir/targets.py" "$dir" "$SIZE"
wait_until 10 has_line targets.out '^ready' || fatal "the targets do not start"
address_of() {
    sed -n "s/^$1 //p" "$dir/targets.out" | head -n 1
}

start redis redis-server --port 0 --unixsocket "$dir/redis" --maxclients 1 --save '' --appendonly no \
    --dir "$dir" --daemonize no
redis_answers() {
    [ "$(redis-cli -s "$dir/redis" ping 2>/dev/null)" = PONG ]
}
wait_until 10 redis_answers || fatal "redis does not start"

mkdir "$dir/bodies"
chmod 777 "$dir" "$dir/bodies"
cat >"$dir/nginx.conf" <<END
pid $dir/nginx.pid; error_log $dir/nginx.log; daemon off;
events {}
http { access_log off; client_body_temp_path $dir/bodies; proxy_temp_path $dir/bodies;
  fastcgi_temp_path $dir/bodies; uwsgi_temp_path $dir/bodies; scgi_temp_path $dir/bodies;
  server { listen unix:$dir/nginx; client_max_body_size 1m; root $dir/bodies; } }
END
start nginx nginx -c "$dir/nginx.conf"
wait_until 10 test -S "$dir/nginx" || fatal "nginx does not start"
head -c 20000000 /dev/zero >"$dir/upload"

SERVER_SERVICES="{ name = \"redis\"; connect = \"unix:redis\"; }, { name = \"nginx\"; connect = \"unix:nginx\"; },
  { name = \"answers\"; connect = \"$(address_of answers)\"; }, { name = \"takes\"; connect = \"$(address_of takes)\"; },
  { name = \"unix\"; connect = \"unix:answers.sock\"; }"
CLIENT_SERVICES='{ name = "redis"; listen = "127.0.0.1:0"; }, { name = "nginx"; listen = "127.0.0.1:0"; },
  { name = "answers"; listen = "127.0.0.1:0"; }, { name = "takes"; listen = "127.0.0.1:0"; },
  { name = "unix"; listen = "unix:client.answers"; }'
start_pair
at() {
    tunnel client ".services[$1].listen"
}

# One connection is all that Redis takes.
start holder python3 -c '
import socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"PING\r\n"); s.recv(7)
print("holds", flush=True); threading.Event().wait()' "$dir/redis"
wait_until 10 has_line holder.out '^holds' || fatal "nobody holds the place in Redis"
redis_is_full() {
    local i told=0 port
    port=$(at 0)
    for ((i = 0; i < TRIES; i++)); do
        redis-cli -p "${port##*:}" set k v 2>&1 | grep -q 'max number of clients' && told=$((told + 1))
    done
    echo "told $told times of $TRIES"
    [ "$told" -eq "$TRIES" ]
}
check "Redis says each time that it has too many clients" redis_is_full
upload() { # HEADER
    local i told=0
    for ((i = 0; i < TRIES; i++)); do
        [ "$(curl -s -o "$dir/body" -m 20 -w '%{http_code}' -H "$1" -T "$dir/upload" "http://$(at 1)/x")" = 413 ] &&
            told=$((told + 1))
    done
    echo "413 came $told times of $TRIES"
    [ "$told" -eq "$TRIES" ]
}
check "nginx refuses an upload with 413 each time" upload 'Expect:'
check "and one that asks first" upload 'Expect: 100-continue'
all_of() { # ADDRESS HOW
    local whole
    whole=$(python3 "$dir/asks.py" "$1" "$TRIES" "$SIZE" "$2")
    echo "whole $whole times of $TRIES"
    [ "$whole" = "$TRIES" ]
}
check "an answer and RST: all of it, then RST" all_of "$(at 2)" reset
check "the same between UNIX sockets, which know no RST" all_of "unix:$dir/client.answers" end
took_all() {
    [ "$(count_lines targets.out "^took $SIZE reset")" -eq "$TRIES" ]
}
python3 "$dir/tells.py" "$(at 3)" "$TRIES" "$SIZE"
check "what a client sends before RST reaches the target, and so does RST" wait_until 10 took_all
check "nothing stays open at the client" wait_until 10 is_idle client
check "nor at the server" wait_until 10 is_idle server
finish
