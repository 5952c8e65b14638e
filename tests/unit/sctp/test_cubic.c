/* CUBIC against its closed forms (RFC 9438), HyStart++ (RFC 9406) by hand-made round trips, and
 * what a peer may say. */
#include <stdlib.h>

#include "sctp/association.h"
#include "sctp/congestion.h"

#include "tests/lib/tap.h"
#include <stdlib.h>

#define MSS    1460u
#define RTT_US 50000u

static const struct sctp_congestion_ops *ops = &sctp_cubic_ops;

/* A flow that has all of its window in flight, acknowledged in batches. */
struct flow {
    struct sctp_congestion *cubic;
    uint64_t now_us, delivered, rtt_us;
};

static struct flow begin(uint64_t rtt_us)
{
    struct flow flow = {.now_us = 1000000, .rtt_us = rtt_us};
    flow.cubic = ops->make(flow.now_us, MSS, rtt_us);
    return flow;
}

static uint64_t packets(const struct flow *flow)
{
    return flow->cubic->window / MSS;
}

static struct sctp_sample sample_of(const struct flow *flow, uint64_t acked, uint64_t in_flight)
{
    return (struct sctp_sample){.now_us = flow->now_us,
                                .acked = acked,
                                .in_flight = in_flight - acked,
                                .prior_in_flight = in_flight,
                                .total_delivered = flow->delivered,
                                .rtt_us = flow->rtt_us,
                                .srtt_us = flow->rtt_us,
                                .has_packet = true,
                                .prior_delivered = flow->delivered - in_flight};
}

/* All that is in flight is acknowledged within a round trip, two packets each time. */
static void round_trip(struct flow *flow)
{
    uint64_t in_flight = flow->cubic->window / (2 * MSS) * (2 * MSS);
    uint64_t batches = in_flight / (2 * MSS), start_us = flow->now_us;
    flow->delivered += batches ? 0 : in_flight;
    for (uint64_t i = 1; i <= batches; i++) {
        flow->delivered += 2 * MSS;
        flow->now_us = start_us + flow->rtt_us * i / batches;
        struct sctp_sample sample = sample_of(flow, 2 * MSS, in_flight);
        sample.prior_delivered = flow->delivered > in_flight ? flow->delivered - in_flight : 0;
        ops->acked(flow->cubic, &sample);
    }
}

static void lose(struct flow *flow, bool by_timeout, bool begins)
{
    struct sctp_loss loss = {.now_us = flow->now_us,
                             .sent_us = flow->now_us - flow->rtt_us,
                             .size = MSS,
                             .by_timeout = by_timeout,
                             .begins_recovery = begins};
    ops->lost(flow->cubic, &loss);
}

static double cube(double value)
{
    return value * value * value;
}

static double cube_root(double value)
{
    double root = 1 + value / 3;
    for (unsigned i = 0; i < 60; i++)
        root -= (cube(root) - value) / (3 * root * root);
    return root;
}

static bool near(double value, double expected, double percent)
{
    double off = value > expected ? value - expected : expected - value;
    return off <= expected * percent / 100;
}

/* ---- start ---- */

static void first_window(void)
{
    struct flow flow = begin(RTT_US);
    ok(flow.cubic->window == SCTP_CONGESTION_FIRST_PACKETS * MSS, "44 packets at first");
    ok(near((double)flow.cubic->pace, 2.0 * 44 * MSS / 0.05, 1), "within half a round trip");
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = packets(&flow);
        round_trip(&flow);
        ok(near((double)packets(&flow), 2.0 * (double)before, 3), "%llu doubled to %llu",
           (unsigned long long)before, (unsigned long long)packets(&flow));
    }
    double floor = 1;
    ok(ops->phase(flow.cubic, &floor)[0] == 's' && floor == 0, "slow-start");
    free(flow.cubic);
    struct sctp_congestion *unknown = ops->make(0, MSS, 0);
    ok(unknown->pace == UINT64_C(2) * 44 * MSS * 1000,
       "a round trip that is not known counts as 1 ms");
    free(unknown);
}

/* A queue grows: round trips rise by a quarter each. */
static void hystart(void)
{
    struct flow flow = begin(RTT_US);
    round_trip(&flow);
    round_trip(&flow);
    uint64_t before = packets(&flow);
    flow.rtt_us += RTT_US / 4;
    round_trip(&flow);
    round_trip(&flow);
    uint64_t careful = packets(&flow);
    ok(careful < 3 * before, "round trips rise: %llu, %llu packets", (unsigned long long)before,
       (unsigned long long)careful);
    unsigned rounds = 0;
    double expected = (double)careful;
    for (; rounds < 20 && ops->phase(flow.cubic, &(double){0})[0] == 's'; rounds++) {
        round_trip(&flow);
        expected *= 1.25;
    }
    ok(rounds >= 4 && rounds <= 6, "five round trips a quarter as fast, then avoidance (%u)",
       rounds);
    ok(near((double)packets(&flow), expected, 25), "%llu packets",
       (unsigned long long)packets(&flow));
    free(flow.cubic);

    flow = begin(RTT_US);
    round_trip(&flow);
    round_trip(&flow);
    flow.rtt_us += RTT_US / 4;
    round_trip(&flow);
    flow.rtt_us = RTT_US;
    round_trip(&flow);
    before = packets(&flow);
    round_trip(&flow);
    ok(near((double)packets(&flow), 2.0 * (double)before, 3), "a queue that goes was none of ours");
    free(flow.cubic);
}

/* ---- avoidance ---- */

/* W(t) = 0.4 (t - K)^3 + W_max, K = cube_root(W_max (1 - 0.7) / 0.4). */
static void closed_form(unsigned rtt_us)
{
    struct flow flow = begin(rtt_us);
    while (packets(&flow) < 2000)
        round_trip(&flow);
    double highest = (double)flow.cubic->window / MSS;
    lose(&flow, false, true);
    ok(near((double)flow.cubic->window / MSS, 0.7 * highest, 0.2), "0.7 of %.0f after a loss",
       highest);
    ok(near((double)flow.cubic->pace, 1.25 * (double)flow.cubic->window * 1e6 / rtt_us, 1),
       "paced 1.25 times as fast as it is used");
    double rise = cube_root(highest * 0.3 / 0.4), start_us = (double)flow.now_us;
    unsigned wrong = 0;
    while ((double)flow.now_us < start_us + 1.5e6 * rise) {
        round_trip(&flow);
        double t = ((double)flow.now_us - start_us) / 1e6;
        double expected = highest + 0.4 * cube(t - rise);
        if (!near((double)flow.cubic->window / MSS, expected, 3))
            if (wrong++ == 0)
                tap_note("after %.2f s %.0f, not %.0f", t, (double)flow.cubic->window / MSS,
                         expected);
    }
    ok(wrong == 0, "then as the cubic says, for %.0f s at round trips of %u us", 1.5 * rise,
       rtt_us);
    free(flow.cubic);
}

/* With few packets and short round trips Reno grows faster: 0.53 packets a round trip, and one
 * once it is where it was. */
static void reno_region(void)
{
    struct flow flow = begin(5000);
    lose(&flow, false, true); /* 44 -> 30.8 */
    uint64_t start = flow.cubic->window;
    for (unsigned i = 0; i < 20; i++)
        round_trip(&flow);
    double grown = (double)(flow.cubic->window - start) / MSS;
    ok(near(grown, 20 * 0.53, 8), "20 round trips are %.1f packets of Reno's", grown);
    for (unsigned i = 0; i < 30; i++)
        round_trip(&flow);
    start = flow.cubic->window;
    for (unsigned i = 0; i < 10; i++)
        round_trip(&flow);
    grown = (double)(flow.cubic->window - start) / MSS;
    ok(near(grown, 10, 10), "and 10 above are %.1f", grown);
    free(flow.cubic);
}

static void gives_way(void)
{
    struct flow flow = begin(RTT_US);
    while (packets(&flow) < 1000)
        round_trip(&flow);
    double first = (double)flow.cubic->window / MSS;
    lose(&flow, false, true);
    round_trip(&flow);
    double second = (double)flow.cubic->window / MSS;
    lose(&flow, false, true);
    double start_us = (double)flow.now_us, rise = cube_root((0.85 - 0.7) * second / 0.4);
    while ((double)flow.now_us < start_us + 1e6 * rise)
        round_trip(&flow);
    ok(second < first && near((double)flow.cubic->window / MSS, 0.85 * second, 2),
       "a loss below the highest: it rises to 0.85 of it (%.0f of %.0f)",
       (double)flow.cubic->window / MSS, second);
    free(flow.cubic);
}

static void one_loss_an_episode(void)
{
    struct flow flow = begin(RTT_US);
    uint64_t window = flow.cubic->window;
    lose(&flow, false, true);
    for (unsigned i = 0; i < 30; i++)
        lose(&flow, false, false);
    ok(flow.cubic->window == window * 7 / 10, "an episode reduces once");
    struct sctp_sample sample = sample_of(&flow, MSS, MSS);
    sample.in_recovery = true;
    sample.prior_delivered = 0;
    ops->acked(flow.cubic, &sample);
    ok(flow.cubic->window == window * 7 / 10, "and does not grow");
    flow.now_us += RTT_US - 1;
    lose(&flow, false, true);
    ok(flow.cubic->window == window * 7 / 10, "nor does what was sent before it reduce again");
    ops->spurious(flow.cubic, flow.now_us, MSS, true);
    ok(flow.cubic->window == window * 7 / 10, "or undo anything");
    ok(ops->phase(flow.cubic, &(double){0})[0] == 'r', "recovery");
    free(flow.cubic);
}

/* ---- undo ---- */

static void undo(void)
{
    struct flow flow = begin(RTT_US);
    while (packets(&flow) < 1000)
        round_trip(&flow);
    lose(&flow, false, true);
    for (unsigned i = 0; i < 10; i++)
        round_trip(&flow);
    uint64_t window = flow.cubic->window;
    lose(&flow, false, true);
    ops->spurious(flow.cubic, flow.now_us, MSS, false);
    ok(flow.cubic->window < window, "one of an episode undoes nothing");
    ops->spurious(flow.cubic, flow.now_us, MSS, true);
    ok(flow.cubic->window == window, "the whole episode does");
    ops->spurious(flow.cubic, flow.now_us, MSS, true);
    ok(flow.cubic->window == window, "once");

    lose(&flow, true, true);
    ops->timeout(flow.cubic, flow.now_us);
    ops->timeout(flow.cubic, flow.now_us);
    lose(&flow, true, true);
    ops->spurious(flow.cubic, flow.now_us, MSS, true);
    ok(flow.cubic->window == window, "a time-out, too, also the second in a row");
    free(flow.cubic);
}

/* ---- T3, pauses ---- */

static void time_out(void)
{
    struct flow flow = begin(RTT_US);
    while (packets(&flow) < 1000)
        round_trip(&flow);
    uint64_t before = packets(&flow);
    lose(&flow, true, true);
    ops->timeout(flow.cubic, flow.now_us);
    ok(flow.cubic->window == MSS, "one packet after T3");
    ops->timeout(flow.cubic, flow.now_us);
    struct sctp_sample sample = sample_of(&flow, MSS, MSS);
    sample.in_recovery = sample.by_timeout = true;
    ops->acked(flow.cubic, &sample);
    unsigned rounds = 0;
    for (; rounds < 20 && ops->phase(flow.cubic, &(double){0})[0] != 'a'; rounds++)
        round_trip(&flow);
    ok(rounds >= 8 && rounds <= 11, "then slow start, %u round trips", rounds);
    ok(near((double)packets(&flow), 0.7 * (double)before, 3), "up to 0.7 of what it was, though T3 "
                                                              "came twice");
    free(flow.cubic);
}

static void pauses(void)
{
    struct flow flow = begin(RTT_US);
    while (packets(&flow) < 1000)
        round_trip(&flow);
    lose(&flow, false, true);
    round_trip(&flow);
    uint64_t window = flow.cubic->window;
    /* Half a window at a time is acknowledged, for want of data. */
    for (unsigned i = 0; i < 100; i++) {
        flow.now_us += RTT_US;
        struct sctp_sample sample = sample_of(&flow, window / 2, window / 2);
        sample.limited = true;
        ops->acked(flow.cubic, &sample);
    }
    ok(flow.cubic->window == window, "a window that is not used does not grow");
    round_trip(&flow);
    ok(near((double)flow.cubic->window, (double)window, 2), "nor jump afterwards");
    window = flow.cubic->window;
    ops->sent(flow.cubic, flow.now_us, MSS, MSS);
    flow.now_us += 900000;
    ops->sent(flow.cubic, flow.now_us, MSS, 0);
    ok(flow.cubic->window == window, "a pause below a second leaves the window");
    flow.now_us += 2000000;
    ops->sent(flow.cubic, flow.now_us, MSS, 0);
    ok(flow.cubic->window == window / 4, "two seconds leave a quarter");
    ops->sent(flow.cubic, flow.now_us + UINT64_C(1000000000000), MSS, 0);
    ok(packets(&flow) == SCTP_CONGESTION_FIRST_PACKETS, "a week the first window");
    for (unsigned i = 0; i < 6; i++)
        round_trip(&flow);
    ok(near((double)flow.cubic->window, (double)window, 10),
       "slow start brings it back up to the threshold");
    free(flow.cubic);
}

/* ---- short paths, packets, numbers ---- */

static void short_path(void)
{
    struct flow flow = begin(0);
    flow.rtt_us = 100;
    struct sctp_sample sample = sample_of(&flow, MSS, MSS);
    ops->acked(flow.cubic, &sample);
    ok(flow.cubic->pace == 0, "below 1 ms nothing is paced");
    ok(flow.cubic->window == SCTP_CONGESTION_SHORT_WINDOW, "the window is 128 KB at least");
    ok(flow.cubic->quantum == SCTP_CONGESTION_SHORT_WINDOW / 4, "a quarter of it at once");
    for (unsigned i = 0; i < 10; i++)
        round_trip(&flow);
    ok(flow.cubic->window == SCTP_CONGESTION_SHORT_WINDOW_MAX, "and at most");
    lose(&flow, false, true);
    ok(flow.cubic->window == SCTP_CONGESTION_SHORT_WINDOW_MAX * 7 / 10 && flow.cubic->pace,
       "after a loss it is paced, and may shrink");
    for (unsigned i = 0; i < 20; i++) {
        flow.now_us += 1000;
        lose(&flow, false, true);
    }
    ok(flow.cubic->window < SCTP_CONGESTION_SHORT_WINDOW / 4, "below that");
    flow.now_us += 10000000;
    round_trip(&flow);
    ok(flow.cubic->window >= SCTP_CONGESTION_SHORT_WINDOW && !flow.cubic->pace, "for 10 s");
    free(flow.cubic);
}

static void quantum(void)
{
    struct sctp_congestion congestion = {.mss = MSS, .window = 100 * MSS};
    sctp_congestion_pace(&congestion, 1000000, 1000000, 100);
    ok(congestion.pace == 1000000 && congestion.quantum == 2 * MSS, "two packets at least");
    sctp_congestion_pace(&congestion, 20000000, 1000000, 100);
    ok(congestion.quantum == 20000, "a millisecond");
    sctp_congestion_pace(&congestion, 50000000, 1000000, 100);
    ok(congestion.quantum == 25 * MSS, "a quarter of the window");
    congestion.window = 4000 * MSS;
    sctp_congestion_pace(&congestion, 100000000, 1000000, 100);
    ok(congestion.quantum == SCTP_CONGESTION_QUANTUM, "64 KB at most");
    congestion.window = 2 * MSS;
    sctp_congestion_pace(&congestion, 0, 0, 0);
    ok(congestion.quantum == MSS && congestion.pace == SCTP_CONGESTION_RATE_MIN,
       "never less than a packet, never quite still");
    sctp_congestion_pace(&congestion, UINT64_MAX, 0, 300);
    ok(congestion.pace == SCTP_CONGESTION_RATE_MAX, "137 GB/s at most");
    ok(sctp_congestion_find("cubic") == ops, "found by its name");
    ok(!sctp_congestion_find("reno") && !sctp_congestion_find(NULL), "and no other is");
}

int main(void)
{
    first_window();
    hystart();
    closed_form(RTT_US);
    closed_form(20000);
    closed_form(200000);
    reno_region();
    gives_way();
    one_loss_an_episode();
    undo();
    time_out();
    pauses();
    short_path();
    quantum();
    return tap_done();
}
