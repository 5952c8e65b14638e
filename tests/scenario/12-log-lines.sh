#!/usr/bin/env bash
# Goal of this test: the end of each connection is one line with service, peer, duration, bytes
# and reason, as text and as JSON.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
check "a connection" load up --to "$TO" --bytes 5000
check "the client's line has the service, the peer and the bytes" \
    wait_until 5 has_line client.err 'target.*127\.0\.0\.1:[0-9]+.*50(32|00)'
check "and says why it ended" has_line client.err 'target.*both sides closed'
check "the server has its own line" wait_until 5 has_line server.err 'target.*both sides closed'
check "a reset connection" ends reset-by-target --to "$TO" --bytes 1000
check "says so at the client" wait_until 5 has_line client.err 'target.*reset by the far end'
check "and at the server" wait_until 5 has_line server.err 'target.*reset by the local end'
check "each connection has one line, not more" test "$(count_lines client.err 'both sides closed')" -eq 1
stop client
stop server

LOG_FORMAT=json
rm -f "$dir"/*.err
start_server
start_client
check "with JSON, the tunnel comes up" wait_until 20 is_up client
check "a connection" load up --to "$TO" --bytes 5000
every_line_is_json() {
    jq -es 'length > 0 and all(type == "object")' "$dir/client.err" &&
        jq -es 'length > 0 and all(type == "object")' "$dir/server.err"
}
ended_in_json() {
    jq -es 'map(select(.service == "target" and (.client | tostring | test("127.0.0.1"))
        and (tostring | test("both sides closed")))) | length == 1' "$dir/client.err"
}
check "the end of the connection is one object" wait_until 5 ended_in_json
check "every line is one JSON object" every_line_is_json
has_numbers() {
    jq -es 'map(select(.service == "target" and (tostring | test("both sides closed"))))[0]
        | [.[] | numbers] | any(. == 5032 or . == 5000)' "$dir/client.err"
}
check "with the bytes as numbers" has_numbers
finish
