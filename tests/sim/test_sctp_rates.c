/* Rates of two engines on the lines of the bench, the queues they keep there, and the shares of a
 * bottleneck: figures with limits, medians of seeds, under a virtual clock. Bytes of messages, from
 * the third second on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "tests/sim/end.h"

#define MBIT      125000ull
#define SEEDS_MAX 40
#define START     3 /* seconds before it is measured */

static unsigned scale = 1, seeds_wanted;

struct row {
    const char *name;
    const struct sctp_congestion_ops *congestion;
    unsigned seeds, seconds;
    double least;            /* MB/s */
    double queue50, queue95; /* ms, at most; 0: not asked */
    struct sim_line line;
};

#define LTE                                                                                        \
    {                                                                                              \
        .rate = 50 * MBIT, .delay_us = 30000, .queue_us = 150000, .loss = 0.005, .burst = 3,       \
        .jitter_us = 8000, .overhead = 48                                                          \
    }
#define WIFI                                                                                       \
    {                                                                                              \
        .rate = 80 * MBIT, .delay_us = 4000, .queue_us = 50000, .loss = 0.01, .reorder = 0.02,     \
        .jitter_us = 6000, .overhead = 48                                                          \
    }
#define OCEAN                                                                                      \
    {                                                                                              \
        .rate = 300 * MBIT, .delay_us = 90000, .queue_us = 60000, .loss = 0.0005, .overhead = 48   \
    }
#define BAD                                                                                        \
    {                                                                                              \
        .rate = 20 * MBIT, .delay_us = 40000, .queue_us = 100000, .loss = 0.05, .overhead = 48     \
    }
#define FAT                                                                                        \
    {                                                                                              \
        .rate = 1000 * MBIT, .delay_us = 50000, .queue_us = 100000, .loss = 0.0001, .overhead = 48 \
    }
#define CLEAN                                                                                      \
    {                                                                                              \
        .rate = 1000 * MBIT, .delay_us = 50000, .queue_us = 100000, .overhead = 48                 \
    }
#define HOME                                                                                       \
    {                                                                                              \
        .rate = 100 * MBIT, .delay_us = 15000, .queue_us = 200000, .overhead = 48                  \
    }

/* Least rates are those to reach with one download; queues: a median of 2 ms, a 95th percentile of
 * max(15 ms, base / 4 + 10 ms). */
static const struct row rows[] = {
    {"lte", &sctp_bbr_ops, 5, 15, 5.2, 2, 25, LTE},
    {"wifi", &sctp_bbr_ops, 3, 15, 9.0, 2, 15, WIFI},
    {"ocean", &sctp_bbr_ops, 1, 12, 25, 2, 55, OCEAN},
    {"bad", &sctp_bbr_ops, 5, 15, 1.9, 2, 30, BAD},
    {"1 Gbit/s, 100 ms, 0.01% lost", &sctp_bbr_ops, 1, 8, 100, 2, 35, FAT},
    {"1 Gbit/s, 100 ms", &sctp_bbr_ops, 1, 9, 113, 2, 35, CLEAN},
    {"100 Mbit/s, 30 ms, a queue of 200 ms", &sctp_bbr_ops, 1, 12, 11.0, 2, 17.5, HOME},
    {"50 Mbit/s, 40 ms, 5% lost",
     &sctp_bbr_ops,
     3,
     12,
     4.2,
     2,
     20,
     {.rate = 50 * MBIT, .delay_us = 20000, .queue_us = 100000, .loss = 0.05, .overhead = 48}},
    {"20% reordered by up to 20 ms",
     &sctp_bbr_ops,
     1,
     12,
     10.5,
     0,
     0,
     {.rate = 100 * MBIT,
      .delay_us = 20000,
      .queue_us = 100000,
      .reorder = 0.2,
      .jitter_us = 20000,
      .overhead = 48}},
    {"a policer of 20 Mbit/s with 100 KB",
     &sctp_bbr_ops,
     1,
     12,
     2.0,
     0,
     0,
     {.rate = 100 * MBIT,
      .delay_us = 15000,
      .queue_us = 100000,
      .police = 20 * MBIT,
      .police_burst = 100000,
      .overhead = 48}},
    {"CoDel, 100 Mbit/s, 30 ms",
     &sctp_bbr_ops,
     1,
     12,
     10,
     2,
     17.5,
     {.rate = 100 * MBIT, .delay_us = 15000, .queue_us = 500000, .codel = true, .overhead = 48}},
    {"a rate of 80 and 20 Mbit/s by turns of 3 s",
     &sctp_bbr_ops,
     1,
     15,
     4.0,
     0,
     0,
     {.rate = 80 * MBIT,
      .delay_us = 15000,
      .queue_us = 200000,
      .swing_us = 3000000,
      .swing_rate = 20 * MBIT,
      .overhead = 48}},
    {"lte", &sctp_cubic_ops, 3, 15, 0.5, 0, 0, LTE},
    {"wifi", &sctp_cubic_ops, 1, 15, 1.5, 0, 0, WIFI},
    {"ocean", &sctp_cubic_ops, 1, 12, 1.5, 0, 0, OCEAN},
    {"1 Gbit/s, 100 ms", &sctp_cubic_ops, 1, 6, 100, 0, 0, CLEAN},
    {"100 Mbit/s, 30 ms, a queue of 200 ms", &sctp_cubic_ops, 1, 12, 11.0, 0, 0, HOME},
};

#define BULK(count)                                                                                \
    {                                                                                              \
        .kind = SIM_BULK, .streams = count, .least = MESSAGE_MAX, .most = MESSAGE_MAX              \
    }

/* Other traffic of a line than bulk on 16 streams. */
static const struct load {
    struct row row;
    struct sim_work work;
    uint32_t buffer; /* of the receiver; 0: that of the world */
} loads[] = {
    /* All waits behind each gap for a round trip, and the sender needs another to hear of its end:
     * as much as lines of 1 Gbit/s hold three times. */
    {{"one stream on 1 Gbit/s, 100 ms, 0.01% lost", &sctp_bbr_ops, 3, 10, 100, 2, 35, FAT},
     BULK(1),
     32 << 20},
    /* As the window of a connection allows it: all of it at once behind each gap, then nothing. */
    {{"10 MB of credit on 1 Gbit/s, 100 ms, 0.01% lost", &sctp_bbr_ops, 5, 5, 60, 2, 35, FAT},
     {.kind = SIM_BULK, .streams = 1, .least = MESSAGE_MAX, .most = MESSAGE_MAX, .burst = 600},
     32 << 20},
};

static struct sim_work bulk(void)
{
    return (struct sim_work)BULK(16);
}

static struct sim_work ask(bool answers)
{
    return (struct sim_work){.kind = answers ? SIM_ANSWER : SIM_ASK,
                             .stream = 100,
                             .streams = 1,
                             .least = 64,
                             .most = 64,
                             .pause_us = 50000};
}

static double median(double *values, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j && values[j] < values[j - 1]; j--) {
            double swap = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swap;
        }
    return values[count / 2];
}

static void begin(struct sim_options *o, uint64_t seed, const struct sim_line *line)
{
    sim_defaults(o, seed);
    o->line[0][0] = o->line[0][1] = *line;
    o->is_light = true;
}

struct result {
    double rate, queue50, queue95, round50, lost, again, spurious;
    unsigned timeouts;
    const char *phase;
    double window; /* MB */
    char wrong[300];
};

static struct result run(const struct row *row, const struct load *load, uint64_t seed,
                         unsigned seconds)
{
    struct result result = {0};
    struct sim_options *o = malloc(sizeof *o);
    begin(o, seed, &row->line);
    for (unsigned i = 0; i < 2; i++)
        o->sctp[i].congestion = row->congestion;
    if (load && load->buffer)
        o->sctp[1].buffer = load->buffer;
    o->work[0][0] = load ? load->work : bulk();
    o->work[0][1] = ask(false);
    o->work[1][0] = ask(true);
    struct sim_world *world = sim_world_new(o);
    struct sim_end *from = &world->ends[0], *to = &world->ends[1];
    uint64_t begun = world->now_us;
    sim_world_run(world, begun + START * SIM_SEC);
    sim_way_forget(&world->ways[0][0]);
    uint64_t before = to->user.bytes_in;
    from->user.round_count = 0;
    sim_world_run(world, begun + seconds * SIM_SEC);
    result.rate = (double)(to->user.bytes_in - before) / (seconds - START) / 1e6;
    result.queue50 = sim_way_quantile_ms(&world->ways[0][0], 0.5);
    result.queue95 = sim_way_quantile_ms(&world->ways[0][0], 0.95);
    result.round50 = sim_user_round_ms(&from->user, 0.5);
    struct sctp_status status = {0};
    struct sctp_net_status net = {.phase = "none"};
    if (from->association) {
        sctp_association_status(from->association, &status);
        sctp_association_net_status(from->association, 0, &net);
    }
    result.phase = net.phase;
    result.window = (double)net.window / 1e6;
    result.again = 100.0 * (double)status.retransmitted / (double)(from->packets_out + 1);
    result.spurious = 100.0 * (double)status.spurious / (double)(from->packets_out + 1);
    result.timeouts = (unsigned)status.timeouts;
    snprintf(result.wrong, sizeof result.wrong, "%s", world->wrong);
    sim_world_free(world);
    free(o);
    return result;
}

/* load NULL: bulk. */
static void test_row(const struct row *row, const struct load *load)
{
    double rates[SEEDS_MAX], q50[SEEDS_MAX], q95[SEEDS_MAX], round[SEEDS_MAX];
    double again = 0, spurious = 0, window = 0;
    const char *phase = "";
    unsigned seeds = seeds_wanted ? seeds_wanted : (row->seeds + scale - 1) / scale;
    unsigned seconds = scale > 1 && row->seconds > 8 ? 8 : row->seconds, timeouts = 0, wrong = 0;
    for (unsigned i = 0; i < seeds; i++) {
        struct result r = run(row, load, 100 + i, seconds);
        if (r.wrong[0] && !wrong++)
            tap_note("%s", r.wrong);
        rates[i] = r.rate;
        q50[i] = r.queue50;
        q95[i] = r.queue95;
        round[i] = r.round50;
        again += r.again / seeds;
        spurious += r.spurious / seeds;
        timeouts += r.timeouts;
        phase = r.phase;
        window = r.window;
    }
    double rate = median(rates, seeds), queue50 = median(q50, seeds), queue95 = median(q95, seeds);
    ok(!wrong && rate >= row->least, "%s, %s: %.2f MB/s (%.2f to %.2f; to reach: %.2f)", row->name,
       row->congestion->name, rate, rates[0], rates[seeds - 1], row->least);
    tap_note("queue %.1f/%.1f ms, round trip beside it %.1f ms, %.2f%% sent again, %.2f%% "
             "needlessly, %u time-outs; in the end %s, window %.2f MB",
             queue50, queue95, median(round, seeds), again, spurious, timeouts, phase, window);
    if (row->queue95 > 0)
        ok(queue50 <= row->queue50 && queue95 <= row->queue95,
           "and a queue of %.1f ms, 95th percentile %.1f (at most %.1f, %.1f)", queue50, queue95,
           row->queue50, row->queue95);
}

/* ---- sharing a bottleneck ---- */

/* Bytes of the first pair for each of the second, from 10 s after the second began. */
static double share(const struct sim_line *line, const struct sctp_congestion_ops *first,
                    const struct sctp_congestion_ops *second, uint64_t second_us, unsigned seconds,
                    uint64_t seed, char *wrong, size_t size)
{
    struct sim_options *o = malloc(sizeof *o);
    begin(o, seed, line);
    o->pairs = 2;
    o->connect_us[1] = second_us;
    for (unsigned i = 0; i < 4; i++)
        o->sctp[i].congestion = i < 2 ? first : second;
    o->work[0][0] = o->work[2][0] = bulk();
    struct sim_world *world = sim_world_new(o);
    uint64_t begun = world->now_us, from = second_us + 10 * SIM_SEC;
    sim_world_run(world, begun + from);
    uint64_t a = world->ends[1].user.bytes_in, b = world->ends[3].user.bytes_in;
    sim_world_run(world, begun + from + seconds * SIM_SEC);
    a = world->ends[1].user.bytes_in - a;
    b = world->ends[3].user.bytes_in - b;
    snprintf(wrong, size, "%s", world->wrong);
    sim_world_free(world);
    free(o);
    return (double)a / (double)(b + 1);
}

static void test_share(const char *name, const struct sim_line *line,
                       const struct sctp_congestion_ops *first,
                       const struct sctp_congestion_ops *second, uint64_t second_us, double least,
                       double most)
{
    char wrong[300];
    double shares[9];
    unsigned seeds = seeds_wanted && seeds_wanted < 9 ? seeds_wanted : 1, failed = 0;
    for (unsigned i = 0; i < seeds; i++) {
        shares[i] = share(line, first, second, second_us, 50, i + 1, wrong, sizeof wrong);
        if (wrong[0] && !failed++)
            tap_note("%s", wrong);
    }
    double middle = median(shares, seeds);
    ok(!failed && middle >= least && middle <= most,
       "%s, %s beside %s: %.2f times its share (%.2f to %.2f; allowed %.2f to %.2f)", name,
       first->name, second->name, middle, shares[0], shares[seeds - 1], least, most);
}

/* To reach: 0.5 to 2 beside CUBIC, 0.8 to 1.25 beside another of ours. */
static void test_shares(void)
{
    static const unsigned queues[] = {8, 30, 60, 240};
    /* Under a sanitizer: the second has all pairs. */
    for (unsigned i = scale > 1; i < (scale > 1 ? 2 : 4); i++) {
        char name[80];
        struct sim_line line = {
            .rate = 100 * MBIT, .delay_us = 15000, .queue_us = queues[i] * SIM_MS, .overhead = 48};
        snprintf(name, sizeof name, "100 Mbit/s, 30 ms, a queue of %u ms", queues[i]);
        test_share(name, &line, &sctp_bbr_ops, &sctp_cubic_ops, 0, 0.5, 2);
        if (i == 1 || i == 3)
            test_share(name, &line, &sctp_bbr_ops, &sctp_bbr_ops, 5 * SIM_SEC, 0.7, 1.5);
        if (i == 1)
            test_share(name, &line, &sctp_cubic_ops, &sctp_cubic_ops, 0, 0.5, 2);
    }
}

int main(void)
{
    const char *text = getenv("SCALE"), *only = getenv("ONLY"), *seeds = getenv("SEEDS");
    scale = text && atoi(text) > 0 ? (unsigned)atoi(text) : 1;
    seeds_wanted = seeds && atoi(seeds) > 0 && atoi(seeds) <= SEEDS_MAX ? (unsigned)atoi(seeds) : 0;
    /* A sanitizer makes it ten times slower, and looks for the same faults in each row. */
    unsigned step = scale >= 8 ? 6 : scale >= 4 ? 3 : 1;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i += only ? 1 : step)
        if (!only || strstr(rows[i].name, only))
            test_row(&rows[i], NULL);
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++)
        if (only ? strstr(loads[i].row.name, only) != NULL : step == 1)
            test_row(&loads[i].row, &loads[i]);
    if (only ? strstr("share", only) != NULL : step == 1)
        test_shares();
    return tap_done();
}
