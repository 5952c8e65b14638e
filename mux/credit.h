/* mux/credit.h: flow control of one connection: absolute 64-bit offsets, as QUIC's MAX_STREAM_DATA
 * (RFC 9000 section 4.1), and a window that grows when it is proven too small.
 *
 * The window doubles when the sender was stopped by it while the reader had taken everything that
 * arrived: then the window, not the reader, was the brake. With a fast reader the limits run ahead
 * of the data, so "received == granted" is never seen; but a sender that runs out of credit ends
 * its last DATA exactly at a limit that was announced, and one that does not run out passes it in
 * the middle of a frame. So the announced limits are watched, all of them: over a long way CREDIT
 * comes in bursts, and a sender stops at the last limit of a burst only. No clock needed.
 *
 * All of a window is taken from the budget. A lease begins with what the peer was promised for each
 * of them, which is little because it is owed whatever the budget has; the first CREDIT makes it
 * the initial window where there is plenty. Otherwise the window grows as it is needed; a
 * large one shrinks as its reader goes on, because credit that was granted cannot be taken back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "mux/budget.h"

/* A limit is announced for each quarter of the window, so hardly more than this are ahead. */
#define CREDIT_LIMITS 8

struct credit_receiver {
    uint64_t received;              /* offset of the next byte expected */
    uint64_t consumed;              /* taken by the reader */
    uint64_t granted;               /* the peer may send up to here; never decreases */
    uint64_t limits[CREDIT_LIMITS]; /* announced since the window grew, not passed; a ring */
    uint8_t first_limit, limit_count;
    uint32_t window, window_initial, window_max;
    bool was_brake;            /* the sender stopped at one of them */
    struct mux_budget *budget; /* NULL: no cap; it outlives the lease */
};

struct credit_windows {
    uint32_t promised; /* bytes that the peer may send before the first CREDIT */
    uint32_t initial;  /* after the first CREDIT; not more than promised: there is none */
    uint32_t max;      /* as far as it grows */
};

struct credit_sender {
    uint64_t sent;    /* offset of the next byte to send */
    uint64_t granted; /* by the peer; never decreases */
};

/* The bytes to promise for each lease of an association with `streams` streams: an eighth of the
 * budget for all of them, between 4 KiB (less is a CREDIT for each few packets) and 64 KiB, and
 * not more than the initial window. budget NULL: that. */
#define CREDIT_PROMISED_MIN 4096
#define CREDIT_PROMISED_MAX 65536
uint32_t credit_promised(const struct mux_budget *budget, uint32_t streams, uint32_t initial);

/* A new lease. The promised bytes are taken from the budget, also beyond its limit. */
void credit_receiver_start(struct credit_receiver *r, const struct credit_windows *windows,
                           struct mux_budget *budget);
/* Makes the window the initial one if there is plenty. True: a CREDIT frame should go out. */
bool credit_receiver_open(struct credit_receiver *r);
/* Gives the window back to the budget. */
void credit_receiver_end(struct credit_receiver *r);
/* length bytes came. False: more than granted, the peer broke the rules. */
bool credit_receiver_receive(struct credit_receiver *r, uint64_t length);
/* The reader took length bytes. True: a CREDIT frame should go out now (a quarter of the window
 * was taken since the last one): send credit_receiver_grant(). */
bool credit_receiver_consume(struct credit_receiver *r, uint64_t length);
/* The new absolute limit to announce; the window grows first if it was the brake, or gets smaller
 * if it is larger than the initial one and memory is short. */
uint64_t credit_receiver_grant(struct credit_receiver *r);

void credit_sender_start(struct credit_sender *s, uint64_t initial);
/* Bytes that may be sent now. */
uint64_t credit_sender_room(const struct credit_sender *s);
void credit_sender_send(struct credit_sender *s, uint64_t length);
/* A CREDIT frame came: old or equal offsets change nothing. True: there is room that was not. */
bool credit_sender_update(struct credit_sender *s, uint64_t granted);
