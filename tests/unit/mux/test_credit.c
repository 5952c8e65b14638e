#include "mux/credit.h"

#include <stddef.h>

#include "tests/lib/tap.h"

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
    credit_receiver_start(&r, 100, 400, NULL);
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
    credit_receiver_start(&r, 100, 450, &budget);
    ok(fill_to(&r, 100) == 300 && r.window == 200, "stopped by the window: it doubles");
    ok(fill_to(&r, 300) == 700 && r.window == 400, "again");
    ok(fill_to(&r, 700) == 1150 && r.window == 450, "up to the maximum");
    ok(fill_to(&r, 1150) == 1600 && r.window == 450, "and not beyond");
    ok(atomic_load(&budget.used) == 350, "the budget knows");
    credit_receiver_end(&r);
    credit_receiver_end(&r);
    ok(atomic_load(&budget.used) == 0, "and gets it back, once");
}

static void test_fast_enough(void)
{
    struct credit_receiver r;
    credit_receiver_start(&r, 100, 400, NULL);
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
    credit_receiver_start(&r, 100, 400, NULL);
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
    credit_receiver_start(&r, 1000, 16000, NULL);
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
    credit_receiver_start(&r, 1000, 16000, NULL);
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
    struct mux_budget budget = {.limit = 150};
    struct credit_receiver a, b;
    credit_receiver_start(&a, 100, 400, &budget);
    credit_receiver_start(&b, 100, 400, &budget);
    fill_to(&a, 100);
    ok(fill_to(&b, 100) == 200 && b.window == 100, "no budget: no growth, but credit");
    credit_receiver_end(&a);
    fill_to(&b, 200);
    ok(b.window == 200, "budget given back: growth");
}

int main(void)
{
    test_sender();
    test_receiver();
    test_grows();
    test_fast_enough();
    test_slow_reader();
    test_grows_over_a_long_way();
    test_grows_with_bursts_of_credit();
    test_budget_ends();
    return tap_done();
}
