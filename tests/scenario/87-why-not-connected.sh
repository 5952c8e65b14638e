#!/usr/bin/env bash
# Goal of this test: why a target cannot be connected is in the log of the end that tried, in the words of the
# system; the peer learns the class of it, and no address, name or path.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

need_troubles
name unknown.test error -2
name temporary.test error -3
: >"$dir/file"
declare -A WANTED=()
LISTEN=()
SERVER_SERVICES=
CLIENT_SERVICES=
target() { # NAME ADDRESS WHAT THE SERVER'S LOG SAYS
    SERVER_SERVICES+="${SERVER_SERVICES:+, }{ name = \"$1\"; connect = \"$2\"; }"
    CLIENT_SERVICES+="${CLIENT_SERVICES:+, }{ name = \"$1\"; listen = \"127.0.0.1:0\"; }"
    WANTED[$1]=$3
    LISTEN+=("$1")
}
target no-port 192.0.2.99:80 'no free local port or address for the target: 192\.0\.2\.99:80: Cannot assign requested address'
target network 192.0.2.101:80 'cannot be reached: 192\.0\.2\.101:80: Network is unreachable'
target host 192.0.2.113:80 'cannot be reached: .*: No route to host'
target denied 192.0.2.13:80 'no permission to open the target: .*: Permission denied'
target filtered 192.0.2.1:80 'no permission to open the target: .*: Operation not permitted'
target refused 192.0.2.111:80 'refused the connection: .*: Connection refused'
target timeout 192.0.2.110:80 'did not answer in time: .*: no answer'
target files 192.0.2.24:80 'out of file descriptors: .*: Too many open files'
target no-file unix:nothing 'refused the connection: unix:(.*/)?nothing: No such file or directory'
target no-socket unix:file 'refused the connection: unix:(.*/)?file: Connection refused \(it is no socket\)'
target no-name unknown.test:80 'name cannot be resolved: unknown\.test:80: the name does not exist: Name or service not known'
target no-answer temporary.test:80 'no name server answers for the target.s name: temporary\.test:80: .*Temporary failure'
start_pair
for i in "${!LISTEN[@]}"; do
    ends refused --to "$(tunnel client ".services[$i].listen")" --connections 1 >/dev/null
    check "${LISTEN[i]}" wait_until 5 has_line server.err \
        "service=${LISTEN[i]} .*connection ended: .*${WANTED[${LISTEN[i]}]}"
done
all_told() {
    [ "$(count_lines client.err 'connection ended: refused by the far end: ')" = ${#LISTEN[@]} ]
}
check "the client's log has each, as the far end's" wait_until 5 all_told
check "by its class" has_line client.err 'service=no-port .*refused by the far end: no free local port or address for the target'
check "and no address, name or path of the far end" has_not client.err 'connection ended.*(192\.0\.2|\.test|unix:|nothing)'
finish
