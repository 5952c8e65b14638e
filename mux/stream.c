/* One stream: its life, and what its owner asks of it. */
#include "mux/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/stream_private.h"

struct mux_stream *mux_stream_new(const struct mux_stream_options *options,
                                  struct mux_stream_events *events)
{
    struct mux_stream *s = check_alloc(sizeof *s);
    s->events = events;
    s->options = *options;
    s->bind_pending = true;
    return s;
}

void mux_stream_free(struct mux_stream *s)
{
    if (!s)
        return;
    credit_receiver_end(&s->in);
    free(s->payload);
    free(s);
}

void mux_stream_drop_payload(struct mux_stream *s)
{
    free(s->payload);
    s->payload = NULL;
}

static void keep_payload(struct mux_stream *s, const uint8_t *bytes, size_t length)
{
    mux_stream_drop_payload(s);
    s->payload = check_alloc(sizeof *s->payload + length);
    s->payload->length = (uint16_t)length;
    memcpy(s->payload->bytes, bytes, length);
}

void mux_stream_begin(struct mux_stream *s, enum stream_state state)
{
    s->state = (uint8_t)state;
    s->own_end = s->peer_end = END_NONE;
    s->end_sent = s->readable = s->rival_open = s->rival_reset = false;
    s->open_pending = s->accept_pending = s->credit_pending = false;
    s->fin_pending = s->end_pending = false;
    credit_receiver_end(&s->in); /* of a lease that lost the race */
    credit_receiver_start(&s->in, &s->options.windows, s->options.budget);
    credit_sender_start(&s->out, s->options.peer_window);
}

void mux_stream_finish(struct mux_stream *s)
{
    if (!mux_stream_has_lease(s) || !s->end_sent || !s->peer_end)
        return;
    s->state = STREAM_IDLE;
    s->late_ok = true;
    s->readable = s->credit_pending = s->end_pending = false; /* RESET after FIN is moot now */
    credit_receiver_end(&s->in);
    s->events->on_idle(s->events);
}

void mux_stream_end_hard(struct mux_stream *s, enum err why, const char *text)
{
    s->end_pending = true;
    s->readable = s->credit_pending = s->fin_pending = false;
    s->reset_code = why;
    s->own_end = END_RESET;
    if (s->state != STREAM_OPENED)
        return;
    uint8_t payload[FRAME_REFUSE_MAX];
    keep_payload(s, payload, frame_encode_refuse(payload, why, text));
    s->accept_pending = false;
    s->own_end = END_REFUSE;
}

/* Rule B3: a client's OPEN may follow its own BIND at once. */
static bool may_open_unbound(const struct mux_stream *s)
{
    return s->state == STREAM_UNBOUND && s->options.side == MUX_CLIENT;
}

enum err mux_stream_open(struct mux_stream *s, const struct mux_open *open)
{
    if (s->state != STREAM_IDLE && !may_open_unbound(s))
        return ERR_AGAIN;
    if (!frame_is_open(open))
        return ERR_FRAME_VALUE;
    uint8_t payload[FRAME_OPEN_MAX];
    keep_payload(s, payload, frame_encode_open(payload, open));
    s->lease++;
    mux_stream_begin(s, STREAM_OPENING);
    s->open_pending = true;
    /* A server's may be the loser's (rule L5), of which nothing else may come. */
    s->credit_pending = s->options.side == MUX_CLIENT && credit_receiver_open(&s->in);
    return ERR_OK;
}

void mux_stream_accept(struct mux_stream *s)
{
    if (s->state != STREAM_OPENED || mux_stream_is_silent(s))
        return;
    s->accept_pending = true;
    s->credit_pending |= !s->peer_end && credit_receiver_open(&s->in);
}

void mux_stream_refuse(struct mux_stream *s, enum err why, const char *text)
{
    if (s->state == STREAM_OPENED && !mux_stream_is_silent(s) && !s->accept_pending)
        mux_stream_end_hard(s, why, text);
}

void mux_stream_reset(struct mux_stream *s, enum err why)
{
    if (!mux_stream_has_lease(s) || mux_stream_is_silent(s))
        return;
    bool fin = s->fin_pending;
    mux_stream_end_hard(s, why, NULL);
    s->fin_pending = fin; /* it was true, and is part of the data */
}

void mux_stream_readable(struct mux_stream *s)
{
    if (mux_stream_has_lease(s) && s->own_end == END_NONE)
        s->readable = true;
}

void mux_stream_consumed(struct mux_stream *s, size_t length)
{
    if (!mux_stream_has_lease(s) || mux_stream_is_silent(s))
        return;
    if (credit_receiver_consume(&s->in, length) && !s->peer_end)
        s->credit_pending = true;
}

bool mux_stream_is_bound(const struct mux_stream *s)
{
    return s->bound;
}

bool mux_stream_is_idle(const struct mux_stream *s)
{
    return s->state == STREAM_IDLE;
}

uint64_t mux_stream_received(const struct mux_stream *s)
{
    return s->in.received;
}

uint64_t mux_stream_sent(const struct mux_stream *s)
{
    return s->out.sent;
}
