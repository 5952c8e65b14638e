/* Credit of one connection: windows that grow, shrink and end. */
#include "mux/credit.h"

#include <stddef.h>

#include "base/check.h"
#include "tests/lib/tap.h"

/* Promised and initial are the same: as much as the budget has is granted at once. */
static void start(struct credit_receiver *r, uint32_t initial, uint32_t max,
                  struct mux_budget *budget)
{
    credit_receiver_start(r, &(struct credit_windows){initial, initial, max}, budget);
}

static void test_sender(void)
{
    struct credit_sender s;
    credit_sender_start(&s, 100);
    ok(credit_sender_room(&s) == 100, "the initial window");
    credit_sender_send(&s, 100);
    ok(credit_sender_room(&s) == 0, "used up");
    ok(!credit_sender_update(&s, 100) && !credit_sender_update(&s, 5) && s.granted == 100,
       "old and equal offsets change nothing");
    ok(credit_sender_update(&s, 150) && credit_sender_room(&s) == 50, "room that was not");
    ok(!credit_sender_update(&s, UINT64_MAX), "more room is no news");
    ok(credit_sender_room(&s) == UINT64_MAX - 100, "and does not overflow");
}

static void test_receiver(void)
{
    struct credit_receiver r;
    start(&r, 100, 400, NULL);
    ok(credit_receiver_receive(&r, 60) && !credit_receiver_receive(&r, 41), "41 beyond 60 of 100");
    ok(!credit_receiver_receive(&r, UINT64_MAX), "an absurd length does not overflow");
    ok(!credit_receiver_consume(&r, 24) && credit_receiver_consume(&r, 1), "a quarter taken");
    ok(credit_receiver_grant(&r) == 125, "the window beyond what was taken");
    ok(!credit_receiver_consume(&r, 24) && credit_receiver_consume(&r, 11), "and again");
    ok(credit_receiver_grant(&r) == 160, "from the whole of it");
}

/* The sender stops at each limit: a frame ends there. */
static uint64_t fill_to(struct credit_receiver *r, uint64_t limit)
{
    credit_receiver_receive(r, limit - r->received);
    credit_receiver_consume(r, r->received - r->consumed);
    return credit_receiver_grant(r);
}

static void test_grows(void)
{
    struct mux_budget budget = {.limit = 1000};
    struct credit_receiver r;
    start(&r, 100, 450, &budget);
    ok(atomic_load(&budget.used) == 100, "the budget knows what was promised");
    ok(fill_to(&r, 100) == 300 && r.window == 200, "stopped by the window: it doubles");
    ok(fill_to(&r, 300) == 700 && r.window == 400, "again");
    ok(fill_to(&r, 700) == 1150 && r.window == 450, "up to the maximum");
    ok(fill_to(&r, 1150) == 1600 && r.window == 450, "and not beyond");
    ok(atomic_load(&budget.used) == 450, "the budget knows");
    credit_receiver_end(&r);
    credit_receiver_end(&r);
    ok(atomic_load(&budget.used) == 0, "and gets it back, once");
}

/* Little is promised, because that is owed in any case; the rest is given where there is plenty. */
static void test_opens(void)
{
    static const struct credit_windows windows = {.promised = 100, .initial = 400, .max = 800};
    struct mux_budget budget = {.limit = 1200};
    struct credit_receiver a, b, c;
    credit_receiver_start(&a, &windows, &budget);
    ok(a.granted == 100 && credit_receiver_open(&a) && credit_receiver_grant(&a) == 400,
       "the first CREDIT makes the initial window");
    ok(!credit_receiver_open(&a), "once");
    credit_receiver_start(&b, &windows, &budget);
    ok(!credit_receiver_open(&b) && b.granted == 100,
       "no more than half is given before it is used");
    ok(fill_to(&b, 100) == 300 && fill_to(&b, 300) == 700 && b.window == 400,
       "its need makes the window larger");
    ok(fill_to(&b, 700) == 1100 && b.window == 400,
       "but not beyond, where others may need the rest");
    credit_receiver_start(&c, &windows, &budget);
    credit_receiver_end(&a);
    credit_receiver_end(&b);
    credit_receiver_end(&c);
    ok(atomic_load(&budget.used) == 0, "the budget gets all of it back");
}

static void test_promised(void)
{
    struct mux_budget budget = {.limit = 256u << 20};
    ok(credit_promised(&budget, 2048, 262144) == 16384, "an eighth for all streams");
    ok(credit_promised(&budget, 65533, 262144) == CREDIT_PROMISED_MIN, "but not too little");
    ok(credit_promised(&budget, 16, 262144) == CREDIT_PROMISED_MAX, "nor more than is of use");
    ok(credit_promised(&budget, 16, 5000) == 5000, "nor more than the initial window");
    ok(credit_promised(NULL, 16, 262144) == 262144, "without a budget that");
}

/* Granted credit stays granted: a large window gives way as its reader goes on. */
static void test_shrinks(void)
{
    struct mux_budget budget = {.limit = 2400};
    struct credit_receiver r, others[9];
    start(&r, 100, 1600, &budget);
    for (uint64_t limit = 100; r.window < 1600;)
        limit = fill_to(&r, limit);
    uint64_t limit = r.granted;
    for (int i = 0; i < 9; i++)
        start(&others[i], 100, 100, &budget);
    ok(atomic_load(&budget.used) == 2500, "what was promised is owed, also beyond the limit");
    ok(!mux_budget_has(&budget, 0, BUDGET_ALL), "and that is seen");
    for (int i = 0; i < 40; i++) {
        uint64_t before = r.granted;
        credit_receiver_receive(&r, r.window / 2);
        if (credit_receiver_consume(&r, r.received - r.consumed))
            limit = credit_receiver_grant(&r);
        must(limit >= before && limit >= r.received);
    }
    ok(r.window <= 900 && r.window >= 750, "down to where all have three quarters: %u", r.window);
    credit_receiver_end(&r);
    for (int i = 0; i < 9; i++)
        credit_receiver_end(&others[i]);
    ok(atomic_load(&budget.used) == 0, "the budget gets all of it back");
}

static void test_fast_enough(void)
{
    struct credit_receiver r;
    start(&r, 100, 400, NULL);
    for (int i = 0; i < 1000; i++) { /* frames of 7 pass the limits, which run ahead */
        credit_receiver_receive(&r, 7);
        if (credit_receiver_consume(&r, 7))
            credit_receiver_grant(&r);
    }
    ok(r.window == 100, "a sender that the window does not stop: no growth");
}

static void test_slow_reader(void)
{
    struct credit_receiver r;
    start(&r, 100, 400, NULL);
    for (int i = 0; i < 100; i++) { /* the sender fills all, the reader takes a quarter */
        credit_receiver_receive(&r, r.granted - r.received);
        if (credit_receiver_consume(&r, 25))
            credit_receiver_grant(&r);
    }
    ok(r.window == 100, "the reader is the brake: no growth");
}

/* Limits run ahead of the data with a fast reader and a long way: the case of a bulk transfer. */
static void test_grows_over_a_long_way(void)
{
    struct credit_receiver r;
    start(&r, 1000, 16000, NULL);
    uint64_t on_way[16] = {0}, limit = 1000, sent = 0;
    for (int i = 0; i < 400; i++) { /* 16 steps there, CREDIT is back at once */
        uint64_t length = limit - sent < 300 ? limit - sent : 300;
        uint64_t arrived = on_way[i % 16];
        on_way[i % 16] = length;
        sent += length;
        credit_receiver_receive(&r, arrived);
        if (arrived && credit_receiver_consume(&r, arrived))
            limit = credit_receiver_grant(&r);
    }
    ok(r.window >= 4800 && r.window <= 16000, "grows to what the way holds: %u", r.window);
}

/* Records of 7, which hit a limit only where the sender stops; CREDIT comes back in bursts, so that
 * it stops at the last limit of a burst. */
static void test_grows_with_bursts_of_credit(void)
{
    struct credit_receiver r;
    start(&r, 1000, 16000, NULL);
    uint64_t limit = 1000, next = 1000, sent = 0;
    for (int i = 0; i < 40; i++, limit = next) {
        for (; sent < limit; sent = r.received) {
            credit_receiver_receive(&r, limit - sent < 7 ? limit - sent : 7);
            if (credit_receiver_consume(&r, r.received - r.consumed))
                next = credit_receiver_grant(&r);
        }
    }
    ok(r.window == 16000, "grows to the maximum: %u", r.window);
}

static void test_budget_ends(void)
{
    struct mux_budget budget = {.limit = 400};
    struct credit_receiver a, b;
    start(&a, 100, 400, &budget);
    start(&b, 100, 400, &budget);
    fill_to(&a, 100);
    ok(fill_to(&b, 100) == 200 && b.window == 100, "no budget: no growth, but credit");
    credit_receiver_end(&a);
    fill_to(&b, 200);
    ok(b.window == 200, "budget given back: growth");
    credit_receiver_end(&b);
}

int main(void)
{
    test_sender();
    test_receiver();
    test_grows();
    test_opens();
    test_promised();
    test_shrinks();
    test_fast_enough();
    test_slow_reader();
    test_grows_over_a_long_way();
    test_grows_with_bursts_of_credit();
    test_budget_ends();
    return tap_done();
}
