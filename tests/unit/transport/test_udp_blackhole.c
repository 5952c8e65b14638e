/* Paths that lose large packets without a word, at the real transport: at the start, while data
 * moves, one way or both, and when they recover. */
#include "transport/udp/udp.h"

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"

static void cut_above(struct bed *bed, size_t size)
{
    udp_cut_above(bed->client, 0, size);
    udp_cut_above(bed->server, 0, size);
}

static uint32_t mtu_of(struct bed_user *user)
{
    struct association_status status;
    association_status(user->association, &status);
    for (size_t i = 0; i < status.path_count; i++)
        if (status.paths[i].in_use)
            return status.paths[i].mtu;
    return 0;
}

static bool wait_mtu(struct bed_user *user, uint32_t mtu, uint64_t within_us)
{
    uint64_t end = loop_now(user->bed->loop) + within_us;
    while (mtu_of(user) != mtu && loop_now(user->bed->loop) < end)
        bed_run(user->bed, 5000);
    if (mtu_of(user) != mtu)
        printf("# MTU %u instead of %u\n", mtu_of(user), mtu);
    return mtu_of(user) == mtu;
}

static void open_bed(struct bed *bed, uint32_t mtu)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.mtu = mtu;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
}

static bool move(struct bed_user *from, struct bed_user *to, uint32_t first, uint32_t count)
{
    uint32_t before = to->messages;
    for (uint32_t i = 0; i < count; i++)
        bed_send(from, 1, first + i, 16000, 0);
    return bed_wait_messages(to, before + count, 5 * SECOND) && !to->disorders && !to->damaged;
}

static void at_the_start(uint32_t mtu, size_t takes, uint32_t expected)
{
    struct bed bed;
    open_bed(&bed, mtu);
    cut_above(&bed, takes);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    uint64_t start = loop_now(bed.loop);
    bool moved = move(user, peer, 0, 20) && move(peer, user, 0, 20);
    ok(moved, "mtu %u, packets above %zu are lost from the start: data moves both ways (%.2f s)",
       mtu, takes, (double)(loop_now(bed.loop) - start) / SECOND);
    ok(wait_mtu(user, expected, SECOND) && wait_mtu(peer, expected, SECOND),
       "and both ends find that %u bytes pass", expected);
    bed_close(&bed);
    free(user);
}

/* As of connections that send 32 KB each: two full records, and what had no room in them. */
static void between_short_ones(struct bed *bed, struct bed_user *from, struct bed_user *to,
                               uint32_t first)
{
    struct udp_counters before, after;
    udp_count(bed->client, &before);
    for (uint32_t i = 0; i < 180; i++)
        bed_send(from, 1, first + i, i % 3 == 2 ? 34 : 16406, 0);
    bool arrived = bed_wait_messages(to, first + 180, 5 * SECOND);
    udp_count(bed->client, &after);
    uint64_t packets = after.datagrams.packets_out - before.datagrams.packets_out;
    ok(arrived && packets < 60, "three full records and short ones share a packet (120 in %llu)",
       (unsigned long long)packets);
}

static void loopback(void)
{
    struct bed bed;
    open_bed(&bed, 0);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    ok(wait_mtu(user, 50328, SECOND) && wait_mtu(peer, 50328, SECOND),
       "the loopback device's large packets are used when they were answered");
    struct udp_counters before, after;
    udp_count(bed.client, &before);
    ok(move(user, peer, 0, 200), "3.2 MB move");
    udp_count(bed.client, &after);
    uint64_t packets = after.datagrams.packets_out - before.datagrams.packets_out;
    ok(packets < 200, "in packets of two messages (%llu)", (unsigned long long)packets);
    between_short_ones(&bed, user, peer, 200);
    bed_close(&bed);
    free(user);
}

/* Packets are in flight that were cut for the path as it was. */
static void while_data_moves(uint32_t mtu, size_t takes, uint32_t expected, bool back)
{
    struct bed bed;
    open_bed(&bed, mtu);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    struct bed_user *from = back ? peer : user, *to = back ? user : peer;
    ok(wait_mtu(from, mtu ? mtu : 50328, SECOND) && move(from, to, 0, 50), "mtu %u moves data",
       mtu);
    cut_above(&bed, takes);
    uint64_t start = loop_now(bed.loop);
    for (uint32_t i = 0; i < 100; i++)
        bed_send(from, 1, 50 + i, 16000, 0);
    bool arrived = bed_wait_messages(to, 150, 8 * SECOND);
    ok(arrived && !to->disorders && !to->damaged,
       "%s, packets above %zu are lost from now on: all arrives (%.2f s)",
       back ? "server to client" : "client to server", takes,
       (double)(loop_now(bed.loop) - start) / SECOND);
    ok(wait_mtu(from, expected, 3 * SECOND), "the sender has found %u", expected);
    ok(move(from, to, 150, 50) && user->up && peer->up, "and goes on");
    bed_close(&bed);
    free(user);
}

int main(void)
{
    at_the_start(1500, 1380, 1400);
    at_the_start(1500, 1300, 1280);
    at_the_start(1500, 900, 604);
    at_the_start(9000, 1480, 1500);
    at_the_start(0, 1472, 1500);
    loopback();
    while_data_moves(1500, 1400, 1420, false);
    while_data_moves(1500, 1400, 1420, true);
    while_data_moves(9000, 1472, 1500, false);
    while_data_moves(0, 1472, 1500, true);
    while_data_moves(1500, 700, 604, false);
    return tap_done();
}
