#!/usr/bin/env bash
# Goal of this test: certificates, keys and CAs are replaced while connections come and go, in all
# the ways in which people replace files: nothing is lost, and nobody waits.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

# The layout of certbot: links, which are replaced, to files that are only ever added.
link_to() { # NAME VERSION
    ln -sfn "archive/$1.$2" "$dir/$1.next" && mv -T "$dir/$1.next" "$dir/$1"
}
archive() { # NAME VERSION: a new certificate with its key
    make_certificate new ca "$1.example"
    mv "$dir/new.pem" "$dir/archive/$1.pem.$2"
    mv "$dir/new.key" "$dir/archive/$1.key.$2"
    link_to "$1.key" "$2"
    link_to "$1.pem" "$2"
}
loaded() { # NAME TIMES: without a failure
    [ "$(count_lines "$1.err" 'reloaded certificates')" -ge "$2" ] &&
        ! has_line "$1.err" 'stay in use'
}
make_ca ca
mkdir "$dir/archive"
archive server 1
archive client 1
CLIENT_OPTIONS='streams = { initial = 32; };'
start_pair
start held "$TOOLS/load" hold --to "$TO" --connections 20 --timeout 100
check "20 connections are open" wait_until 20 has_line held.out '^ready'
start traffic "$TOOLS/load" rr --to "$TO" --seconds 15 --parallel 8 --timeout 100

archive server 2
check "the server notices that its links lead elsewhere" wait_until 10 loaded server 1
archive client 2
check "so does the client" wait_until 10 loaded client 1
check "which renews its master at once" \
    wait_until 10 status_has client '.tunnels[0].counters.masters_renewed >= 1'

make_certificate new ca client.example
cat "$dir/new.key" >"$dir/archive/client.key.2"
cat "$dir/new.pem" >"$dir/archive/client.pem.2"
check "files that are written in place" wait_until 10 loaded client 2

make_certificate new ca server.example
mkdir "$dir/archive.new"
cp -p "$dir"/archive/* "$dir/archive.new"
mv "$dir/new.pem" "$dir/archive.new/server.pem.2"
mv "$dir/new.key" "$dir/archive.new/server.key.2"
mv "$dir/archive" "$dir/archive.old"
mv "$dir/archive.new" "$dir/archive"
check "a whole folder that takes the place of another" wait_until 10 loaded server 2

make_ca other
cat "$dir/other.pem" >>"$dir/ca.pem"
check "one CA more, at both ends" wait_until 10 loaded server 3
check "at both" wait_until 10 loaded client 3
before=$(count_lines server.err 'reloaded certificates')
send_signal server HUP
check "SIGHUP, although nothing has changed" wait_until 10 loaded server $((before + 1))

check "connections the whole time: each was right" exit_code traffic 60
note "the longest of $(jq -s '.[-1].connections' "$dir/traffic.out") connections took $(longest traffic) ms"
check "and none took more than half a second" test "$(longest traffic)" -le $((500 * SCALE))
check "the held ones" send_signal held USR1
check "still answer" exit_code held
check "the association is the first one" status_is client '.tunnels[0].counters.associations_total' 1
check "no child failed" status_is client '.tunnels[0].children | .full + .failed' 0
new_children() {
    "$TOOLS/load" hold --to "$TO" --connections "$(scaled 200)" --parallel 50 --no-wait
}
check "children from the newest master" new_children
check "are resumed" status_is client '.tunnels[0].children | .full + .failed' 0
check "a second process of the client" stop client
run_hawser client
check "comes up with the new files" wait_until 20 is_up client
finish
