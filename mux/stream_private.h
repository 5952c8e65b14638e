/* mux/stream_private.h: shared by stream.c, stream_receive.c and stream_drain.c. About 200 bytes
 * a stream, and nothing is allocated for data: an association may have 65535 of them. */
#pragma once

#include "mux/credit.h"
#include "mux/frame.h"
#include "mux/stream.h"

enum stream_state {
    STREAM_UNBOUND, /* the peer's BIND has not come, and no lease was begun without it (rule B3) */
    STREAM_IDLE,
    STREAM_OPENING, /* this side's OPEN has no answer yet */
    STREAM_OPENED,  /* the peer's OPEN: ACCEPT is not sent yet */
    STREAM_OPEN,
};

/* Ends of a direction (rule L3). */
enum stream_end { END_NONE, END_FIN, END_REFUSE, END_RESET };

/* Payload of an OPEN or REFUSE that waits to be drained: the only allocation, a short-lived one. */
struct stream_payload {
    uint16_t length;
    uint8_t bytes[];
};

struct mux_stream {
    struct mux_stream_events *events;
    struct mux_stream_options options;
    struct stream_payload *payload;
    struct credit_receiver in;
    struct credit_sender out;
    enum err reset_code;
    uint32_t cost;                /* mux_stream_take_cost */
    uint8_t state;                /* enum stream_state */
    uint8_t lease;                /* number of this lease, or of the last one */
    uint8_t own_end;              /* enum stream_end: decided, perhaps not sent */
    uint8_t peer_end;             /* enum stream_end: received */
    bool bound;                   /* the peer's BIND came */
    bool end_sent;                /* an own end is out; RESET may still follow FIN (rule X3) */
    bool readable;                /* on_fill may have something */
    bool late_ok;                 /* frames of the lease before may still come (rule L4) */
    bool rival_open, rival_reset; /* the loser's frames that were ignored (rule L5) */
    /* to be drained */
    bool bind_pending, open_pending, accept_pending, credit_pending;
    bool fin_pending, end_pending; /* end: RESET, REFUSE; it may follow FIN (rule X3) */
};

/* A lease begins, with the number that s->lease has. */
void mux_stream_begin(struct mux_stream *s, enum stream_state state);
/* Goes idle if both ends are there. */
void mux_stream_finish(struct mux_stream *s);
/* This side ends by RESET, or by REFUSE if it has not answered. */
void mux_stream_end_hard(struct mux_stream *s, enum err why, const char *text);
void mux_stream_drop_payload(struct mux_stream *s);

static inline bool mux_stream_has_lease(const struct mux_stream *s)
{
    return s->state >= STREAM_OPENING;
}

/* The owner gave up this lease: it hears no more of it but on_idle. */
static inline bool mux_stream_is_silent(const struct mux_stream *s)
{
    return s->own_end == END_RESET || s->own_end == END_REFUSE;
}
