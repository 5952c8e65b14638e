#include "base/busy_poll.h"

/* Looking begins after 8 short waits in a row, and ends after 3 in vain: what is wasted is less
 * than the window for each 4 waits, whatever the pattern. */
#define SURE 8
#define MOST 16
#define LOSS 4

/* In windows. A sleeper learns of an event later than one who looks: by the wake-ups of all who
 * take part in a round trip, up to 90 µs where looking takes 30. */
#define SLEPT_SHORT 2

/* Beyond the window. A turn of the scheduler is 3 ms, what others do in a round trip 100 µs. */
#define CROWDED_US 1000

/* Single turns that others take are no crowd: three a second here, and 20 ms of sleep after each of
 * them made the slowest of 100 round trips. The pause doubles while looking again, within 16 times
 * the last one, proves just as bad; at its longest one turn in 256 ms is lost. */
#define PAUSE_MIN_US 1000
#define PAUSE_MAX_US 256000
#define AGAIN        16

uint32_t busy_poll_window(const struct busy_poll *self, uint64_t now_us)
{
    return self->confidence >= SURE && now_us >= self->crowded_until ? self->window_us : 0;
}

static void learn(struct busy_poll *self, bool was_short)
{
    self->confidence += was_short ? 1 : -LOSS;
    if (self->confidence < 0)
        self->confidence = 0;
    if (self->confidence > MOST)
        self->confidence = MOST;
}

static void keep_off(struct busy_poll *self, uint64_t now_us)
{
    bool again = self->pause_us && now_us - self->crowded_until < AGAIN * self->pause_us;
    self->pause_us = again ? 2 * self->pause_us : PAUSE_MIN_US;
    if (self->pause_us > PAUSE_MAX_US)
        self->pause_us = PAUSE_MAX_US;
    self->crowded_until = now_us + self->pause_us;
}

void busy_poll_looked(struct busy_poll *self, bool found, uint64_t took_us, uint64_t now_us)
{
    if (took_us > (uint64_t)self->window_us + CROWDED_US)
        keep_off(self, now_us);
    learn(self, found);
}

void busy_poll_slept(struct busy_poll *self, uint64_t waited_us)
{
    learn(self, waited_us < (uint64_t)SLEPT_SHORT * self->window_us);
}
