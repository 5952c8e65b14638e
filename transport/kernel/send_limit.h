/* transport/kernel/send_limit.h: the limit of what waits in the kernel's SCTP: it never runs dry,
 * and the next message is not delayed by a long queue. Pure: no clock, no sockets.
 *
 * SCTP's congestion window grows until packets are lost; over loopback that is never, and 2 MB
 * standing in the peer's socket buffer delay each message by 1 to 15 ms. So no more than 256 KB
 * wait, or, over long lines, twice what the measured rate carries in a round trip, up to a little
 * more than the congestion window. Measured on 2 cores with 16 KB messages: 256 KB give the same
 * 1600 MB/s as 2 MB, and a round trip of 0.1 ms instead of 1 ms; 128 KB give 1150 MB/s.
 * Through the whole program 128 to 160 KB shorten a round trip beside bulk by a third and cost
 * about a tenth of the throughput.
 *
 * A window that is small because packets are lost means that the line is slow: at 1% of losses
 * and 20 ms a window is 17 KB, and 256 KB are 300 ms of it. There no more waits than the window and
 * what leaves in a few ms. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One sender may take this much at a time and the others do not feel it: a tenth of the round trip
 * of a line within a country. */
#define SEND_LIMIT_PACE_US 2000

struct send_limit {
    size_t limit;  /* no more than this */
    size_t resume; /* there is room again below this */
    uint32_t
        pace; /* bytes that leave in SEND_LIMIT_PACE_US; 0: so many that nobody needs to care */

    /* private */
    uint64_t given;                      /* bytes in all */
    uint64_t paced_rate, paced_until_us; /* bytes a second, 0: not paced */
    uint32_t gain;                       /* of the pace, in 1/16 */
    uint64_t gain_since_us;
    bool was_held, was_full; /* since then: by the pace, the window */
    uint64_t window_us, window_delivered;
    uint64_t rate; /* bytes a second */
    uint64_t base_since_us;
    uint32_t base_us;                  /* shortest round trip lately */
    uint64_t probe_since_us, probe_us; /* measuring the base again; probe_us 0: not now */
    uint32_t probe_base_us;
};

void send_limit_init(struct send_limit *self);

/* So many bytes were given to SCTP. */
static inline void send_limit_give(struct send_limit *self, size_t bytes)
{
    self->given += bytes;
}

/* Of those, bytes that were acknowledged when so many wait or are in flight. */
static inline uint64_t send_limit_delivered(const struct send_limit *self, size_t waiting)
{
    return self->given > waiting ? self->given - waiting : 0;
}

/* The pace in whole chunks of so many bytes: the rest of a message would be a packet of its own. */
static inline uint32_t send_limit_chunks(const struct send_limit *self, uint32_t chunk)
{
    return self->pace < chunk && self->pace ? chunk : self->pace - self->pace % chunk;
}

/* So many bytes were accepted from the user. */
void send_limit_accept(struct send_limit *self, uint64_t now_us, size_t bytes);

/* Microseconds until more may be accepted; 0: now. On a slow line SCTP sends a window at once and
 * waits a round trip; a small message that comes in between waits for it. So what is accepted is
 * spread over the round trip (pacing, as of RFC 9002 section 7.7). */
uint64_t send_limit_wait(struct send_limit *self, uint64_t now_us);

/* The values of SCTP now: bytes that wait or are in flight, congestion window, round trip. */
void send_limit_update(struct send_limit *self, uint64_t now_us, size_t waiting,
                       uint32_t congestion_window, uint32_t rtt_us);
