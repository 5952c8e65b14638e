/* The simulator's line does what its options say: rate, queue, loss and its bursts, order, jitter,
 * reordering, duplicates, flipped bits, aggregation, policer, CoDel, a changing rate, a black hole.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "tests/sim/line.h"

#define SIZE 1000

static struct sim_chance chance;

/* The fate of count packets of SIZE bytes, one each each_us. */
struct fate {
    unsigned out, lost, late, twice, corrupt, bursts;
    uint64_t first_us, last_us, longest_us;
};

static struct fate send_all(struct sim_way *way, unsigned count, uint64_t each_us)
{
    struct fate fate = {0};
    struct sim_arrival out[2];
    bool was_lost = false;
    way->chance = &chance;
    for (unsigned i = 0; i < count; i++) {
        uint64_t now = i * each_us;
        unsigned copies = sim_way_send(way, now, SIZE, out);
        fate.lost += !copies;
        fate.bursts += !copies && !was_lost;
        was_lost = !copies;
        fate.twice += copies == 2;
        for (unsigned k = 0; k < copies; k++) {
            fate.out++;
            fate.corrupt += out[k].corrupt;
            fate.late += out[k].at_us < fate.last_us;
            if (fate.out == 1)
                fate.first_us = out[k].at_us;
            if (out[k].at_us > fate.last_us)
                fate.last_us = out[k].at_us;
            if (out[k].at_us - now > fate.longest_us)
                fate.longest_us = out[k].at_us - now;
        }
    }
    return fate;
}

static struct sim_way *way_of(struct sim_line line)
{
    static struct sim_way way;
    memset(&way, 0, sizeof way);
    way.line = line;
    return &way;
}

static bool is_near(double value, double wanted, double tolerance)
{
    return value > wanted * (1 - tolerance) && value < wanted * (1 + tolerance);
}

static void test_rate(void)
{
    struct sim_way *way =
        way_of((struct sim_line){.rate = 1100000, .delay_us = 7000, .overhead = 100});
    struct fate fate = send_all(way, 1000, 10);
    ok(!fate.lost && fate.first_us == 8000 && fate.last_us == 1007000 && !fate.late,
       "1100 bytes on the wire at 1.1 MB/s take 1 ms each, and 7 ms of delay");
    ok(sim_way_wait(way, 9990) == 1000000 - 9990, "the queue is what waits");
    way = way_of((struct sim_line){.rate = 1000000, .queue_us = 20000});
    fate = send_all(way, 1000, 10);
    ok(fate.longest_us <= 21000 && way->full == fate.lost && fate.lost > 900,
       "a queue of 20 ms holds no more than that");
    way = way_of((struct sim_line){
        .rate = 1000000, .swing_us = 100000, .swing_rate = 250000, .queue_us = 5000});
    fate = send_all(way, 1000, 1000);
    ok(is_near(fate.out, 625, 0.03), "a rate that swings between 1 and a quarter lets 5/8 through");
    way = way_of((struct sim_line){.police = 500000, .police_burst = 10000});
    fate = send_all(way, 1000, 1000);
    ok(is_near(fate.out, 500, 0.02) && way->policed == fate.lost, "a policer of half the rate");
    way = way_of((struct sim_line){.aggregate_us = 4000});
    fate = send_all(way, 10, 100);
    ok(fate.first_us == 4000 && fate.last_us == 4000, "what comes within 4 ms arrives together");
    way = way_of((struct sim_line){.mtu = SIZE - 1});
    ok(send_all(way, 10, 100).lost == 10 && way->vanished == 10, "larger packets vanish");
}

static void test_loss(void)
{
    struct fate fate = send_all(way_of((struct sim_line){.loss = 0.05}), 200000, 1);
    ok(is_near(fate.lost, 10000, 0.05) && is_near((double)fate.lost / fate.bursts, 1.05, 0.03),
       "5%% lost, each by itself");
    fate = send_all(way_of((struct sim_line){.loss = 0.05, .burst = 3}), 200000, 1);
    ok(is_near(fate.lost, 10000, 0.07) && is_near((double)fate.lost / fate.bursts, 3, 0.06),
       "5%% lost in bursts of 3");
    fate = send_all(way_of((struct sim_line){.duplicate = 0.1, .corrupt = 0.01}), 100000, 1);
    ok(is_near(fate.twice, 10000, 0.05) && is_near(fate.corrupt, 1100, 0.15),
       "a tenth comes twice, a hundredth with a flipped bit");
}

static void test_order(void)
{
    struct fate fate = send_all(way_of((struct sim_line){.jitter_us = 8000}), 10000, 100);
    ok(!fate.late && is_near((double)fate.longest_us, 8000, 0.05), "jitter keeps the order");
    fate = send_all(way_of((struct sim_line){.jitter_us = 8000, .reorder = 0.1}), 10000, 100);
    ok(fate.late > 5000 && fate.longest_us < 8000, "reordering does not");
}

static void test_codel(void)
{
    /* A fifth too much: CoDel drops more and more until the queue is short (open loop). */
    struct sim_way *way = way_of((struct sim_line){.rate = 1000000, .codel = true});
    uint64_t late = 0;
    struct sim_arrival out[2];
    way->chance = &chance;
    for (uint64_t now = 0; now < 60000000; now += 833) {
        unsigned copies = sim_way_send(way, now, SIZE, out);
        if (copies && now > 50000000 && out[0].at_us - now > late)
            late = out[0].at_us - now;
    }
    ok(late < 120000 && way->full > 10000, "CoDel: the queue falls to %.0f ms under overload",
       (double)late / 1000);
    for (unsigned i = 0; i < 100; i++)
        sim_way_look(way, 0);
    sim_way_forget(way);
    way->free_us = 3000;
    for (uint64_t now = 0; now < 4000; now += 1000)
        sim_way_look(way, now);
    ok(sim_way_quantile_ms(way, 0.5) == 1.0 && sim_way_quantile_ms(way, 1) == 3.0,
       "quantiles of what was seen");
}

int main(void)
{
    chance.state = tap_seed();
    test_rate();
    test_loss();
    test_order();
    test_codel();
    return tap_done();
}
