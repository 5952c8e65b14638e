/* Decides when a loop polls instead of sleeping. */
#include "base/busy_poll.h"

#include "base/number.h"

/* Polling begins after 8 short waits in a row, and ends after 3 long ones: it wastes less than the
 * window in each 4 waits, whatever the pattern. */
#define CONFIDENCE_POLLS 8
#define CONFIDENCE_MAX   16
#define CONFIDENCE_LOSS  4

/* In windows. A sleeper sees an event later than a poller, by the wake-ups of all that take part in
 * a round trip: up to 90 µs, and 30 µs with polling. */
#define SLEPT_SHORT 2

/* Beyond the window. A turn of the scheduler is 3 ms, what others do in a round trip 100 µs. */
#define CROWDED_US 1000

/* Single turns that others take are no crowd: there were three a second here, and 20 ms of sleep
 * after each of them made the slowest of 100 round trips. The pause doubles when polling turns out
 * as bad again within 16 times the last pause; at its longest one turn in 256 ms is lost. */
#define PAUSE_MIN_US  1000
#define PAUSE_MAX_US  256000
#define PAUSE_REPEATS 16

uint32_t busy_poll_window(const struct busy_poll *self, uint64_t now_us)
{
    return self->confidence >= CONFIDENCE_POLLS && now_us >= self->crowded_until ? self->window_us
                                                                                 : 0;
}

static void learn(struct busy_poll *self, bool was_short)
{
    self->confidence += was_short ? 1 : -CONFIDENCE_LOSS;
    if (self->confidence < 0)
        self->confidence = 0;
    if (self->confidence > CONFIDENCE_MAX)
        self->confidence = CONFIDENCE_MAX;
}

static void pause_polling(struct busy_poll *self, uint64_t now_us)
{
    bool again = self->pause_us && now_us - self->crowded_until < PAUSE_REPEATS * self->pause_us;
    self->pause_us = again ? number_least(2 * self->pause_us, PAUSE_MAX_US) : PAUSE_MIN_US;
    self->crowded_until = now_us + self->pause_us;
}

void busy_poll_polled(struct busy_poll *self, bool found, uint64_t took_us, uint64_t now_us)
{
    if (took_us > (uint64_t)self->window_us + CROWDED_US)
        pause_polling(self, now_us);
    learn(self, found);
}

void busy_poll_slept(struct busy_poll *self, uint64_t waited_us)
{
    learn(self, waited_us < (uint64_t)SLEPT_SHORT * self->window_us);
}
