/* Lessons of decisions 010, 014, 015, 016 and 018 about lines, paths and bulk, as rows of two
 * engines under a virtual clock: each has a figure and a limit. Figures are printed. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tests/lib/tap.h"
#include "tests/sim/end.h"

#define MBIT 125000ull
#define TSNS 65536

/* The filter of a row: its view and its effect. */
struct row {
    unsigned swallow[2]; /* so many packets with DATA of that side, from now on */
    unsigned sack_every; /* of the SACKs that go alone, each so-many-th is swallowed; 0: none */
    unsigned sacks, swallowed;
    unsigned data[2], full[2]; /* packets with DATA; those within 4 bytes of the net's size */
    uint64_t data_bytes[2];
    unsigned by_line[SIM_LINES];
    uint8_t times[2][TSNS]; /* each TSN modulo TSNS: sent so often */
    uint8_t most_times;
    size_t largest; /* packet with DATA */
    uint64_t first_data_us[2];
    uint64_t first_gap_us, last_gap_us; /* SACKs of side 1 with gap blocks */
};

static bool watch(struct sim_world *world, struct sim_end *from, unsigned line, uint8_t *packet,
                  size_t length)
{
    struct row *row = world->options.context;
    unsigned side = from->index % 2;
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    struct sctp_data data;
    bool has_data = false, has_other = false;
    while (sctp_wire_next_chunk(&chunks, &chunk)) {
        struct sctp_sack sack;
        if (side && chunk.type == SCTP_CHUNK_SACK && sctp_wire_read_sack(&chunk, &sack) &&
            sack.gap_count) {
            row->last_gap_us = world->now_us;
            if (!row->first_gap_us)
                row->first_gap_us = world->now_us;
        }
        has_other |= chunk.type != SCTP_CHUNK_SACK && chunk.type != SCTP_CHUNK_DATA;
        if (chunk.type != SCTP_CHUNK_DATA || !sctp_wire_read_data(&chunk, &data))
            continue;
        has_data = true;
        uint8_t *times = &row->times[side][data.tsn % TSNS];
        *times += *times < 255;
        if (*times > row->most_times)
            row->most_times = *times;
    }
    if (has_data) {
        if (!row->data[side]++)
            row->first_data_us[side] = world->now_us;
        row->data_bytes[side] += length;
        row->full[side] += length + 4 > from->mtu[line];
        row->by_line[line]++;
        if (length > row->largest)
            row->largest = length;
        if (row->swallow[side]) {
            row->swallow[side]--;
            row->swallowed++;
            return false;
        }
    } else if (!has_other && row->sack_every && ++row->sacks % row->sack_every == 0) {
        row->swallowed++;
        return false;
    }
    return true;
}

static struct row row;

static struct sim_options *begin(uint64_t seed, uint64_t rate, uint64_t round_us)
{
    static struct sim_options options;
    memset(&row, 0, sizeof row);
    sim_defaults(&options, seed);
    options.lines = 2;
    for (unsigned line = 0; line < 2; line++)
        for (unsigned way = 0; way < 2; way++)
            options.line[line][way] = (struct sim_line){
                .rate = rate, .delay_us = round_us / 2, .queue_us = 200000, .overhead = 48};
    options.filter = watch;
    options.context = &row;
    options.patience = 3;
    options.near_wrap = true;
    return &options;
}

static struct sim_work bulk(uint64_t messages)
{
    return (struct sim_work){.kind = SIM_BULK,
                             .streams = 16,
                             .least = MESSAGE_MAX,
                             .most = MESSAGE_MAX,
                             .messages = messages};
}

static struct sctp_status status_of(const struct sim_end *end)
{
    struct sctp_status status = {0};
    if (end->association)
        sctp_association_status(end->association, &status);
    return status;
}

static void act_swallow(struct sim_world *world, uint64_t side, uint64_t packets)
{
    (void)world;
    row.swallow[side] = (unsigned)packets;
    memset(row.times, 0, sizeof row.times);
    row.most_times = 0;
    row.first_gap_us = row.last_gap_us = 0;
}

static void act_sacks(struct sim_world *world, uint64_t every, uint64_t unused)
{
    (void)world;
    (void)unused;
    row.sack_every = (unsigned)every;
}

static bool fine(struct sim_world *world, bool finished)
{
    if (!finished)
        sim_world_fail(world, "not all has arrived");
    if (world->wrong[0])
        tap_note("%s", world->wrong);
    return !world->wrong[0];
}

/* ---- 018: what was swallowed is sent once, and soon ---- */

static void test_swallowed(unsigned packets, uint64_t round_us,
                           const struct sctp_congestion_ops *cc)
{
    struct sim_options *o = begin(packets, 400 * MBIT, round_us);
    o->work[0][0] = bulk(3000);
    o->sctp[0].congestion = o->sctp[1].congestion = cc;
    struct sim_world *world = sim_world_new(o);
    sim_world_at(world, world->now_us + 600 * SIM_MS, act_swallow, 0, packets);
    sim_world_run(world, world->now_us + 600 * SIM_MS - 1);
    struct sctp_net_status net = {0};
    uint64_t before = status_of(&world->ends[0]).retransmitted;
    if (world->ends[0].association)
        sctp_association_net_status(world->ends[0].association, 0, &net);
    bool done = fine(world, sim_world_finish(world, world->now_us + 60 * SIM_SEC));
    struct sctp_status status = status_of(&world->ends[0]);
    uint64_t again = status.retransmitted - before, chunks = 2 * packets;
    ok(done && row.swallowed == packets && again >= packets && again <= chunks &&
           row.most_times <= 2 && !status.timeouts,
       "%s: %u packets swallowed at %llu ms: %llu chunks are sent again, each once", cc->name,
       packets, (unsigned long long)round_us / 1000, (unsigned long long)again);
    double repaired = (double)(row.last_gap_us - row.first_gap_us) / 1000;
    double limit = 2.5 * net.srtt_us / 1000 + packets / 10.0; /* in a queue, too */
    ok(repaired <= limit, "and are repaired after %.0f ms (at most %.0f)", repaired, limit);
    sim_world_free(world);
}

/* ---- 018: no time-out, nothing sent twice, where nothing is lost ---- */

static void test_nothing_lost(uint64_t round_us, const struct sctp_congestion_ops *cc,
                              unsigned sack_every)
{
    struct sim_options *o = begin(round_us, 200 * MBIT, round_us);
    o->work[0][0] = bulk(3000);
    o->work[1][0] = bulk(300);
    o->sctp[0].congestion = o->sctp[1].congestion = cc;
    o->line[0][0].queue_us = o->line[0][1].queue_us = 1000000;
    struct sim_world *world = sim_world_new(o);
    sim_world_at(world, world->now_us + 5 * round_us, act_sacks, sack_every, 0);
    bool done = fine(world, sim_world_finish(world, world->now_us + 120 * SIM_SEC));
    struct sctp_status status = status_of(&world->ends[0]);
    ok(done && !status.retransmitted && !status.timeouts && !status.lost &&
           (!sack_every || row.swallowed),
       "%s at %llu ms, %u SACKs lost: %llu chunks sent again, %llu time-outs, %llu probes",
       cc->name, (unsigned long long)round_us / 1000, row.swallowed,
       (unsigned long long)status.retransmitted, (unsigned long long)status.timeouts,
       (unsigned long long)status.probes);
    sim_world_free(world);
}

/* ---- 018: one lost packet of 8600 in flight costs one packet; the cost of a SACK ---- */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double long_fat(unsigned packets, struct sctp_status *status, uint64_t *in_flight,
                       bool *done, bool stranger)
{
    struct sim_options *o = begin(7, 1000 * MBIT, 100 * SIM_MS);
    o->work[0][0] = bulk(0);
    o->is_light = true;
    o->sctp[1].hawser = !stranger;
    struct sim_world *world = sim_world_new(o);
    sim_world_run(world, world->now_us + 4 * SIM_SEC);
    for (unsigned i = 0; packets && i < 10; i++) /* each a gap of its own: SACKs with many */
        sim_world_at(world, world->now_us + i * 2000, act_swallow, 0, packets);
    double begun = cpu_seconds();
    uint64_t before = world->ends[0].packets_out;
    sim_world_run(world, world->now_us + 200 * SIM_MS);
    double used = cpu_seconds() - begun;
    *in_flight = 0;
    struct sctp_net_status net;
    if (world->ends[0].association &&
        sctp_association_net_status(world->ends[0].association, 0, &net))
        *in_flight = net.in_flight;
    *status = status_of(&world->ends[0]);
    double each = used / (double)(world->ends[0].packets_out - before + 1);
    *done = fine(world, true);
    sim_world_free(world);
    return each;
}

static void test_long_fat(void)
{
    struct sctp_status status;
    uint64_t in_flight;
    bool done;
    double plain = long_fat(0, &status, &in_flight, &done, false);
    ok(done && !status.retransmitted && in_flight > 8000 * 1452,
       "1 Gbit/s, 100 ms: %llu packets in flight, %llu sent again",
       (unsigned long long)in_flight / 1452, (unsigned long long)status.retransmitted);
    double gaps = long_fat(1, &status, &in_flight, &done, false);
    ok(done && status.retransmitted >= 10 && status.retransmitted <= 22 && !status.timeouts &&
           status.lost <= 11,
       "10 packets of them lost: %llu chunks sent again, %llu packets held lost",
       (unsigned long long)status.retransmitted, (unsigned long long)status.lost);
    /* A walk through all in flight for each SACK would be hundreds of times as much. */
    ok(gaps < 10 * plain, "a packet, with the SACKs for it, costs %.2f times as much beside gaps",
       gaps / plain);
    (void)long_fat(0, &status, &in_flight, &done, true);
    ok(done && in_flight <= 4000 * 1452 && in_flight > 3300 * 1452,
       "towards others %llu packets at most are in flight", (unsigned long long)in_flight / 1452);
}

/* ---- 010: a path is cut ---- */

static void cut_path(struct sim_world *world, uint64_t at, uint64_t detection)
{
    sim_world_at(world, at, sim_act_cut, 0, true);
    sim_world_at(world, at + detection, sim_act_net_use, 1, 0);
    sim_world_at(world, at + detection, sim_act_net_fail, 0, 0);
}

/* The longest time without delivery from the cut on, at either end. */
struct gaps {
    uint64_t from_us, last_us[2], most_us;
    uint64_t messages[2];
};

static void watch_gaps(struct sim_world *world, uint64_t at, uint64_t gaps_at)
{
    struct gaps *gaps = (struct gaps *)(uintptr_t)gaps_at;
    for (unsigned i = 0; i < 2; i++) {
        const struct sim_user *user = &world->ends[i].user;
        if (user->messages_in != gaps->messages[i])
            gaps->last_us[i] = world->now_us;
        else if (gaps->last_us[i] && world->now_us - gaps->last_us[i] > gaps->most_us)
            gaps->most_us = world->now_us - gaps->last_us[i];
        gaps->messages[i] = user->messages_in;
    }
    sim_world_at(world, world->now_us + 500, watch_gaps, at, gaps_at);
}

static void test_cuts(const char *what, uint64_t rate, uint64_t round_us, struct sim_work up,
                      struct sim_work down, uint64_t limit_us)
{
    const uint64_t detection = 100 * SIM_MS;
    uint64_t most = 0, again = 0;
    unsigned failed = 0, cuts = tap_scaled(25);
    for (unsigned seed = 1; seed <= cuts; seed++) {
        struct sim_options *o = begin(seed, rate, round_us);
        struct gaps gaps = {0};
        o->work[0][0] = up;
        o->work[1][0] = down;
        struct sim_world *world = sim_world_new(o);
        uint64_t at = world->now_us + 600 * SIM_MS + seed * 7331;
        sim_world_run(world, at - 1);
        watch_gaps(world, 0, (uint64_t)(uintptr_t)&gaps);
        uint64_t before = status_of(&world->ends[0]).retransmitted;
        cut_path(world, at, detection);
        sim_world_run(world, at + 600 * SIM_MS);
        failed += !fine(world, true) || row.most_times > 4;
        again = status_of(&world->ends[0]).retransmitted - before;
        if (gaps.most_us > most)
            most = gaps.most_us;
        sim_world_free(world);
    }
    ok(!failed && most <= detection + limit_us,
       "%u cuts, %s: longest gap %.0f ms, of which %.0f until it was noticed; %llu chunks again "
       "in the last",
       cuts, what, (double)most / 1000, (double)detection / 1000, (unsigned long long)again);
}

/* ---- 014: sizes ---- */

static void test_black_hole(uint32_t from, uint32_t to)
{
    struct sim_options *o = begin(from + to, 100 * MBIT, 20 * SIM_MS);
    o->sctp[0].mtu = o->sctp[1].mtu = from;
    o->work[0][0] = bulk(1500);
    o->work[1][0] = bulk(200);
    struct sim_world *world = sim_world_new(o);
    uint64_t at = world->now_us + SIM_SEC;
    sim_world_at(world, at, sim_act_line_mtu, 0, to);
    /* The transport's probes find it out after a while (014). */
    sim_world_at(world, at + 300 * SIM_MS, sim_act_net_mtu, 0, to);
    sim_world_run(world, at + 300 * SIM_MS);
    row.largest = 0;
    uint64_t vanished = world->ways[0][0].vanished;
    bool done = fine(world, sim_world_finish(world, world->now_us + 60 * SIM_SEC));
    ok(done && world->ends[0].longest_gap_us < 1200 * SIM_MS,
       "a black hole, %u to %u bytes: %llu packets vanished, then all arrives; longest gap %.0f ms",
       from, to, (unsigned long long)vanished, (double)world->ends[0].longest_gap_us / 1000);
    sim_world_free(world);
}

static void test_new_size(void)
{
    struct sim_options *o = begin(1, 100 * MBIT, 20 * SIM_MS);
    o->work[0][0] = bulk(0);
    struct sim_world *world = sim_world_new(o);
    sim_world_run(world, world->now_us + SIM_SEC);
    sim_act_net_mtu(world, 0, 600);
    row.largest = row.data[0] = row.full[0] = 0;
    sim_world_run(world, world->now_us + SIM_SEC);
    ok(fine(world, true) && row.largest == 600 && row.full[0] * 100 > row.data[0] * 98,
       "smaller from the next packet on: %zu bytes, %u of %u are full", row.largest, row.full[0],
       row.data[0]);
    sim_act_net_mtu(world, 0, 8952);
    row.largest = row.data[0] = row.full[0] = 0;
    sim_world_run(world, world->now_us + SIM_SEC);
    ok(fine(world, true) && row.largest == 8952 && row.full[0] * 100 > row.data[0] * 98,
       "and larger: %zu bytes, %u of %u are full", row.largest, row.full[0], row.data[0]);
    sim_world_free(world);
}

/* ---- 015: how it begins ---- */

static void test_first_flight(void)
{
    const uint64_t round = 20 * SIM_MS;
    struct sim_options *o = begin(1, 1000 * MBIT, round);
    o->work[0][0] = (struct sim_work){
        .kind = SIM_BULK, .streams = 64, .least = 960, .most = 960, .messages = 64};
    struct sim_world *world = sim_world_new(o);
    struct sim_end *client = &world->ends[0];
    while (!client->user.is_up && !world->wrong[0])
        sim_world_run(world, world->now_us + 100);
    uint64_t up = world->now_us;
    sim_world_run(world, up + round - 1);
    unsigned flight = row.data[0];
    bool done = fine(world, sim_world_finish(world, world->now_us + SIM_SEC));
    ok(done && flight >= 43 && row.first_data_us[0] <= up + 200,
       "64 hellos of 960 bytes: %u packets in the first round trip (44 of them hold 64)", flight);
    ok((double)(world->now_us - up) < 2.2 * (double)round,
       "all have arrived and are acknowledged after %.2f round trips",
       (double)(world->now_us - up) / (double)round);
    sim_world_free(world);
}

/* When the server has the early message, in round trips since the client connected. */
static double early(unsigned lose, bool *done)
{
    const uint64_t round = 20 * SIM_MS;
    struct sim_options *o = begin(1, 1000 * MBIT, round);
    o->work[0][0] = (struct sim_work){.kind = SIM_EARLY, .streams = 1, .least = 188, .most = 188};
    struct sim_world *world = sim_world_new(o);
    row.swallow[0] = lose;
    uint64_t begun = world->now_us;
    while (!world->ends[1].user.messages_in && !world->wrong[0] &&
           world->now_us < begun + 10 * SIM_SEC)
        sim_world_run(world, world->now_us + 100);
    double rounds = (double)(world->now_us - begun) / (double)round;
    *done = fine(world, sim_world_finish(world, world->now_us + 10 * SIM_SEC));
    sim_world_free(world);
    return rounds;
}

static void test_early(void)
{
    bool done, again;
    double rounds = early(0, &done), lost = early(1, &again);
    ok(done && rounds < 1.6, "the first message comes with COOKIE ECHO, after %.2f round trips",
       rounds);
    struct sctp_options defaults;
    sctp_association_defaults(&defaults);
    ok(again && lost * 20 * SIM_MS < (double)defaults.rto_initial_us + 40 * SIM_MS,
       "and once more when that was lost, after %.0f ms", lost * 20);
}

static void test_after_outage(void)
{
    const uint64_t round = 20 * SIM_MS;
    struct sim_options *o = begin(1, 1000 * MBIT, round);
    o->work[0][0] = bulk(1);
    struct sim_world *world = sim_world_new(o);
    sim_act_cut(world, 0, true);
    sim_world_run(world, world->now_us + 7 * SIM_SEC);
    sim_act_cut(world, 0, false);
    while (!world->ends[0].user.is_up && !world->wrong[0] && world->steps < 1000000)
        sim_world_run(world, world->now_us + 100);
    uint64_t up = world->now_us;
    bool done = fine(world, sim_world_finish(world, up + SIM_SEC));
    ok(done && world->now_us - up < 2 * round,
       "after INITs without an answer data is not held back: there after %.1f round trips",
       (double)(world->now_us - up) / (double)round);
    sim_world_free(world);
}

/* ---- 016: full packets ---- */

static void test_full_packets(uint32_t mtu, double least)
{
    struct sim_options *o = begin(1, 0, 20000);
    o->sctp[0].mtu = o->sctp[1].mtu = mtu;
    o->work[0][0] = bulk(3000);
    struct sim_world *world = sim_world_new(o);
    bool done = fine(world, sim_world_finish(world, world->now_us + 60 * SIM_SEC));
    double bytes = (double)row.data_bytes[0] / row.data[0];
    ok(done && bytes > least * mtu, "records of 16 KB in packets of %u bytes: %.0f on average", mtu,
       bytes);
    sim_world_free(world);
}

int main(void)
{
    static const struct sctp_congestion_ops *const both[] = {&sctp_bbr_ops, &sctp_cubic_ops};
    for (unsigned i = 0; i < tap_scaled(2); i++) {
        test_swallowed(1, 11000, both[i]);
        test_swallowed(120, 11000, both[i]);
        test_swallowed(320, 11000, both[i]);
        test_swallowed(300, 50000, both[i]);
        test_nothing_lost(10000, both[i], 0);
        test_nothing_lost(100000, both[i], 0);
        test_nothing_lost(200000, both[i], 0);
        test_nothing_lost(20000, both[i], 2);
        test_nothing_lost(20000, both[i], 10);
    }
    test_long_fat();
    struct sim_work none = {0}, some = {.kind = SIM_TALK,
                                        .stream = 20,
                                        .streams = 20,
                                        .least = 100,
                                        .most = 3000,
                                        .pause_us = 5000};
    test_cuts("messages each 5 ms, both ways", 100 * MBIT, 20000, some, some, 45000);
    test_cuts("messages each 5 ms, one way", 100 * MBIT, 20000, some, none, 45000);
    test_cuts("uploads both ways", 100 * MBIT, 10000, bulk(0), bulk(0), 100000);
    test_cuts("upload, 1 Gbit/s, 0.1 ms", 1000 * MBIT, 100, bulk(0), none, 20000);
    test_black_hole(1452, 1302);
    test_black_hole(1452, 1372);
    test_black_hole(8952, 1452);
    test_black_hole(1452, 680);
    test_new_size();
    test_first_flight();
    test_early();
    test_after_outage();
    test_full_packets(1452, 0.98);
    test_full_packets(8952, 0.95);
    test_full_packets(50272, 0.90);
    return tap_done();
}
