#!/usr/bin/env bash
# Goal of this test: the lab does what its users rely on. Kernel SCTP works over loopback and every
# path; delays, losses, cuts and smaller MTUs happen where they were asked for, and only there.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab_up 3

head -c 400000 /dev/urandom >"$dir/sent"

# sctp_copy NAME SIDE ADDRESS PORT: the file goes from the client (or the server) to the server.
sctp_copy() {
    local family=ip4
    [[ $3 != *::* ]] || family=ip6
    start "$1" "${SERVER_SIDE[@]}" socat -u "SCTP-LISTEN:$4,bind=$3,pf=$family" "OPEN:$dir/$1.got,creat,trunc"
    "in_$2" timeout 60 socat -u "OPEN:$dir/sent" "SCTP-CONNECT:$3:$4,pf=$family,retry=100,interval=0.05" || return
    exit_code "$1" 30 && cmp "$dir/sent" "$dir/$1.got"
}

if has_sctp; then
    check "SCTP over loopback" sctp_copy loopback server 127.0.0.1 5000
    for path in 1 3; do
        check "SCTP over path $path, IPv4" sctp_copy "path$path" client "10.$path.0.2" 5000
        check "SCTP over path $path, IPv6" sctp_copy "six$path" client "[fd00:$path::2]" 5001
    done
else
    skip "SCTP" "this kernel has none"
fi

# pings PATH COUNT: sets ANSWERS and TIME, the median round trip in microseconds.
pings() {
    in_client ping -n -q -i 0.01 -W 1 -c "$2" "10.$1.0.2" >"$dir/ping.out"
    ANSWERS=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$dir/ping.out")
    in_client ping -n -i 0.01 -W 1 -c 9 "10.$1.0.2" >"$dir/ping.out"
    TIME=$(sed -n 's/.*time=\([0-9.]*\) ms/\1/p' "$dir/ping.out" | sort -n | awk '{ t[NR] = $1 } END { print int(t[int((NR + 1) / 2)] * 1000) }')
    note "path $1: $ANSWERS answers of $2, median $TIME us"
}

answers() { # PATH
    in_client ping -n -q -c 1 -W 1 "10.$1.0.2" && in_client ping -n -q -c 1 -W 1 "fd00:$1::2"
}

is_silent() { # PATH
    ! in_client ping -n -q -c 3 -i 0.1 -W 0.5 "10.$1.0.2" && ! in_client ping -n -q -c 1 -W 0.5 "fd00:$1::2"
}

within() { # VALUE LEAST MOST
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

pings 1 20
check "a path as it is loses nothing" test "$ANSWERS" -eq 20
check "and takes below 10 ms" within "$TIME" 1 10000
lab_delay 1 20
pings 1 20
check "20 ms each way make a round trip of 40 ms" within "$TIME" 40000 60000
lab_delay 1 50 up
pings 1 20
check "50 ms up and 20 ms down make 70 ms" within "$TIME" 70000 90000
pings 2 20
check "and the other path is as it was" within "$TIME" 1 10000
lab_delay 1 0

# With 20% lost each way 36% of the answers are missing: 64 of 100 stay, with a deviation of 4.8.
lab_loss 1 20
pings 1 100
check "20% of loss each way lose a third" within "$ANSWERS" 35 93
check "netem counts what it lost, up" test "$(lab_count 1 up drops)" -gt 0
check "and down" test "$(lab_count 1 down drops)" -gt 0
lab_loss 1 0
pings 1 50
check "no loss after it is taken away" test "$ANSWERS" -eq 50

lab_cut 1
check "a cut path is silent" is_silent 1
check "the other paths are not" answers 2
lab_restore 1
check "it is back when restored" answers 1
lab_cut 2 up
check "a path cut upwards is silent" is_silent 2
check "since packets vanish upwards" test "$(lab_count 2 up drops)" -ge 3
lab_restore 2
lab_cut 2 down
check "a path cut downwards is silent" is_silent 2
check "although packets arrive" test "$(lab_count 2 down drops)" -ge 3
lab_restore 2

large_ping() { # HEADERS ADDRESS
    in_client ping -n -q -M "do" -s $((1500 - $1)) -c 1 -W 1 "$2"
}
check "1500 bytes go through, IPv4" large_ping 28 10.1.0.2
check "1500 bytes go through, IPv6" large_ping 48 fd00:1::2
lab_mtu 1 1400

# The first is answered by ICMP; the next is not even sent.
is_told() { # HEADERS ADDRESS
    ! large_ping "$1" "$2" && in_client ip route get "$2" | grep -o 'mtu 1400'
}
check "a smaller MTU on the way is told, IPv4" is_told 28 10.1.0.2
check "a smaller MTU on the way is told, IPv6" is_told 48 fd00:1::2
check "small packets still pass" answers 1

if has_sctp; then
    in_client sysctl -qw net.sctp.rto_min=100 # of 1000 ms: a lost retransmission costs less of the test's time
    lab_delay 3 10
    # Of nearly 300 packets with data: that none is lost happens once in a million runs.
    lab_loss 3 5
    check "SCTP: every byte over 20 ms and 5% of loss" sctp_copy lossy client 10.3.0.2 5002
    check "packets were really lost" test "$(lab_count 3 up drops)" -gt 0
fi
finish
