/* transport/window.h: how large SCTP's congestion window shall be over a long way. Pure: no clock,
 * no sockets.
 *
 * usrsctp's window grows by one packet a round trip once it has met a loss, as Reno's: at 1 Gbit/s
 * and 100 ms it takes seven minutes from half of the line to the whole. So from there on it is
 * CUBIC (RFC 9438) that says how large it is, and usrsctp is told. In slow start, which is
 * usrsctp's, HyStart++ (RFC 9406) watches round trips: doubling into a full queue loses as many
 * packets as the line holds. See docs/decisions/018-long-fat-paths.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum window_state {
    WINDOW_START,   /* slow start; usrsctp's window is as it is */
    WINDOW_CAREFUL, /* slow start, a quarter as fast: round trips have become longer */
    WINDOW_TIMEOUT, /* slow start after a retransmission time-out */
    WINDOW_CUBIC,
};

struct window {
    enum window_state state;
    uint32_t limit; /* what usrsctp's window may be at most; 0: anything */

    /* private */
    uint32_t unit;               /* bytes of a full packet */
    uint32_t seen;               /* usrsctp's window at the last look */
    uint64_t looked_us, used_us; /* last look; when it was last used up */
    uint64_t round_us;           /* packets sent from here on end this round trip */
    uint32_t base_us, low_us;    /* shortest sample; of this round trip */
    uint32_t samples;            /* in a row that were longer */
    uint32_t risen_bytes;        /* window of the first longer sample */
    uint32_t round_bytes;        /* window when this round trip began */
    bool had_loss;
    uint64_t delivered;      /* bytes, with which slow start last went on */
    bool begun;              /* CUBIC's first window was set */
    uint64_t epoch_us;       /* CUBIC's */
    uint64_t highest, start; /* CUBIC's W_max and cwnd_epoch, bytes */
    uint64_t rise_ms;        /* CUBIC's K */
};

/* unit: bytes by which usrsctp counts its window. */
void window_init(struct window *self, uint32_t unit);

/* A packet sent then, with that window, is acknowledged now; is_long: the way is long enough for
 * its time to mean anything. */
void window_sample(struct window *self, uint64_t sent_us, uint32_t window, uint64_t now_us,
                   bool is_long);

/* usrsctp's window at the last look. */
static inline uint32_t window_now(const struct window *self)
{
    return self->seen;
}

/* What usrsctp says now: its window, bytes that wait or are in flight, round trip. Returns what its
 * window shall be; the same: nothing is to be changed. delivered: bytes acknowledged in all. */
uint32_t window_update(struct window *self, uint64_t now_us, uint32_t congestion_window,
                       uint64_t waiting, uint32_t rtt_us, uint64_t delivered);

/* Whether the window doubles with each round trip. */
static inline bool window_is_starting(const struct window *self)
{
    return self->state == WINDOW_START || self->state == WINDOW_TIMEOUT;
}
