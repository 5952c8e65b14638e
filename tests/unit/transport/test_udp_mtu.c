/* The search for the largest datagram of a path, against paths that are simulated: each takes
 * packets up to a size, answers after a round trip and loses some. */
#include "transport/udp/mtu.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

#define MS       1000ull
#define ANSWER   (100 * MS)
#define OVERHEAD 28
#define IN_AIR   64
/* Longer than any search. */
#define SEARCH_MS (6 * ANSWER)

struct path {
    struct udp_mtu mtu;
    uint64_t now_us, rtt_us;
    uint32_t takes; /* payload; 0: nothing passes */
    unsigned loss;  /* percent */
    unsigned long random;
    unsigned sent, rounds;
    uint32_t largest_sent;
    struct {
        uint8_t nonce[PROBE_NONCE];
        uint64_t at_us;
    } air[IN_AIR];
    unsigned next_air;
    uint32_t number;
};

static void begin(struct path *path, uint32_t guess, uint32_t ceiling, uint32_t takes)
{
    *path = (struct path){.now_us = 1, .rtt_us = 20 * MS, .takes = takes, .random = 1};
    udp_mtu_init(&path->mtu,
                 &(struct udp_mtu_limits){
                     .overhead = OVERHEAD, .floor = 576, .guess = guess, .ceiling = ceiling});
}

static bool is_lost(struct path *path)
{
    path->random = path->random * 6364136223846793005ul + 1442695040888963407ul;
    return (path->random >> 33) % 100 < path->loss;
}

static void send_one(struct path *path, uint32_t size)
{
    uint8_t nonce[PROBE_NONCE] = {0};
    path->number++;
    memcpy(nonce, &path->number, sizeof path->number);
    udp_mtu_probed(&path->mtu, size, nonce);
    path->sent++;
    path->largest_sent = size > path->largest_sent ? size : path->largest_sent;
    if (size > path->takes || is_lost(path))
        return;
    unsigned slot = path->next_air++ % IN_AIR;
    memcpy(path->air[slot].nonce, nonce, sizeof nonce);
    path->air[slot].at_us = path->now_us + path->rtt_us;
}

static void step(struct path *path)
{
    uint32_t sizes[UDP_MTU_ROUND];
    for (unsigned i = 0; i < IN_AIR; i++)
        if (path->air[i].at_us && path->air[i].at_us <= path->now_us) {
            path->air[i].at_us = 0;
            udp_mtu_answered(&path->mtu, path->air[i].nonce, path->now_us);
        }
    unsigned count = udp_mtu_tick(&path->mtu, path->now_us, ANSWER, sizes);
    path->rounds += count > 0;
    for (unsigned i = 0; i < count; i++)
        send_one(path, sizes[i]);
}

static void run(struct path *path, uint64_t for_us, uint64_t step_us)
{
    uint64_t end = path->now_us + for_us;
    while (path->now_us < end) {
        path->now_us += step_us;
        step(path);
    }
}

static void finds(void)
{
    struct path path;
    begin(&path, 1452, 1472, 1472);
    ok(path.mtu.size == 1252 && udp_mtu_next(&path.mtu) == UINT64_MAX,
       "begins with 1280 bytes of IP, and silently");
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, 25 * MS, MS);
    ok(path.mtu.size == 1472 && path.sent == 2 && path.mtu.state == UDP_MTU_DONE,
       "what the device takes is known after one round trip and two probes");
    static const uint32_t paths[][2] = {{1464, 1464},      {1463, 1452},      {1452, 1452},
                                        {1420 - 28, 1392}, {1400 - 28, 1372}, {1300 - 28, 1252},
                                        {1252, 1252}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        begin(&path, 1452, 1472, paths[i][0]);
        udp_mtu_start(&path.mtu, path.now_us);
        run(&path, SEARCH_MS, MS);
        ok(path.mtu.size == paths[i][1] && !path.mtu.blackholes && path.mtu.state == UDP_MTU_DONE,
           "a path that takes %u: %u", paths[i][0], path.mtu.size);
    }
    begin(&path, 8952, 8972, 4000);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, SEARCH_MS, MS);
    ok(path.mtu.size == 1472, "a jumbo device before an ordinary path: 1472");
    begin(&path, 33600, 33600, 9000);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, ANSWER + 25 * MS, MS);
    ok(path.mtu.size == 8972, "a loopback device before a jumbo path: 8972 after one time-out");
}

static void small_paths(void)
{
    struct path path;
    begin(&path, 1452, 1472, 1000);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, SEARCH_MS, MS);
    ok(path.mtu.size == 576 && path.mtu.blackholes == 1, "not even 1280 pass: the smallest size");
    begin(&path, 576, 576, 576);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, SEARCH_MS, MS);
    ok(path.mtu.size == 576 && path.largest_sent == 576 && !path.mtu.blackholes,
       "nothing above the limit is sent");
    begin(&path, 1452, 1472, 0);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, SEARCH_MS, MS);
    ok(path.mtu.size == 1252 && !path.mtu.blackholes, "a dead path says nothing about sizes");
    path.takes = 1472;
    run(&path, 15000 * MS, 10 * MS);
    ok(path.mtu.size == 1472, "it is asked again when it may have come back");
}

static void shrinks_and_grows(void)
{
    struct path path;
    begin(&path, 1452, 1472, 1472);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, 50 * MS, MS);
    path.takes = 1400;
    udp_mtu_suspect(&path.mtu, path.now_us);
    uint64_t start = path.now_us;
    while (path.mtu.size == 1472 && path.now_us < start + 5000 * MS)
        run(&path, MS, MS);
    ok(path.mtu.size == 1252 && path.mtu.blackholes == 1 &&
           path.now_us - start <= 4 * ANSWER + 5 * MS,
       "a black hole after a loss: found within four waits");
    run(&path, 25 * MS, MS);
    ok(path.mtu.size == 1392, "and the best size one round trip later");
    run(&path, SEARCH_MS, MS);
    path.takes = 1472;
    unsigned sent = path.sent;
    run(&path, UDP_MTU_RAISE_US - 60000 * MS, 10 * MS);
    ok(path.mtu.size == 1392 && path.sent - sent < 25, "two probes a minute confirm it (%u)",
       path.sent - sent);
    run(&path, 180000 * MS, 10 * MS);
    ok(path.mtu.size == 1472, "after ten minutes it grows with the path");
    path.takes = 1300;
    run(&path, UDP_MTU_CONFIRM_US + 2000 * MS, MS);
    ok(path.mtu.size == 1252 && path.mtu.blackholes == 2, "found without any loss of data, too");
}

static void suspicion(void)
{
    struct path path;
    begin(&path, 1452, 1472, 1472);
    udp_mtu_start(&path.mtu, path.now_us);
    run(&path, 50 * MS, MS);
    unsigned sent = path.sent;
    for (int i = 0; i < 3000; i++) {
        udp_mtu_suspect(&path.mtu, path.now_us);
        run(&path, MS, MS);
    }
    ok(path.sent - sent <= 8 && path.mtu.size == 1472,
       "losses without end make two probes a second (%u in 3 s)", path.sent - sent);
    path.takes = 0;
    udp_mtu_suspect(&path.mtu, path.now_us);
    run(&path, 5000 * MS, MS);
    ok(path.mtu.size == 1472 && !path.mtu.blackholes, "an outage is no black hole");
    path.takes = 1472;
    path.loss = 40;
    for (int i = 0; i < 60000; i++) {
        udp_mtu_suspect(&path.mtu, path.now_us);
        run(&path, MS, MS);
    }
    path.loss = 0;
    run(&path, UDP_MTU_RAISE_US + UDP_MTU_CONFIRM_US, 10 * MS);
    ok(path.mtu.size == 1472 && path.mtu.blackholes,
       "40%% of loss for a minute: %u false alarms, none lasts", path.mtu.blackholes);
}

static void answers(void)
{
    struct path path;
    uint8_t nonce[PROBE_NONCE] = {9};
    begin(&path, 1452, 1472, 1472);
    ok(!udp_mtu_answered(&path.mtu, nonce, 1), "an answer to nothing is refused");
    udp_mtu_start(&path.mtu, 1);
    udp_mtu_probed(&path.mtu, 1472, nonce);
    ok(udp_mtu_answered(&path.mtu, nonce, 2) && !udp_mtu_answered(&path.mtu, nonce, 3),
       "each answer counts once");
    udp_mtu_stop(&path.mtu, 1452);
    ok(path.mtu.size == 1452 && udp_mtu_next(&path.mtu) == UINT64_MAX, "stopped at a size");
}

int main(void)
{
    finds();
    small_paths();
    shrinks_and_grows();
    suspicion();
    answers();
    return tap_done();
}
