#!/usr/bin/env bash
# Goal of this test: what is not there yet when the process begins is waited for, one line and the
# status say what it is, it costs other tunnels nothing, and the tunnel begins when it comes: files
# that are missing, empty, half written, without permission, of a time that has not come; addresses
# that somebody else has; the folder of the admin socket. Only what an editor must mend is exit code 2.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
BEFORE=() OTHER=up
NEW='{ name = "target"; listen = "127.0.0.1:0"; }'

# waits_for TEXT: the tunnel "late" of the client does, in the status and in one line of its log.
waits_for() {
    status_has client2 ".tunnels[0].state == \"waiting\" and (.tunnels[0].waits_for | test(\"$1\"))"
}

is_late_up() {
    status_is client2 .tunnels[0].state up
}

# late WHAT PATTERN TLS CURE...: a process with two tunnels, one of which waits until the cure.
late() {
    local what=$1 pattern=$2 tls=$3
    shift 3
    rm -f "$dir/client2.err"
    CLIENT_TLS="$tls peer = \"server.example\";"
    write_config client2 "$(client_tunnel late "$NEW" "$SERVER"),$(CLIENT_TLS='' client_tunnel other "${NEW/target/target}" "$SERVER")"
    CLIENT_TLS=
    start client2 "${BEFORE[@]}" "$HAWSER" run "$dir/client2.cfg"
    check "$what: waits" wait_until 20 waits_for "$pattern"
    check "$what: the other tunnel is $OTHER" wait_until 20 status_is client2 .tunnels[1].state "$OTHER"
    check "$what: the text of the status says so" grep -Eq "waits  .*($pattern)" <("$HAWSER" status -s "$dir/client2.sock")
    if [ -n "${HANGUP:-}" ]; then
        send_signal client2 HUP
        check "$what: SIGHUP looks at once, and it goes on waiting" wait_until 10 waits_for "$pattern"
    fi
    "$@"
    check "$what: begins" wait_until 20 is_late_up
    check "$what: one line says why" test "$(count_lines client2.err 'tunnel=late: waits')" -le "${LINES_MOST:-1}"
    check "$what: ends with 0" stop client2
}

mine='ca = "ca.pem"; cert = "mine.pem"; key = "mine.key";'
mine() { # what is there of it
    rm -f "$dir"/mine.*
    local name
    for name; do cp -p "$dir/client.$name" "$dir/mine.$name"; done
}
come() { # whole files appear
    local name
    for name; do
        cp -p "$dir/client.$name" "$dir/coming"
        mv "$dir/coming" "$dir/mine.$name"
    done
}
fill() { # a file that is there is written to
    cat "$dir/client.$1" >"$dir/mine.$1"
}

mine key
HANGUP=1 late "certificate missing" "mine.pem.*No such file" "$mine" come pem
mine pem
late "key missing" "mine.key.*No such file" "$mine" come key
mine key && : >"$dir/mine.pem"
late "certificate empty" "mine.pem" "$mine" fill pem
mine pem && head -c 60 "$dir/client.key" >"$dir/mine.key" && chmod 600 "$dir/mine.key"
late "key half written" "mine.key" "$mine" fill key
mine key && cp "$dir/server.pem" "$dir/mine.pem"
late "certificate of another key" "does not belong" "$mine" come pem
rm -rf "$dir/later"
mount_later() {
    mkdir "$dir/incoming" && cp -p "$dir/client.pem" "$dir/client.key" "$dir/ca.pem" "$dir/incoming" &&
        mv "$dir/incoming" "$dir/later"
}
late "a whole folder missing" "later/.*No such file" \
    'ca = "later/ca.pem"; cert = "later/client.pem"; key = "later/client.key";' mount_later
# A clock that is two days behind, until it is set: our certificate, and a revocation list.
{
    { cat "$dir/ca.template" && echo crl_signing_key; } >"$dir/signs.template"
    certtool --generate-self-signed --load-privkey "$dir/ca.key" --template "$dir/signs.template" \
        --outfile "$dir/signs.pem"
    printf 'crl_next_update = 30\ncrl_number = 1\n' >"$dir/list.template"
    certtool --generate-crl --load-ca-certificate "$dir/signs.pem" --load-ca-privkey "$dir/ca.key" \
        --template "$dir/list.template" --outfile "$dir/list.pem"
} >/dev/null 2>&1
set_clock() {
    touch "$dir/clock-is-set"
}
behind() { # WHAT PATTERN TLS
    rm -f "$dir/clock-is-set"
    BEFORE=(env "LD_PRELOAD=$TOOLS/slow_clock.so" CLOCK_BEHIND=172800 "CLOCK_SET=$dir/clock-is-set")
    OTHER=waiting # it has a certificate of today as well
    late "$1" "$2" "$3" set_clock
    BEFORE=() OTHER=up
}
if grep -q __asan_init "$HAWSER" || grep -q __tsan_init "$HAWSER"; then
    skip "a clock that is behind" "a sanitizer's library must come first"
else
    behind "certificate not valid yet" "not valid before" "$(certificates ca client)"
    make_certificate early ca client.example 'activation_date = "2020-01-01 00:00:00"' 'expiration_days = 9999'
    behind "revocation list not valid yet" "list .*not valid before" "$(certificates signs early) crl = \"list.pem\";"
fi
expired() {
    cp -p "$dir/client.pem" "$dir/coming" && mv "$dir/coming" "$dir/old.pem"
}
make_certificate old ca client.example 'activation_date = "2020-01-01 00:00:00"' 'expiration_date = "2020-02-01 00:00:00"'
cp -p "$dir/client.key" "$dir/renewed.key"
late "certificate expired, until it is renewed" "expired" \
    'ca = "ca.pem"; cert = "old.pem"; key = "renewed.key";' expired
echo "not a list" >"$dir/crl.pem"
late "revocation list half written" "crl.pem" \
    "$(certificates signs client) crl = \"crl.pem\";" cp "$dir/list.pem" "$dir/crl.pem"

# An address that somebody else has: the last process is still leaving.
busy=127.0.0.1:$(tunnel client '.services[0].listen' | sed 's/.*://')
write_config client3 "$(client_tunnel late "{ name = \"target\"; listen = \"$busy\"; }" "$SERVER")"
start client3 "$HAWSER" run "$dir/client3.cfg"
check "an address in use: waits" wait_until 20 status_has client3 '.tunnels[0].waits_for | test("in use")'
stop client
check "an address in use: begins when it is free" wait_until 20 status_is client3 .tunnels[0].state up
check "and ends with 0" stop client3

# The admin socket's folder.
sed "s/client3.sock/run\\/client3.sock/" "$dir/client3.cfg" >"$dir/client4.cfg"
start client4 "$HAWSER" run "$dir/client4.cfg"
check "no folder for the admin socket: one line" wait_until 20 has_line client4.err 'no admin socket yet'
check "and the tunnel is up" wait_until 20 has_line client4.err 'association up'
mkdir "$dir/run"
check "the socket comes with its folder" wait_until 20 test -S "$dir/run/client3.sock"

# SIGTERM while everything waits: at once, with 0.
mine key
CLIENT_TLS="$mine peer = \"server.example\";" write_config client5 \
    "$(CLIENT_TLS="$mine peer = \"server.example\";" client_tunnel late "$NEW" "$SERVER")"
start client5 "$HAWSER" run "$dir/client5.cfg"
check "it waits" wait_until 20 has_line client5.err 'tunnel=late: waits'
check "and ends at once with 0" stop client5

# check still says it, and what an editor must mend is still code 2.
"$HAWSER" check "$dir/client5.cfg" >"$dir/told" 2>&1
check "check: code 2" test $? -eq 2
check "check: says what is missing" grep -q 'mine.pem: No such file' "$dir/told"
write_config wrong "$(CLIENT_TLS_OPTIONS='priority = "NOTHING";' client_tunnel late "$NEW" "$SERVER")"
"$HAWSER" run "$dir/wrong.cfg" >"$dir/told" 2>&1
check "run: a priority string that is none is code 2" test $? -eq 2
finish
