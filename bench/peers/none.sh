# shellcheck shell=bash disable=SC2034 # sourced by bench/cell, which reads ENTRY
# No tunnel: the load goes straight to the target. What the machine and the load tool can do.

peer_missing() {
    :
}

peer_setup() {
    :
}

peer_start() {
    ENTRY=$TARGET
}
