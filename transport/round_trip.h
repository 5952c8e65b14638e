/* transport/round_trip.h: how long packets with data take to be acknowledged, several times in a
 * round trip: SCTP itself tells its smoothed value only, which follows too slowly to see a queue
 * grow. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ROUND_TRIP_MARKS 64

/* All zero: nothing marked. */
struct round_trip {
    struct round_trip_mark {
        uint32_t tsn, window;
        uint64_t sent_us;
    } marks[ROUND_TRIP_MARKS]; /* a ring, oldest at first */
    unsigned first, count;
};

/* Whether a packet sent now, or a little before the last mark, should be marked: so that the ring
 * lasts for a round trip. */
static inline bool round_trip_wants(const struct round_trip *self, uint64_t now_us, uint32_t rtt_us)
{
    const struct round_trip_mark *last =
        &self->marks[(self->first + self->count - 1) % ROUND_TRIP_MARKS];
    return self->count < ROUND_TRIP_MARKS &&
           (!self->count ||
            (int64_t)(now_us - last->sent_us) >= (int64_t)rtt_us / (ROUND_TRIP_MARKS - 2));
}

/* That TSN is the last in a packet that leaves now, the congestion window is that. */
void round_trip_mark(struct round_trip *self, uint32_t tsn, uint32_t window, uint64_t now_us);

/* A chunk was sent again: who acknowledges what cannot be told any more (Karn). */
static inline void round_trip_forget(struct round_trip *self)
{
    self->count = 0;
}

/* All to that TSN has arrived. Sets *mark to the last marked packet of it; false: none was. */
bool round_trip_acknowledged(struct round_trip *self, uint32_t tsn, struct round_trip_mark *mark);
