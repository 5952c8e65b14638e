/* base/busy_poll.h: decides if a loop polls for events for a moment before it sleeps.
 *
 * To sleep and to be woken costs 17 to 25 µs on an idle processor, more than a small message costs
 * otherwise. So while waits turn out to be short, a loop polls again and again, and yields the
 * processor in between. Two things end that: waits that take longer than the window, and a
 * processor that others want for long, because a thread that yields it then waits milliseconds for
 * its turn, and a sleeper would have been woken at once.
 * Thread: that of the loop that owns it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct busy_poll {
    uint32_t window_us; /* the longest poll; 0: never */
    /* private */
    int confidence; /* in a short next wait */
    uint64_t crowded_until, pause_us;
};

/* The time to poll before sleeping, in µs; 0: sleep at once. */
uint32_t busy_poll_window(const struct busy_poll *self, uint64_t now_us);
/* Learns from a poll of took_us, which found an event or did not. */
void busy_poll_polled(struct busy_poll *self, bool found, uint64_t took_us, uint64_t now_us);
/* Learns from a wait of waited_us that was slept from its beginning. */
void busy_poll_slept(struct busy_poll *self, uint64_t waited_us);
