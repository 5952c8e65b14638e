/* BBR by hand-made samples: how each state is entered and left, what is learnt of the path, and the
 * seven deviations from the draft, each with what happens without it. */
#include "sctp/bbr.h"

#include <stdlib.h>

#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define MSS    1000u
#define RTT_US 50000u
#define RATE   20000000u /* 20 MB/s: 1000 packets are a round trip's worth */
#define BDP    1000000u
#define BATCH  50u /* packets in an acknowledgement */

static const struct sctp_congestion_ops *ops = &sctp_bbr_ops;

/* A path with one flow: whatever is in flight is acknowledged in batches. */
struct path {
    struct sctp_congestion *base;
    struct sctp_bbr *bbr;
    uint64_t now_us, delivered, lost, rtt_us, rate, in_flight, sent_at; /* sent_at: delivered */
    uint64_t start_us;
    unsigned step;  /* batches of the round trip */
    unsigned batch; /* packets of each */
    bool skips_probe_rtt;
    bool is_stuck; /* in_flight is what it is, whatever the window */
    bool limited, in_recovery, by_timeout;
};

static struct path begin(void)
{
    struct path path = {
        .now_us = 1000000, .rtt_us = RTT_US, .rate = RATE, .in_flight = BDP, .batch = BATCH};
    path.base = ops->make(path.now_us, MSS, RTT_US);
    path.bbr = container_of(path.base, struct sctp_bbr, base);
    return path;
}

static void end(struct path *path)
{
    free(path->base);
}

static bool is_in(const struct path *path, const char *phase)
{
    double floor;
    return strcmp(ops->phase(path->base, &floor), phase) == 0;
}

static bool near(double value, double expected, double percent)
{
    double off = value > expected ? value - expected : expected - value;
    return off <= expected * percent / 100;
}

/* One batch; the packets of a round trip were sent when it began. */
static void acknowledge(struct path *path, uint64_t bytes)
{
    uint64_t in_flight = path->in_flight;
    if (in_flight > path->base->window && !path->is_stuck)
        in_flight = path->base->window;
    path->delivered += bytes;
    struct sctp_sample sample = {.now_us = path->now_us,
                                 .acked = bytes,
                                 .in_flight = in_flight,
                                 .prior_in_flight = in_flight + bytes,
                                 .total_delivered = path->delivered,
                                 .rtt_us = path->rtt_us,
                                 .srtt_us = path->rtt_us,
                                 .has_packet = true,
                                 .sent_us = path->now_us - path->rtt_us,
                                 .prior_delivered = path->sent_at,
                                 .delivered = path->delivered - path->sent_at,
                                 .interval_us = path->rtt_us,
                                 .rate = path->rate,
                                 .tx_in_flight = in_flight,
                                 .limited = path->limited,
                                 .in_recovery = path->in_recovery,
                                 .by_timeout = path->by_timeout};
    ops->acked(path->base, &sample);
}

/* One more batch of the round trip; true: it was the last. */
static bool step(struct path *path)
{
    unsigned batches = BDP / MSS / BATCH;
    if (path->step == 0) {
        path->sent_at = path->delivered;
        path->start_us = path->now_us;
    }
    path->step++;
    if (path->skips_probe_rtt)
        path->bbr->probe_rtt_stamp_us = path->now_us;
    path->now_us = path->start_us + path->rtt_us * path->step / batches;
    acknowledge(path, path->batch * MSS);
    if (path->step < batches)
        return false;
    path->step = 0;
    return true;
}

/* Data in flight at its begin are acknowledged within a round trip. */
static void round_trip(struct path *path)
{
    while (!step(path))
        ;
}

static struct sctp_loss loss_of(struct path *path)
{
    path->lost += MSS;
    return (struct sctp_loss){.now_us = path->now_us,
                              .size = MSS,
                              .mark = {.in_flight = BDP, .lost = path->lost - MSS},
                              .in_flight = path->in_flight,
                              .total_lost = path->lost,
                              .total_delivered = path->delivered};
}

/* So many packets, each by itself, all sent when losses were as at the first. */
static void lose(struct path *path, unsigned packets)
{
    uint64_t before = path->lost;
    for (unsigned i = 0; i < packets; i++) {
        struct sctp_loss loss = loss_of(path);
        loss.mark.lost = before;
        loss.begins_recovery = !path->in_recovery;
        path->in_recovery = true;
        ops->lost(path->base, &loss);
    }
}

/* Until the phase is that one; returns round trips begun, 1000 for never. */
static unsigned until(struct path *path, const char *phase)
{
    unsigned rounds = 0;
    while (rounds < 1000 && !is_in(path, phase))
        rounds += step(path);
    path->step = 0;
    return rounds;
}

static struct path cruising(void)
{
    struct path path = begin();
    until(&path, "cruise");
    round_trip(&path);
    return path;
}

static struct path going_up(void)
{
    struct path path = cruising();
    until(&path, "refill");
    until(&path, "up");
    return path;
}

/* ---- Startup, Drain ---- */

static void first(void)
{
    struct path path = begin();
    ok(is_in(&path, "startup") && path.base->window == SCTP_CONGESTION_FIRST_PACKETS * MSS,
       "44 packets at first");
    ok(near((double)path.base->pace, 2.77 * 44 * MSS / 0.05, 0.1),
       "over the handshake's round trip / 2.77");
    acknowledge(&path, MSS);
    ok(path.base->window == 45 * MSS, "the window grows with what is acknowledged");
    end(&path);
    struct sctp_congestion *unknown = ops->make(0, MSS, 0);
    ok(near((double)unknown->pace, 2.77 * 44 * MSS / 0.001, 0.1), "over 1 ms where none is known");
    path = (struct path){.base = unknown,
                         .bbr = container_of(unknown, struct sctp_bbr, base),
                         .now_us = 1000000,
                         .rtt_us = RTT_US};
    acknowledge(&path, MSS);
    ok(near((double)unknown->pace, 2.77 * 44 * MSS / 0.05, 0.1), "until the first is");
    end(&path);
}

static void plateau(void)
{
    struct path path = begin();
    for (unsigned i = 0; i < 10; i++, path.rate = path.rate * 130 / 100)
        round_trip(&path);
    ok(is_in(&path, "startup"), "rates grow by 30%% a round trip: startup goes on");
    ok(near((double)path.base->pace, 2.77 * 0.99 * (double)path.bbr->max_bw, 0.1),
       "2.77 times as fast as the best, less 1%%");
    path.limited = true;
    path.rate = RATE;
    for (unsigned i = 0; i < 10; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "rounds that lack data say nothing");
    path.limited = false;
    path.rate = path.bbr->max_bw * 124 / 100;
    path.in_flight = 100 * BDP;
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "nor do two rounds that grow by less than 25%%");
    round_trip(&path);
    ok(is_in(&path, "drain"), "three end it");
    ok(near((double)path.base->pace, 0.5 * 0.99 * (double)path.bbr->max_bw, 0.1), "half as fast");
    end(&path);
}

/* D7. */
static void limited_startup(void)
{
    struct path path = begin();
    path.limited = true;
    for (unsigned i = 0; i < 10; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "D7: rounds that lack data say nothing without a queue");
    path.rtt_us = RTT_US + RTT_US / 8 + 2000;
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "D7: nor do two with one");
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    ok(!is_in(&path, "startup"), "D7: but a third ends startup: the bursts are the queue");
    end(&path);

    path = begin();
    path.limited = true;
    path.batch = 2;
    for (unsigned i = 0; i < 10; i++)
        round_trip(&path);
    path.rtt_us = 2 * RTT_US;
    for (unsigned i = 0; i < 20; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "D7: small rounds have not made the queue that they meet");
    end(&path);
}

static void drain(void)
{
    struct path path = begin();
    path.in_flight = 2 * BDP;
    path.is_stuck = true;
    until(&path, "drain");
    round_trip(&path);
    ok(is_in(&path, "drain"), "drain goes on with two BDPs in flight");
    path.in_flight = BDP;
    acknowledge(&path, MSS);
    ok(is_in(&path, "cruise"), "and ends with one, and so does down");
    end(&path);
    path = begin();
    path.in_flight = 2 * BDP;
    path.is_stuck = true;
    until(&path, "drain");
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(is_in(&path, "drain"), "or after");
    round_trip(&path);
    round_trip(&path);
    ok(is_in(&path, "down"), "three rounds");
    end(&path);
}

/* ---- ProbeBW ---- */

static void cycle(void)
{
    struct path path = begin();
    path.in_flight = 2 * BDP;
    path.is_stuck = true;
    ok(until(&path, "down") <= 9, "down");
    round_trip(&path);
    ok(is_in(&path, "down") && near((double)path.base->pace, 0.9 * 0.99 * RATE, 0.1),
       "at 0.9 of the rate, while there is a queue");
    path.in_flight = BDP;
    path.is_stuck = false;
    round_trip(&path);
    ok(is_in(&path, "cruise") && near((double)path.base->pace, 0.99 * RATE, 0.1),
       "cruise with one BDP in flight");
    ok(near((double)path.base->window, 2.0 * BDP, 3), "of two that may be");
    uint64_t from_us = path.bbr->cycle_us;
    until(&path, "refill");
    ok(path.now_us - from_us >= 2000000 && path.now_us - from_us <= 3100000,
       "refill after 2 to 3 s: %llu ms", (unsigned long long)(path.now_us - from_us) / 1000);
    uint64_t then_us = path.now_us;
    until(&path, "up");
    ok(path.now_us - then_us <= 2 * RTT_US, "up a round trip later");
    uint64_t rounds = path.bbr->rounds;
    round_trip(&path);
    ok(near((double)path.base->pace, 1.25 * 0.99 * RATE, 0.1) &&
           near((double)path.base->window, 2.25 * BDP, 5),
       "at 1.25 of the rate");
    until(&path, "down");
    ok(path.bbr->rounds - rounds == 3, "down after three rounds without more");
    end(&path);
}

static void reno_rounds(void)
{
    struct path path = begin();
    path.rtt_us = 2000; /* 40 packets are a round trip's worth */
    path.in_flight = 10 * MSS;
    until(&path, "cruise");
    path.bbr->rounds_since_up = 0;
    uint64_t rounds = path.bbr->rounds;
    until(&path, "refill");
    ok(path.bbr->rounds - rounds == 40, "with 40 packets in flight refill comes after 40 rounds");
    end(&path);
    path = begin();
    path.rtt_us = 5000; /* 100 packets */
    path.in_flight = 10 * MSS;
    until(&path, "cruise");
    path.bbr->rounds_since_up = 0;
    rounds = path.bbr->rounds;
    until(&path, "refill");
    ok(path.bbr->rounds - rounds == 63, "with more, after 63");
    end(&path);
}

static void more_is_found(void)
{
    struct path path = going_up();
    for (unsigned i = 0; i < 10; i++, path.rate = path.rate * 126 / 100)
        round_trip(&path);
    ok(is_in(&path, "up") && path.bbr->bw > 7 * (uint64_t)RATE, "up lasts as long as rates grow");
    end(&path);
}

/* A maximum lives for two cycles. */
static void filter(void)
{
    struct path path = going_up();
    path.skips_probe_rtt = true;
    path.rate = RATE / 2;
    until(&path, "down");
    until(&path, "refill");
    until(&path, "down");
    ok(path.bbr->max_bw == RATE, "the best of the last cycle counts");
    until(&path, "cruise");
    until(&path, "refill");
    until(&path, "down");
    until(&path, "refill");
    ok(path.bbr->max_bw == RATE / 2, "and not the one before it");
    path.limited = true;
    path.rate = RATE / 4;
    round_trip(&path);
    ok(path.bbr->max_bw == RATE / 2, "what lacks data does not lower it,");
    path.rate = RATE;
    acknowledge(&path, MSS);
    ok(path.bbr->max_bw == RATE, "but may raise it");
    end(&path);
}

static void too_much_in_flight(void)
{
    struct path path = going_up();
    lose(&path, 20);
    ok(is_in(&path, "up"), "2%% may be lost in up");
    lose(&path, 1);
    ok(is_in(&path, "up"), "(these were sent when 20 were lost already)");
    struct sctp_loss loss = loss_of(&path);
    loss.mark.lost = path.lost - 22 * MSS;
    ops->lost(path.base, &loss);
    ok(is_in(&path, "down") && near((double)path.bbr->inflight_longterm, BDP, 1),
       "more end it, and say how much may be in flight for long");
    path.in_recovery = false;
    path.in_flight = BDP * 9 / 10;
    round_trip(&path);
    ok(is_in(&path, "down"), "down until there is headroom");
    path.in_flight = BDP * 8 / 10;
    round_trip(&path);
    ok(is_in(&path, "cruise") && near((double)path.base->window, 0.85 * BDP, 1),
       "which cruise leaves free");
    until(&path, "refill");
    path.in_flight = 2 * BDP;
    until(&path, "up");
    ok(until(&path, "down") <= 1 && path.bbr->precautionary,
       "the next time it turns round at once there");
    path.in_flight = BDP * 8 / 10;
    round_trip(&path);
    round_trip(&path);
    ok(is_in(&path, "refill") || is_in(&path, "up"), "and comes back, as nothing was lost");
    path.rtt_us = RTT_US * 3 / 2;
    until(&path, "down");
    path.bbr->too_high = false;
    path.bbr->precautionary = true;
    until(&path, "refill");
    until(&path, "up");
    ok(!path.bbr->calm && path.bbr->own_queue, "D2: to a queue that is still its own");
    end(&path);
}

static void longterm_grows(void)
{
    struct path path = going_up();
    path.bbr->inflight_longterm = path.bbr->window = path.base->window = BDP;
    path.in_flight = 10 * BDP;
    uint64_t last = BDP, grown[5];
    for (unsigned i = 0; i < 5; i++) {
        round_trip(&path);
        grown[i] = (path.bbr->inflight_longterm - last) / MSS;
        last = path.bbr->inflight_longterm;
    }
    ok(is_in(&path, "up") && grown[4] >= 2 * grown[3] - 1 && grown[3] >= 2 * grown[2] - 1 &&
           grown[2] >= 2 * grown[1] - 1 && grown[0] < 10,
       "it grows by %llu, %llu, %llu, %llu, %llu packets", (unsigned long long)grown[0],
       (unsigned long long)grown[1], (unsigned long long)grown[2], (unsigned long long)grown[3],
       (unsigned long long)grown[4]);
    end(&path);
}

static void shortterm(void)
{
    struct path path = cruising();
    path.rate = RATE / 2;
    round_trip(&path);
    lose(&path, 100);
    round_trip(&path);
    round_trip(&path);
    ok(is_in(&path, "cruise") && near((double)path.bbr->bw, 0.7 * RATE, 1),
       "10%% lost in cruise: 0.7 of the rate");
    path.in_recovery = false;
    until(&path, "refill");
    acknowledge(&path, MSS);
    ok(path.bbr->bw == RATE, "until refill");
    end(&path);
}

/* ---- ProbeRTT ---- */

static void probe_rtt(void)
{
    struct path path = begin();
    until(&path, "cruise");
    path.rtt_us += 1000;
    uint64_t window = path.base->window;
    uint64_t stamp_us = path.bbr->probe_rtt_stamp_us;
    until(&path, "probe-rtt");
    ok(path.now_us - stamp_us > 5000000 && path.now_us - stamp_us < 5100000,
       "probe-rtt 5 s after the least round trip");
    ok(near((double)path.base->window, 0.5 * BDP, 1), "with half of a BDP in flight");
    path.rate = RATE / 2;
    path.is_stuck = true;
    round_trip(&path);
    ok(path.bbr->probe_rtt_done_us == 0, "its time begins when no more is");
    path.in_flight = BDP / 2;
    acknowledge(&path, MSS);
    uint64_t from_us = path.now_us;
    path.rtt_us = RTT_US + 500;
    until(&path, "cruise");
    ok(path.now_us - from_us >= 200000 && path.now_us - from_us <= 300000, "and is 200 ms");
    ok(path.base->window >= window * 99 / 100, "then the window is as before");
    ok(path.bbr->max_bw == RATE, "and its low rates are forgotten");
    path.now_us += 6000000;
    ops->sent(path.base, path.now_us, MSS, 0);
    path.rtt_us = RTT_US + 2000;
    acknowledge(&path, MSS);
    ok(!is_in(&path, "probe-rtt"), "after a pause there is no need of it");
    end(&path);

    path = begin();
    path.rtt_us = RTT_US;
    acknowledge(&path, MSS);
    path.now_us += 5100000;
    path.rtt_us += 1000;
    path.in_flight = 2 * MSS;
    acknowledge(&path, MSS);
    ok(is_in(&path, "probe-rtt"), "also in startup");
    ok(until(&path, "startup") < 10, "where it goes back to");
    end(&path);
}

static void min_rtt(void)
{
    struct path path = cruising();
    ok(path.bbr->min_rtt_us == RTT_US, "min_rtt");
    path.rtt_us = 2 * RTT_US;
    path.in_flight = 4 * MSS;
    for (uint64_t from_us = path.now_us; path.now_us < from_us + 9000000;)
        round_trip(&path);
    ok(path.bbr->min_rtt_us == RTT_US, "is kept for 10 s");
    for (uint64_t from_us = path.now_us; path.now_us < from_us + 2000000;)
        round_trip(&path);
    ok(path.bbr->min_rtt_us == 2 * RTT_US, "and no longer");
    end(&path);
}

/* ---- deviations ---- */

/* Rounds with that many packets lost of 1000. */
static void lossy_rounds(struct path *path, unsigned rounds, unsigned packets)
{
    for (unsigned i = 0; i < rounds; i++) {
        lose(path, packets);
        round_trip(path);
        path->in_recovery = false;
    }
}

static void loss_floor(void)
{
    struct path path = cruising();
    lossy_rounds(&path, 8, 19); /* as large as BBR itself bears */
    double floor;
    ops->phase(path.base, &floor);
    ok(floor > 0.015 && floor < 0.0195, "D1: 1.9%% are lost while nothing waits: the line's (%.4f)",
       floor);
    for (unsigned lost = 25; lost <= 45; lost += 5)
        lossy_rounds(&path, 4, lost);
    ok(is_in(&path, "cruise") && path.bbr->bw_shortterm == SCTP_BBR_NONE,
       "D1: 4.5%% do not slow it down then");
    while (is_in(&path, "cruise"))
        lossy_rounds(&path, 1, 45);
    until(&path, "up");
    lose(&path, 60);
    ok(is_in(&path, "up"), "D1: nor do 6%% end up");
    lose(&path, 100);
    ok(is_in(&path, "down"), "D1: but 10%% do");
    end(&path);

    path = cruising();
    path.rtt_us = RTT_US * 5 / 4;
    round_trip(&path);
    lossy_rounds(&path, 8, 19);
    ops->phase(path.base, &floor);
    ok(floor == 0, "D1: losses beside a queue are nobody's floor");
    end(&path);

    path = cruising();
    for (unsigned i = 0; i < 30 && is_in(&path, "cruise"); i++)
        lossy_rounds(&path, 1, 300);
    ops->phase(path.base, &floor);
    ok(floor == 0.05, "D1: 5%% at most");
    end(&path);
}

static void allowance(void)
{
    struct path path = cruising();
    path.bbr->floor_packets = SCTP_BBR_D1_PRIOR;
    lossy_rounds(&path, 1, 40);
    round_trip(&path);
    ok(path.bbr->loss_floor > 15000000, "D1: the first lossy round weighs much: %llu",
       (unsigned long long)path.bbr->loss_floor);
    path.bbr->loss_floor = 20000000;
    double packets = (double)sctp_bbr_model_allowed(path.bbr, 1000 * MSS) / MSS;
    ok(near(packets, 40 + 2 * 4.472, 0.5),
       "D1: of 1000 packets 2%%, the floor of 2%% and two deviations may be lost: %.1f", packets);
    path.bbr->loss_floor = 0;
    ok(sctp_bbr_model_allowed(path.bbr, 1000 * MSS) == 20 * MSS, "D1: without a floor 2%%");
    end(&path);
}

/* Startup's first packets meet less of the line's jitter than all later ones. */
static void base_of_calm(void)
{
    struct path path = begin();
    path.rate = RATE / 2;
    round_trip(&path);
    path.rtt_us = RTT_US * 6 / 5;
    path.rate = RATE;
    until(&path, "cruise");
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(path.bbr->calm, "D1: what is calm is learnt after drain");
    end(&path);
}

static void own_queue(void)
{
    struct path path = going_up();
    round_trip(&path);
    path.rate = path.rate * 126 / 100; /* so no plateau ends it */
    path.rtt_us = RTT_US + RTT_US / SCTP_BBR_D2_SHARE + 500;
    path.sent_at = path.delivered;
    for (unsigned i = 0; i < SCTP_BBR_D2_SAMPLES - 1; i++)
        acknowledge(&path, MSS);
    ok(is_in(&path, "up"), "D2: seven samples with our queue are not enough");
    acknowledge(&path, MSS);
    ok(is_in(&path, "down"), "D2: eight in a row end up");
    end(&path);

    path = going_up();
    round_trip(&path);
    path.rate = path.rate * 126 / 100;
    path.rtt_us = RTT_US + RTT_US / SCTP_BBR_D2_SHARE + 500;
    path.sent_at = path.delivered;
    acknowledge(&path, SCTP_BBR_D2_PACKETS * MSS);
    ok(is_in(&path, "up"), "D2: one batch of 16 packets is not enough either");
    acknowledge(&path, MSS);
    ok(is_in(&path, "down"), "D2: a second one is");
    end(&path);

    path = going_up();
    round_trip(&path);
    path.rate = path.rate * 126 / 100;
    path.sent_at = path.delivered;
    for (unsigned i = 0; i < 40; i++) {
        path.rtt_us = RTT_US + (i % 8 == 7 ? 0 : RTT_US);
        acknowledge(&path, MSS);
    }
    ok(is_in(&path, "up"), "D2: in a row");
    end(&path);

    path = cruising();
    path.rtt_us = RTT_US * 3 / 2;
    until(&path, "refill");
    until(&path, "up");
    for (unsigned i = 0; i < 3; i++, path.rate = path.rate * 126 / 100)
        round_trip(&path);
    ok(is_in(&path, "up"), "D2: a queue that was there before is somebody else's");
    end(&path);
}

static void startup_losses(void)
{
    struct path path = begin();
    path.rate = 1000000;
    round_trip(&path);
    path.rtt_us = RTT_US * 5 / 4;
    round_trip(&path);
    for (unsigned i = 0; i < 200; i++) { /* one range of 200 */
        struct sctp_loss loss = loss_of(&path);
        loss.adjacent = i > 0;
        loss.begins_recovery = i == 0;
        ops->lost(path.base, &loss);
    }
    path.in_recovery = true;
    for (unsigned i = 0; i < 2; i++, path.rate = path.rate * 2)
        round_trip(&path);
    ok(is_in(&path, "startup"), "D3: 200 packets lost in one range do not end startup");
    lose(&path, 50);
    for (unsigned i = 0; i < 2; i++, path.rate = path.rate * 2)
        round_trip(&path);
    ok(!is_in(&path, "startup") && path.bbr->inflight_longterm != SCTP_BBR_NONE,
       "D3: 5%% in 50 ranges do, beside a queue");
    end(&path);

    path = begin();
    path.rate = 1000000;
    round_trip(&path);
    for (unsigned i = 0; i < 4; i++, path.rate = path.rate * 2) {
        lose(&path, 150);
        round_trip(&path);
    }
    ok(is_in(&path, "startup"), "D3: without one, 15%% are the line's");
    lose(&path, 300);
    for (unsigned i = 0; i < 2; i++, path.rate = path.rate * 2)
        round_trip(&path);
    ok(!is_in(&path, "startup"), "D3: 30%% are a queue too short to be seen");
    end(&path);

    path = begin();
    path.rate = 1000000;
    round_trip(&path);
    for (unsigned i = 0; i < 600; i++) {
        struct sctp_loss loss = loss_of(&path);
        loss.by_timeout = true;
        loss.begins_recovery = i == 0;
        ops->lost(path.base, &loss);
    }
    ops->timeout(path.base, path.now_us);
    ok(path.base->window == MSS, "one packet after T3");
    path.in_recovery = path.by_timeout = true;
    for (unsigned i = 0; i < 5; i++)
        round_trip(&path);
    ok(is_in(&path, "startup"), "D3: neither what T3 declares lost nor the rounds after it end it");
    path.in_recovery = path.by_timeout = false;
    for (unsigned i = 0; i < 4; i++)
        round_trip(&path);
    ok(!is_in(&path, "startup"), "D3: later ones do");
    end(&path);
}

static void spurious(void)
{
    struct path path = cruising();
    round_trip(&path);
    path.rate = RATE / 2;
    lose(&path, 40);
    for (unsigned i = 0; i < 25; i++)
        ops->spurious(path.base, path.now_us, MSS, false);
    round_trip(&path);
    round_trip(&path);
    ok(path.bbr->bw == RATE, "D4: 40 lost, 25 of them not: 1.5%% slow nothing down");
    end(&path);

    path = cruising();
    path.rtt_us = RTT_US * 5 / 4;
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    lose(&path, 40);
    for (unsigned i = 0; i < 40; i++)
        ops->spurious(path.base, path.now_us, MSS, false);
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    ok(path.bbr->bw_shortterm == SCTP_BBR_NONE, "D4: nor do 40 of 40, beside a queue");
    end(&path);

    path = going_up();
    lose(&path, 100);
    ok(is_in(&path, "down"), "10%% lost in up");
    ops->spurious(path.base, path.now_us, MSS, true);
    ok(is_in(&path, "refill") && path.bbr->inflight_longterm == SCTP_BBR_NONE,
       "D4: all of them were there: up is tried again, and nothing is remembered");
    end(&path);

    path = begin();
    path.rate = 1000000;
    round_trip(&path);
    path.rtt_us = RTT_US * 5 / 4;
    round_trip(&path);
    lose(&path, 100);
    for (unsigned i = 0; i < 2; i++, path.rate *= 2)
        round_trip(&path);
    ok(!is_in(&path, "startup"), "10%% lost in startup");
    uint64_t window = path.bbr->prior_window;
    ops->spurious(path.base, path.now_us, MSS, true);
    ok(is_in(&path, "startup") && path.base->window >= window, "D4: it goes on");
    end(&path);
}

static void standing_queue(void)
{
    struct path path = cruising();
    path.bbr->probe_wait_us = 60000000;
    path.rtt_us = RTT_US + 1500;
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    acknowledge(&path, MSS);
    ok(is_in(&path, "cruise") && near((double)path.base->pace, 0.94 * RATE, 0.1),
       "D5: a queue of 1.5 ms in cruise: 6%% slower");
    path.rtt_us = RTT_US * 3 / 2;
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    acknowledge(&path, MSS);
    ok(near((double)path.base->pace, 0.90 * RATE, 0.1), "D5: one of 25 ms: 10%%");
    path.bbr->probe_rtt_stamp_us = path.now_us;
    path.rtt_us = RTT_US;
    for (unsigned i = 0; i < 2; i++)
        round_trip(&path);
    acknowledge(&path, MSS);
    ok(near((double)path.base->pace, 0.99 * RATE, 0.1), "D5: until it has gone");
    end(&path);
}

static void slower_line(void)
{
    struct path path = cruising();
    path.skips_probe_rtt = true;
    path.rate = RATE / 4;
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(path.bbr->bw == RATE, "D6: low rates without a queue are no sign");
    path.rtt_us = RTT_US * 11 / 5;
    path.rate = RATE * 4 / 5;
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(path.bbr->bw == RATE, "D6: nor is a queue beside the whole rate");
    path.rate = RATE / 4;
    for (unsigned i = 0; i < 8; i++)
        round_trip(&path);
    ok(is_in(&path, "cruise") && near((double)path.bbr->bw, RATE / 3.0, 40),
       "D6: both are: %llu of %u bytes a second", (unsigned long long)path.bbr->bw, RATE);
    path.bbr->probe_wait_us = 60000000;
    path.rtt_us = RTT_US;
    path.rate = RATE / 8;
    uint64_t bw = path.bbr->bw;
    for (unsigned i = 0; i < 4; i++)
        round_trip(&path);
    ok(path.bbr->bw == bw, "D6: it does not rise where less is delivered");
    path.rate = RATE;
    for (unsigned i = 0; i < 3; i++)
        round_trip(&path);
    ok(path.bbr->bw > bw * 3 / 2 && path.bbr->bw < 2 * bw,
       "D6: and a quarter each round without a queue, else: %llu",
       (unsigned long long)path.bbr->bw);
    for (unsigned i = 0; i < 6; i++)
        round_trip(&path);
    ok(is_in(&path, "cruise") && path.bbr->bw == RATE, "D6: until it is as it was");
    end(&path);
}

static void beside_a_queue(void)
{
    struct path path = cruising();
    round_trip(&path);
    lose(&path, 10);
    round_trip(&path);
    round_trip(&path);
    ok(path.bbr->bw_shortterm == SCTP_BBR_NONE, "D1: 1%% lost in a calm round are borne");
    path.in_recovery = false;
    path.rtt_us = RTT_US * 5 / 4;
    round_trip(&path);
    round_trip(&path);
    lose(&path, 15);
    round_trip(&path);
    round_trip(&path);
    ok(path.bbr->bw_shortterm != SCTP_BBR_NONE, "D1: beside a queue 1.5%% are not");
    end(&path);
}

/* ---- T3, pauses ---- */

static void time_out(void)
{
    struct path path = cruising();
    uint64_t window = path.base->window;
    struct sctp_loss loss = loss_of(&path);
    loss.by_timeout = loss.begins_recovery = true;
    ops->lost(path.base, &loss);
    ops->timeout(path.base, path.now_us);
    ops->timeout(path.base, path.now_us + 200000);
    ok(path.base->window == MSS, "one packet after T3");
    path.in_recovery = path.by_timeout = true;
    acknowledge(&path, MSS);
    ok(path.base->window == SCTP_BBR_MIN_PIPE * MSS, "then four");
    path.in_recovery = path.by_timeout = false;
    acknowledge(&path, MSS);
    ok(near((double)path.base->window, (double)window, 1),
       "and all of it when the losses are repaired");
    ok(path.bbr->bw == RATE, "D3: the rate stays");
    end(&path);
}

/* An outage has stretched the intervals of all samples there were. */
static void tiny_rate(void)
{
    struct path path = going_up();
    path.rate = 100;
    for (unsigned i = 0; i < 400; i++)
        round_trip(&path);
    ok(path.bbr->bw < RATE / 100, "a rate of nearly nothing was measured");
    ok(path.base->pace >= SCTP_BBR_MIN_PIPE * MSS * UINT64_C(1000000) / path.rtt_us,
       "and four packets in a round trip may go all the same");
    end(&path);
}

static void pause(void)
{
    struct path path = going_up();
    acknowledge(&path, MSS);
    ok(path.base->pace > RATE, "up");
    ops->sent(path.base, path.now_us, MSS, 0);
    ok(near((double)path.base->pace, 0.99 * RATE, 0.1), "after a pause the pace is the rate");
    acknowledge(&path, MSS);
    lose(&path, 1);
    ops->sent(path.base, path.now_us, MSS, 0);
    ok(path.base->pace > RATE, "when all in flight is lost that is no pause");
    end(&path);
}

static void aggregation(void)
{
    struct path path = cruising();
    uint64_t window = path.base->window;
    path.now_us += RTT_US;
    path.sent_at = path.delivered;
    acknowledge(&path, BDP); /* nothing for a round trip, then all at once */
    for (unsigned i = 0; i < 2; i++) {
        path.now_us += 2 * RTT_US;
        acknowledge(&path, BDP);
    }
    ok(path.bbr->extra_acked > BDP / 2 && path.base->window > window + BDP / 2,
       "acknowledgements that come together widen the window");
    path.now_us += RTT_US;
    for (unsigned i = 0; i < 12; i++)
        round_trip(&path);
    ok(path.base->window <= window + BDP / 10, "for ten rounds");
    end(&path);
}

/* ---- short paths ---- */

static struct path short_one(void)
{
    struct path path = begin();
    path.bbr->least_rtt_us = 0;
    path.rtt_us = 200;
    path.rate = 1000000000;
    path.in_flight = 10 * MSS;
    round_trip(&path);
    return path;
}

static void short_path(void)
{
    struct path path = short_one();
    ok(path.base->pace == 0, "below 1 ms nothing is paced");
    ok(path.base->window >= SCTP_CONGESTION_SHORT_WINDOW &&
           path.base->window <= path.rate * path.rtt_us / 1000000 * 2,
       "128 KB may be in flight, and no more than twice what the path holds");
    ok(path.base->quantum == SCTP_CONGESTION_QUANTUM, "64 KB at once");
    path.rtt_us = 900;
    for (unsigned i = 0; i < 20000; i++)
        round_trip(&path);
    ok(path.base->pace == 0 && !is_in(&path, "probe-rtt"), "18 s later, too, without probe-rtt");
    path.rtt_us = 5000;
    for (unsigned i = 0; i < 4000; i++)
        round_trip(&path);
    ok(path.base->pace == 0, "and when our own queue makes it longer");
    struct sctp_loss loss = loss_of(&path);
    loss.by_timeout = loss.begins_recovery = true;
    ops->lost(path.base, &loss);
    ops->timeout(path.base, path.now_us);
    ok(path.base->window == MSS && path.base->pace > 0, "but not after T3");
    end(&path);

    path = short_one();
    path.rate = SCTP_CONGESTION_SHORT_RATE - 1;
    round_trip(&path);
    ok(path.base->pace == 0, "a rate that it just had keeps it short");
    for (unsigned i = 0; i < 1000; i++)
        round_trip(&path);
    ok(path.base->pace > 0, "below 16 MB/s it is as any other path");
    end(&path);

    path = short_one();
    until(&path, "cruise");
    path.rtt_us = 300;
    for (unsigned i = 0; i < 3; i++) {
        lose(&path, 150);
        round_trip(&path);
    }
    ok(path.base->pace > 0, "and so it is where 15%% are lost");
    path.in_recovery = false;
    for (uint64_t from_us = path.now_us; path.now_us < from_us + 10100000;)
        round_trip(&path);
    ok(path.base->pace == 0, "for 10 s");
    end(&path);
}

int main(void)
{
    first();
    plateau();
    limited_startup();
    drain();
    cycle();
    reno_rounds();
    more_is_found();
    filter();
    too_much_in_flight();
    longterm_grows();
    shortterm();
    probe_rtt();
    min_rtt();
    loss_floor();
    allowance();
    base_of_calm();
    own_queue();
    startup_losses();
    spurious();
    standing_queue();
    slower_line();
    beside_a_queue();
    time_out();
    tiny_rate();
    pause();
    aggregation();
    short_path();
    return tap_done();
}
