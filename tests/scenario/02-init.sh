#!/usr/bin/env bash
# Goal of this test: what `hawser init` writes works as it is, and is never overwritten.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

init_tells() { # DIRECTORY [--host NAME]
    "$HAWSER" init "$@" >"$dir/init.out"
}
tells_nothing_here() {
    ! has_line init.out "hawser run $dir/there"
}
check "init without a host" init_tells "$dir/here"
check "tells how to try it here" has_line init.out "hawser run $dir/here/client.cfg"
check "and what two machines need" has_line init.out 'change remote.* 127.0.0.1'
check "init with a host" init_tells "$dir/there" --host server.example
check "does not: its client looks for another machine" tells_nothing_here
check "init writes into a new folder" "$HAWSER" init "$dir/site" --host 127.0.0.1
check "check accepts the server's configuration" "$HAWSER" check "$dir/site/server.cfg"
check "check accepts the client's configuration" "$HAWSER" check "$dir/site/client.cfg"
check "no file of it is a secret that others can read" \
    test -z "$(find "$dir/site" -name '*.key' -perm /077)"

sums() {
    (cd "$dir/site" && sha256sum -- *)
}
before=$(sums)
init_again() {
    ! "$HAWSER" init "$dir/site" --host 127.0.0.1
}
same_as_before() {
    [ "$before" = "$(sums)" ]
}
check "a second init into the same folder is refused" init_again
check "and has changed nothing" same_as_before

# The ports of a first configuration are fixed ones, which another program here may have: free
# ones instead, everything else as it was written.
start_target
free_ports() { # FILE SED-COMMAND...
    sed -i -E "${@:2}" -e 's|socket = "[^"]*"|socket = "'"$dir/$1"'.sock"|' "$dir/site/$1.cfg"
}
free_ports server -e 's/local = \[[^]]*\]/local = [ "127.0.0.1:0" ]/' \
    -e 's/connect = "[^"]*"/connect = "'"$TARGET"'"/'
start server "$HAWSER" run "$dir/site/server.cfg"
check "the server starts" wait_until 20 is_answering server
free_ports client -e 's/remote = \[[^]]*\]/remote = [ "'"$(tunnel server '.local[0]')"'" ]/' \
    -e 's/listen = "[^"]*"/listen = "127.0.0.1:0"/'
start client "$HAWSER" run "$dir/site/client.cfg"
check "the client comes up" wait_until 20 is_up client
check "and carries connections" load rr --to "$(tunnel client '.services[0].listen')" --connections 10
check "status prints something for people" "$HAWSER" status -s "$dir/client.sock"

finish
