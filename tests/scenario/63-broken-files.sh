#!/usr/bin/env bash
# Goal of this test: files that cannot be used, and configurations that need more than a reload,
# change nothing, and one line says what is wrong; what can be applied is.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

works() {
    load rr --to "$TO" --connections 20
}
refusals() {
    count_lines server.err 'the earlier files stay in use'
}
refused() { # TIMES
    [ "$(refusals)" -ge "$1" ]
}
reloads() {
    count_lines server.err 'reloaded certificates'
}
reloaded() { # TIMES
    [ "$(reloads)" -ge "$1" ]
}
start_pair
for file in ca.pem server.pem server.key; do
    before=$(refusals)
    cp -p "$dir/$file" "$dir/kept"
    echo 'this is no certificate' >"$dir/$file"
    check "a broken $file is refused" wait_until 15 refused $((before + 1))
    check "in a line that names it" has_line server.err "stay in use: .*$file"
    check "and nothing changes" works
    cp -p "$dir/kept" "$dir/$file"
    rm "$dir/kept"
    before=$(reloads)
    check "the good one is taken again" wait_until 15 reloaded $((before + 1))
done
before=$(refusals)
mv "$dir/server.pem" "$dir/away.pem"
check "so is one that is not there" wait_until 15 refused $((before + 1))
check "without harm" works
mv "$dir/away.pem" "$dir/server.pem"

cp "$dir/server.cfg" "$dir/good.cfg"
echo 'tunnels = 7' >"$dir/server.cfg"
send_signal server HUP
check "a configuration with a mistake is refused" \
    wait_until 10 has_line server.err 'server.cfg cannot be used; everything stays'
check "where the mistake is" has_line server.err 'reload: .*server.cfg:1'
check "it goes on" works

sed -e 's/threads = [0-9]*/threads = 7/' -e 's/level = "info"/level = "debug"/' \
    -e 's/name = "target"; connect = "[^"]*"/name = "target"; connect = "127.0.0.1:9"/' \
    "$dir/good.cfg" >"$dir/server.cfg"
send_signal server HUP
check "what needs a restart is named" \
    wait_until 10 has_line server.err 'reload: "threads" was changed; this needs a restart'
check "for a service, too" \
    has_line server.err 'tunnel "site", service "target": "connect" was changed; this needs a restart'
check "but not what is applied" test "$(count_lines server.err 'needs a restart')" = 2
check "and none of it has happened" works

sed -e 's/name = "target"; connect/name = "target"; allow = [ "nobody.example" ]; connect/' \
    -e 's/level = "info"/level = "warning"/' "$dir/good.cfg" >"$dir/server.cfg"
send_signal server HUP
denied() {
    load rr --to "$TO" --connections 1 >/dev/null 2>&1
    status_has server '.tunnels[0].counters.services_denied >= 1'
}
check "the allow list of a service is applied" wait_until 10 denied
lines=$(count_lines server.err ' info ')
check "and the log level" test "$lines" -gt 0
check "later connections" ends refused --to "$TO" --timeout 30
check "leave no line of a lower one" test "$(count_lines server.err ' info ')" = "$lines"
cp "$dir/good.cfg" "$dir/server.cfg"
send_signal server HUP
check "and all that can be taken back" wait_until 10 works
check "in one association" status_is client '.tunnels[0].counters.associations_total' 1
finish
