/* Two engines over bad lines, under a virtual clock, by seeds: lines and their
 * faults, workloads in both directions, paths that are cut and changed, keys,
 * sizes of packets, restarts, ends in order and without. Each message must
 * arrive once, whole and in its stream's order; what else must hold at each
 * step is in tests/sim/end.c. SEEDS=n: n seeds of each kind; SEED=n begins
 * there; KIND=n: that line only; SAY=1: with all that happens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "tests/sim/end.h"

#define RUN_US (2000 * SIM_SEC) /* nothing takes so long */

#define MBIT    125000ull
#define HOSTILE 50 /* patience with lines on which an association may well be given up */

struct kind {
    const char *name;
    unsigned patience;
    double size; /* of the workload */
    struct sim_line line[2];
};

/* The lines of the bench, then hostile ones. rate, delay, queue, loss, burst,
 * reorder, jitter … */
static const struct kind kinds[] = {
    {"clean, 100 Mbit/s, 10 ms",
     3,
     1,
     {{.rate = 100 * MBIT, .delay_us = 5000, .queue_us = 50000, .overhead = 48}}},
    {"lte: 50 Mbit/s, 60 ms, 0.5% lost in bursts of 3, 8 ms of jitter",
     6, /* with little to send, a burst lasts long */
     1,
     {{.rate = 50 * MBIT,
       .delay_us = 30000,
       .queue_us = 200000,
       .loss = 0.005,
       .burst = 3,
       .jitter_us = 8000,
       .overhead = 48}}},
    {"wifi: 80 Mbit/s, 8 ms, 1% lost, 2% reordered by up to 6 ms",
     3,
     1,
     {{.rate = 80 * MBIT,
       .delay_us = 4000,
       .queue_us = 100000,
       .loss = 0.01,
       .reorder = 0.02,
       .jitter_us = 6000,
       .overhead = 48}}},
    {"ocean: 300 Mbit/s, 180 ms, 0.05% lost",
     3,
     2,
     {{.rate = 300 * MBIT, .delay_us = 90000, .queue_us = 180000, .loss = 0.0005, .overhead = 48}}},
    {"bad: 20 Mbit/s, 80 ms, 5% lost",
     3,
     0.5,
     {{.rate = 20 * MBIT, .delay_us = 40000, .queue_us = 80000, .loss = 0.05, .overhead = 48}}},
    {"half is lost",
     HOSTILE,
     0.02,
     {{.rate = 20 * MBIT, .delay_us = 20000, .queue_us = 100000, .loss = 0.5, .overhead = 48}}},
    {"a third is reordered by up to 50 ms",
     3,
     0.5,
     {{.rate = 50 * MBIT,
       .delay_us = 20000,
       .queue_us = 100000,
       .reorder = 0.3,
       .jitter_us = 50000,
       .overhead = 48}}},
    {"a tenth comes twice, a hundredth with a flipped bit, a hundredth is "
     "reordered",
     3,
     0.5,
     {{.rate = 50 * MBIT,
       .delay_us = 20000,
       .queue_us = 100000,
       .duplicate = 0.1,
       .corrupt = 0.01,
       .reorder = 0.01,
       .jitter_us = 30000,
       .overhead = 48}}},
    {"300 ms of jitter",
     3,
     0.3,
     {{.rate = 50 * MBIT,
       .delay_us = 20000,
       .queue_us = 300000,
       .jitter_us = 300000,
       .overhead = 48}}},
    {"the way back is a hundredth as fast, and full",
     3,
     0.3,
     {{.rate = 50 * MBIT, .delay_us = 20000, .queue_us = 100000, .overhead = 48},
      {.rate = MBIT / 2, .delay_us = 40000, .queue_us = 300000, .loss = 0.02, .overhead = 48}}},
    {"CoDel, and aggregation of 4 ms",
     3,
     0.5,
     {{.rate = 50 * MBIT,
       .delay_us = 15000,
       .queue_us = 500000,
       .codel = true,
       .aggregate_us = 4000,
       .overhead = 48}}},
    {"a policer of 20 Mbit/s, and a rate that changes each 2 s",
     3,
     0.3,
     {{.rate = 100 * MBIT,
       .delay_us = 10000,
       .queue_us = 50000,
       .police = 20 * MBIT,
       .police_burst = 100000,
       .swing_us = 2000000,
       .swing_rate = 10 * MBIT,
       .overhead = 48}}},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static uint64_t draw(struct sim_chance *chance, uint64_t from, uint64_t to)
{
    return from + sim_chance(chance, to - from + 1);
}

/* ---- what a seed makes of a kind of line ---- */

static void plan_work(struct sim_options *o, struct sim_chance *c, double size)
{
    uint64_t bulk = (uint64_t)(size * (double)draw(c, 5, 150)) + 1;
    for (unsigned side = 0; side < 2; side++) {
        struct sim_work *work = o->work[side];
        if (sim_chance(c, 3))
            work[0] = (struct sim_work){.kind = SIM_BULK,
                                        .stream = 1,
                                        .streams = (uint16_t)draw(c, 1, 20),
                                        .least = 1,
                                        .most = sim_chance(c, 2) ? MESSAGE_MAX : 1000,
                                        .messages = side ? bulk : bulk / 2 + 1};
        if (sim_chance(c, 2))
            work[1] = (struct sim_work){.kind = SIM_TALK,
                                        .stream = 30,
                                        .streams = (uint16_t)draw(c, 1, 200),
                                        .least = 1,
                                        .most = (uint32_t)draw(c, 1, 3000),
                                        .messages = draw(c, 1, 60),
                                        .pause_us = draw(c, 10, 50000)};
        else
            work[1] = (struct sim_work){.kind = SIM_BURST,
                                        .stream = 30,
                                        .streams = 100,
                                        .least = 1,
                                        .most = (uint32_t)draw(c, 1, 9000),
                                        .messages = draw(c, 1, 100),
                                        .burst = (uint32_t)draw(c, 1, 60),
                                        .pause_us = draw(c, 1000, 3000000)};
        work[2] = (struct sim_work){.kind = side ? SIM_ANSWER : SIM_ASK,
                                    .stream = 240,
                                    .streams = 4,
                                    .least = 1,
                                    .most = 300,
                                    .messages = side ? 0 : draw(c, 1, 20),
                                    .pause_us = draw(c, 1, 20000)};
    }
    if (sim_chance(c, 2))
        o->work[0][3] =
            (struct sim_work){.kind = SIM_EARLY, .streams = 1, .least = 1, .most = 1000};
}

static void plan_engines(struct sim_options *o, struct sim_chance *c)
{
    static const uint32_t mtus[] = {1452, 1452, 1252, 552, 8952, 50272};
    static const uint32_t buffers[] = {16 << 20, 1 << 20, 256 << 10, 64 << 10};
    static const uint64_t batches[] = {0, 0, 100, 1000}, lates[] = {0, 50, 1000};
    bool auth = !sim_chance(c, 4), cubic = !sim_chance(c, 3);
    uint32_t mtu = mtus[sim_chance(c, 6)];
    for (unsigned side = 0; side < 2; side++) {
        struct sctp_options *sctp = &o->sctp[side];
        sctp->auth = auth;
        sctp->congestion = cubic ? &sctp_cubic_ops : &sctp_bbr_ops;
        sctp->mtu = mtu;
        sctp->retransmissions = 60; /* half of all packets may be lost */
        sctp->init_retransmissions = 40;
        sctp->rto_max_us = 2 * SIM_SEC;
        sctp->buffer = buffers[sim_chance(c, 4)];
        sctp->hawser = sim_chance(c, 4) != 0;
        /* Two draws that say nothing any more: so each seed is the world that it was. */
        if (!sim_chance(c, 4))
            draw(c, 1, 30);
        sctp->first_packet = (uint32_t)(0 - draw(c, 0, 2000));
    }
    o->near_wrap = sim_chance(c, 2);
    o->batch_us = batches[sim_chance(c, 4)];
    o->late_us = lates[sim_chance(c, 3)];
    o->both_connect = !sim_chance(c, 10);
    o->memory_limit = (1 << 20) + 4 * ((size_t)o->sctp[0].buffer + o->sctp[1].buffer);
}

static void plan(struct sim_options *o, const struct kind *kind, uint64_t seed)
{
    struct sim_chance c = {sim_mix(seed * 1000 + (uint64_t)(kind - kinds))};
    sim_defaults(o, seed);
    o->patience = kind->patience;
    o->says = getenv("SAY");
    o->lines = 2;
    for (unsigned line = 0; line < 2; line++)
        for (unsigned way = 0; way < 2; way++)
            o->line[line][way] = kind->line[kind->line[way].delay_us ? way : 0];
    plan_engines(o, &c);
    plan_work(o, &c, kind->size);
}

/* ---- what happens meanwhile ---- */

static void happen_to_paths(struct sim_world *world, struct sim_chance *c)
{
    uint64_t at = world->now_us + draw(c, 100 * SIM_MS, 3 * SIM_SEC), cut = draw(c, 0, 3 * SIM_SEC);
    switch (sim_chance(c, 6)) {
    case 0: /* a path fails; later it is back, and used again */
        sim_world_at(world, at, sim_act_cut, 0, true);
        sim_world_at(world, at + 100 * SIM_MS, sim_act_net_use, 1, 0);
        sim_world_at(world, at + 100 * SIM_MS, sim_act_net_fail, 0, 0);
        sim_world_at(world, at + cut, sim_act_cut, 0, false);
        sim_world_at(world, at + cut + 200 * SIM_MS, sim_act_net_use, 0, 0);
        break;
    case 1: /* nobody notices; all stands still */
        sim_world_at(world, at, sim_act_cut, 0, true);
        sim_world_at(world, at + cut, sim_act_cut, 0, false);
        break;
    case 2: /* one way only */
        sim_world_at(world, at, sim_act_cut_way, 0, cut % 2);
        sim_world_at(world, at + cut, sim_act_cut_way, 0, 2 + cut % 2);
        break;
    case 3: /* roaming */
        sim_world_at(world, at, sim_act_net_use, 1, 0);
        sim_world_at(world, at + cut, sim_act_net_reset, 0, 0);
        sim_world_at(world, at + cut, sim_act_net_use, 0, 0);
        break;
    case 4: /* smaller, and larger again */
        sim_world_at(world, at, sim_act_net_mtu, 0, draw(c, 300, 1400));
        sim_world_at(world, at + cut, sim_act_net_mtu, 0, draw(c, 600, 9000));
        break;
    default:
        break;
    }
}

static void happen_to_ends(struct sim_world *world, struct sim_chance *c)
{
    uint64_t at = world->now_us + draw(c, 100 * SIM_MS, 4 * SIM_SEC);
    if (!sim_chance(c, 3)) { /* a slow reader */
        uint64_t end = sim_chance(c, 2);
        sim_world_at(world, at, sim_act_sleep, end, true);
        sim_world_at(world, at + draw(c, 1, 2 * SIM_SEC), sim_act_sleep, end, false);
    }
    if (!sim_chance(c, 6)) /* all begins anew, while much is on its way */
        sim_world_at(world, at + draw(c, 0, SIM_SEC), sim_act_restart, sim_chance(c, 2), 0);
    for (uint64_t key = 1; world->options.sctp[0].auth && key < draw(c, 1, 6); key++)
        sim_world_at(world, at + draw(c, 0, 3 * SIM_SEC) * key, sim_act_key, key, 0);
}

/* A receiver says something for each batch at most, and for the window and the
 * timers of others. */
static void check_sacks(struct sim_world *world)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct sim_end *end = &world->ends[i];
        if (end->sacks_out > end->data_in + end->peer->sacks_out / 4 + 200)
            sim_world_fail(world, "end %u: %llu SACKs for %llu packets with DATA", i,
                           (unsigned long long)end->sacks_out, (unsigned long long)end->data_in);
    }
}

static uint64_t run(const struct kind *kind, uint64_t seed, char *wrong, size_t size)
{
    struct sim_options *options = malloc(sizeof *options);
    plan(options, kind, seed);
    struct sim_world *world = sim_world_new(options);
    struct sim_chance c = {sim_mix(seed + 77)};
    happen_to_paths(world, &c);
    happen_to_ends(world, &c);
    if (!sim_world_finish(world, world->now_us + RUN_US))
        sim_world_fail(world, "not all has arrived: %llu of %llu, %llu of %llu messages; %s, %s",
                       (unsigned long long)world->ends[1].user.messages_in,
                       (unsigned long long)world->ends[0].user.messages_out,
                       (unsigned long long)world->ends[0].user.messages_in,
                       (unsigned long long)world->ends[1].user.messages_out,
                       err_name(world->ends[0].reason), err_name(world->ends[1].reason));
    check_sacks(world);
    bool in_order = sim_world_close(world, &world->ends[seed % 2]);
    if (!in_order && kind->patience <= 3)
        sim_world_fail(world, "does not end in order: %s, %s", err_name(world->ends[0].reason),
                       err_name(world->ends[1].reason));
    snprintf(wrong, size, "%s", world->wrong);
    uint64_t trace = world->trace;
    sim_world_free(world);
    free(options);
    return trace;
}

static unsigned from_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void run_kind(const struct kind *kind, unsigned first, unsigned seeds)
{
    char wrong[300], again[300];
    unsigned failed = 0, other = 0;
    for (unsigned seed = first; seed < first + seeds; seed++) {
        uint64_t trace = run(kind, seed, wrong, sizeof wrong);
        if (wrong[0] && failed++ < 5)
            tap_note("%s", wrong);
        if (seed % 8 == 0 && run(kind, seed, again, sizeof again) != trace)
            other++;
    }
    ok(!failed, "%s: %u of %u seeds as they should be", kind->name, seeds - failed, seeds);
    ok(!other, "the same seeds again send the same packets at the same times");
}

int main(void)
{
    unsigned scale = from_environment("SCALE", 1);
    unsigned seeds = from_environment("SEEDS", 200 / (scale ? scale : 1));
    unsigned first = from_environment("SEED", 1), only = from_environment("KIND", KINDS);
    tap_note("SEED=%u SEEDS=%u", first, seeds);
    for (unsigned i = 0; i < KINDS; i++)
        if (only == KINDS || only == i)
            run_kind(&kinds[i], first, seeds);
    return tap_done();
}
