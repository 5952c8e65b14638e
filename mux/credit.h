/* mux/credit.h: flow control of one connection: absolute 64-bit offsets, as QUIC's MAX_STREAM_DATA
 * (RFC 9000 section 4.1), and a window that grows when it is proven too small.
 *
 * The window doubles when the sender was stopped by it while the reader had taken everything that
 * arrived: then the window, not the reader, was the brake. With a fast reader the limits run ahead
 * of the data, so "received == granted" is never seen; but a sender that runs out of credit ends
 * its last DATA exactly at a limit that was announced, and one that does not run out passes it in
 * the middle of a frame. So the announced limits are watched, all of them: over a long way CREDIT
 * comes in bursts, and a sender stops at the last limit of a burst only. No clock needed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What all windows of the process together may grow beyond their initial size, in bytes. */
struct mux_budget {
    _Atomic uint64_t used;
    uint64_t limit;
};

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
    struct mux_budget *budget; /* NULL: no cap */
};

struct credit_sender {
    uint64_t sent;    /* offset of the next byte to send */
    uint64_t granted; /* by the peer; never decreases */
};

/* A new lease. */
void credit_receiver_start(struct credit_receiver *r, uint32_t initial, uint32_t max,
                           struct mux_budget *budget);
/* Gives grown window back to the budget. */
void credit_receiver_end(struct credit_receiver *r);
/* length bytes came. False: more than granted, the peer broke the rules. */
bool credit_receiver_receive(struct credit_receiver *r, uint64_t length);
/* The reader took length bytes. True: a CREDIT frame should go out now (a quarter of the window
 * was taken since the last one): send credit_receiver_grant(). */
bool credit_receiver_consume(struct credit_receiver *r, uint64_t length);
/* The new absolute limit to announce; grows the window first if it was the brake. */
uint64_t credit_receiver_grant(struct credit_receiver *r);

void credit_sender_start(struct credit_sender *s, uint64_t initial);
/* Bytes that may be sent now. */
uint64_t credit_sender_room(const struct credit_sender *s);
void credit_sender_send(struct credit_sender *s, uint64_t length);
/* A CREDIT frame came: old or equal offsets change nothing. True: there is room that was not. */
bool credit_sender_update(struct credit_sender *s, uint64_t granted);
