/* Busy polling: short waits, long waits, and a crowded processor. */
#include "base/busy_poll.h"

#include "tests/lib/tap.h"

#define WINDOW 100
#define MS     UINT64_C(1000)

static uint64_t now = 5000000;

static uint32_t window(const struct busy_poll *poll)
{
    return busy_poll_window(poll, now);
}

/* So many waits, as a loop would make them: it looks while it may, and sleeps otherwise. Returns
 * the time spent looking in vain. */
static uint64_t waits(struct busy_poll *poll, int count, uint64_t each_us)
{
    uint64_t wasted = 0;
    for (int i = 0; i < count; i++) {
        bool looks = window(poll) > 0;
        bool finds = looks && each_us < window(poll);
        wasted += looks && !finds ? window(poll) : 0;
        now += each_us;
        if (looks)
            busy_poll_polled(poll, finds, finds ? each_us : WINDOW, now);
        else
            busy_poll_slept(poll, each_us);
    }
    return wasted;
}

static void short_waits(void)
{
    struct busy_poll poll = {.window_us = WINDOW};
    ok(window(&poll) == 0, "a new loop sleeps");
    (void)waits(&poll, 7, 90);
    ok(window(&poll) == 0, "seven short waits are not enough");
    (void)waits(&poll, 1, 90);
    ok(window(&poll) == WINDOW, "after eight it looks");
    (void)waits(&poll, 100, 20);
    ok(window(&poll) == WINDOW, "and goes on while that finds something");
    (void)waits(&poll, 3, 5000);
    ok(window(&poll) == 0, "three waits that were too long end it");

    struct busy_poll never = {.window_us = 0};
    (void)waits(&never, 100, 0);
    ok(window(&never) == 0, "a window of 0 never looks");
}

static void long_waits(void)
{
    struct busy_poll poll = {.window_us = WINDOW};
    ok(waits(&poll, 1000, 2 * WINDOW) == 0, "waits of two windows: nothing is spent on looking");
    uint64_t wasted = waits(&poll, 1000, 3 * WINDOW / 2);
    ok(wasted <= 1000 * WINDOW / 4, "waits half as long again as it: %d us of 150 ms in vain",
       (int)wasted);
    wasted = 0;
    for (int i = 0; i < 1000; i++)
        wasted += waits(&poll, 1, 20) + waits(&poll, 1, 1000);
    ok(wasted <= 3 * WINDOW, "every second one long: %d us in vain", (int)wasted);
}

static void crowded(void)
{
    struct busy_poll poll = {.window_us = WINDOW};
    (void)waits(&poll, 20, 20);
    now += 4 * MS;
    busy_poll_polled(&poll, true, 4 * MS, now);
    ok(window(&poll) == 0, "others held the processor for 4 ms: it sleeps");
    now += 1 * MS;
    ok(window(&poll) == WINDOW, "for a millisecond");
    uint64_t slept = 0;
    for (int i = 1; i <= 4000; i++) {
        (void)waits(&poll, 1, 90);
        if (i % 1000 == 0)
            busy_poll_polled(&poll, true, 4 * MS, now);
        slept += window(&poll) ? 0 : 90;
    }
    ok(slept < 5 * MS, "and as long for each of four, 90 ms apart: %d us", (int)slept);

    uint64_t lost = 0, begun = now;
    while (now - begun < 10000 * MS) {
        now += window(&poll) ? 4 * MS : 100;
        lost += window(&poll) ? 4 * MS : 0;
        if (window(&poll))
            busy_poll_polled(&poll, true, 4 * MS, now);
        else
            busy_poll_slept(&poll, 100);
    }
    ok(lost <= 50 * 4 * MS, "where they always do, %d ms of 10 s are lost to it", (int)(lost / MS));

    now += 5000 * MS;
    busy_poll_polled(&poll, true, 4 * MS, now);
    now += 1 * MS;
    ok(window(&poll) == WINDOW, "after five good seconds the pause is short again");
}

int main(void)
{
    short_waits();
    long_waits();
    crowded();
    return tap_done();
}
