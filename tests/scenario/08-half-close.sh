#!/usr/bin/env bash
# Goal of this test: FIN ends one direction only: the other goes on until its own.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/../lib/lib.sh"

start_pair
bytes=$(scaled 1000000)
check "FIN up: the answer still comes down" ends half-close-up --to "$TO" --bytes "$bytes"
check "FIN down: the rest still goes up" \
    ends half-close-down --to "$TO" --ask "$TARGET" --bytes "$bytes"
check "50 connections with FIN up" \
    ends half-close-up --to "$TO" --bytes "$(scaled 100000)" --connections 50
check "50 connections with FIN down" \
    ends half-close-down --to "$TO" --ask "$TARGET" --bytes "$(scaled 100000)" --connections 50
check "FIN without one byte before it" ends half-close-up --to "$TO" --bytes 0
check "nothing stays open at the client" wait_until 10 is_idle client
check "nor at the server" wait_until 10 is_idle server
finish
