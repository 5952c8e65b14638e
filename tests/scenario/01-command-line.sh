#!/usr/bin/env bash
# Goal of this test: every command answers, refuses what is wrong with exit code 2, and says what
# was meant.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

exits_with() { # CODE COMMAND...
    local code=$1
    shift
    "$@"
    [ $? -eq "$code" ]
}

says() { # PATTERN COMMAND...
    local pattern=$1
    shift
    "$@" 2>&1 | grep -E -- "$pattern"
}

check "--version" says '^hawser [0-9]+\.[0-9]+' "$HAWSER" --version
check "--help names the commands" says 'hawser (init|check|run|status)' "$HAWSER" --help
check "no command: exit code 2" exits_with 2 "$HAWSER"
check "an unknown command: exit code 2" exits_with 2 "$HAWSER" moor
check "an unknown option: exit code 2" exits_with 2 "$HAWSER" run --no-such-option
check "check of a missing file: exit code 2" exits_with 2 "$HAWSER" check "$dir/missing.cfg"
check "run of a missing file: exit code 2" exits_with 2 "$HAWSER" run "$dir/missing.cfg"
check "status where nobody listens: exit code 1" \
    exits_with 1 "$HAWSER" status -s "$dir/nobody.sock"

make_certificates
SERVER=127.0.0.1:9
write_config good "$(client_tunnel site "$CLIENT_SERVICES" "$SERVER")"
check "check of a good file: exit code 0" exits_with 0 "$HAWSER" check "$dir/good.cfg"

sed 's/transport/tranport/; s/"client.pem"/"missing.pem"/; s/127.0.0.1:9"/127.0.0.1:99999"/' \
    "$dir/good.cfg" >"$dir/bad.cfg"
check "check of a bad file: exit code 2" exits_with 2 "$HAWSER" check "$dir/bad.cfg"
check "an unknown key comes with file:line and the nearest one" \
    says 'bad.cfg:[0-9]+:.*tranport.*transport' "$HAWSER" check "$dir/bad.cfg"
check "and the missing certificate is named in the same run" \
    says 'bad.cfg:[0-9]+:.*missing.pem' "$HAWSER" check "$dir/bad.cfg"
check "and the port out of range as well" \
    says 'bad.cfg:[0-9]+:.*99999' "$HAWSER" check "$dir/bad.cfg"

cp "$dir/server.key" "$dir/other.key"
sed 's/"client.key"/"other.key"/' "$dir/good.cfg" >"$dir/pair.cfg"
check "a key that does not fit its certificate: exit code 2" \
    exits_with 2 "$HAWSER" check "$dir/pair.cfg"
check "and the line says so" says 'pair.cfg:[0-9]+:.*(key|certificate)' "$HAWSER" check "$dir/pair.cfg"

finish
