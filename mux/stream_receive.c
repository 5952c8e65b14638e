/* The receiving half of mux/stream.h: which frame may come when, and what it does. */
#include <string.h>

#include "mux/stream_private.h"

static enum err on_bind(struct mux_stream *s, const struct frame *frame)
{
    struct frame_bind bind = frame_get_bind(frame);
    if (bind.stream != s->options.stream ||
        memcmp(bind.association, s->options.association, sizeof bind.association) != 0)
        return ERR_BIND_MISMATCH;
    s->bound = true;
    if (s->state == STREAM_UNBOUND)
        s->state = STREAM_IDLE;
    s->events->on_bound(s->events);
    return ERR_OK;
}

static void lose_race(struct mux_stream *s)
{
    mux_stream_drop_payload(s);
    s->events->on_lost_race(s->events);
}

static enum err on_open(struct mux_stream *s, const struct frame *frame)
{
    struct frame_open open;
    enum err e = frame_get_open(frame, &open);
    if (e)
        return e;
    if (s->state == STREAM_OPENING && s->options.side == MUX_CLIENT) {
        e = s->rival_open ? ERR_FRAME_STATE : ERR_OK;
        s->rival_open = true;
        return e;
    }
    if (s->state == STREAM_OPENING)
        lose_race(s);
    s->lease = frame->lease;
    mux_stream_begin(s, STREAM_OPENED);
    struct mux_open lease = {open.connection, open.service, open.client};
    s->events->on_open(s->events, &lease);
    return ERR_OK;
}

static enum err on_accept(struct mux_stream *s, const struct frame *frame)
{
    (void)frame;
    s->state = STREAM_OPEN;
    if (!mux_stream_is_silent(s))
        s->events->on_accept(s->events);
    return ERR_OK;
}

/* The peer gave up both directions: end this one too, unless it has ended. */
static void answer_hard_end(struct mux_stream *s, enum err why)
{
    if (s->end_sent)
        s->readable = false;
    else
        mux_stream_end_hard(s, why, NULL);
}

static enum err on_refuse(struct mux_stream *s, const struct frame *frame)
{
    struct frame_refuse refuse;
    enum err e = frame_get_refuse(frame, &refuse);
    if (e)
        return e;
    bool silent = mux_stream_is_silent(s);
    s->peer_end = END_REFUSE;
    answer_hard_end(s, refuse.why);
    if (!silent)
        s->events->on_refuse(s->events, refuse.why, refuse.text);
    mux_stream_finish(s);
    return ERR_OK;
}

/* Rule L7: a server that opened waits for ACCEPT. */
static bool is_too_early(const struct mux_stream *s)
{
    return s->state == STREAM_OPENED && s->options.side == MUX_CLIENT;
}

static enum err on_data(struct mux_stream *s, const struct frame *frame)
{
    if (is_too_early(s))
        return ERR_FRAME_STATE;
    if (!credit_receiver_receive(&s->in, frame->length))
        return ERR_CREDIT_EXCEEDED;
    if (!mux_stream_is_silent(s))
        s->events->on_data(s->events, frame->payload, frame->length);
    return ERR_OK;
}

static enum err on_fin(struct mux_stream *s, const struct frame *frame)
{
    if (is_too_early(s))
        return ERR_FRAME_STATE;
    if (frame_number(frame) != s->in.received)
        return ERR_OFFSET_MISMATCH;
    s->peer_end = END_FIN;
    s->credit_pending = false;
    if (!mux_stream_is_silent(s))
        s->events->on_fin(s->events);
    mux_stream_finish(s);
    return ERR_OK;
}

static enum err on_reset(struct mux_stream *s, const struct frame *frame)
{
    if (s->state == STREAM_OPENING) { /* rule L6: only the loser's (L5) can come here */
        if (!s->rival_open || s->rival_reset)
            return ERR_FRAME_STATE;
        s->rival_reset = true;
        return ERR_OK;
    }
    enum err why = err_from_wire((uint16_t)frame_number(frame));
    bool silent = mux_stream_is_silent(s);
    s->peer_end = END_RESET;
    answer_hard_end(s, why);
    if (!silent)
        s->events->on_reset(s->events, why);
    mux_stream_finish(s);
    return ERR_OK;
}

static enum err on_credit(struct mux_stream *s, const struct frame *frame)
{
    credit_sender_update(&s->out, frame_number(frame));
    return ERR_OK;
}

static enum err (*const handlers[])(struct mux_stream *s, const struct frame *frame) = {
    [FRAME_BIND] = on_bind,     [FRAME_OPEN] = on_open,     [FRAME_ACCEPT] = on_accept,
    [FRAME_REFUSE] = on_refuse, [FRAME_DATA] = on_data,     [FRAME_FIN] = on_fin,
    [FRAME_RESET] = on_reset,   [FRAME_CREDIT] = on_credit,
};

static enum frame_phase phase_of(const struct mux_stream *s)
{
    static const uint8_t phases[] = {
        [STREAM_UNBOUND] = PHASE_UNBOUND, [STREAM_IDLE] = PHASE_IDLE,
        [STREAM_OPENING] = PHASE_OPENING, [STREAM_OPENED] = PHASE_OPENED,
        [STREAM_OPEN] = PHASE_OPEN,
    };
    if (mux_stream_has_lease(s) && s->peer_end)
        return s->peer_end == END_FIN ? PHASE_PEER_FIN : PHASE_PEER_GONE;
    return phases[s->state];
}

/* Rule L4: sent by the peer before it had this side's end of the lease before. */
static bool is_late(const struct mux_stream *s, const struct frame *frame)
{
    uint8_t last = (uint8_t)(s->state == STREAM_IDLE ? s->lease : s->lease - 1);
    return s->late_ok && frame->lease == last &&
           (frame->type == FRAME_CREDIT || frame->type == FRAME_RESET);
}

static uint32_t cost_of(const struct frame *frame)
{
    return MUX_COST_FRAME + (frame->type == FRAME_OPEN ? MUX_COST_OPEN : 0);
}

uint32_t mux_stream_take_cost(struct mux_stream *s)
{
    uint32_t cost = s->cost;
    s->cost = 0;
    return cost;
}

static enum err receive_frame(struct mux_stream *s, const struct frame *frame)
{
    if (!s->bound) {
        if (frame->type != FRAME_BIND || frame->lease != 0)
            return ERR_BIND_MISMATCH;
        return on_bind(s, frame);
    }
    if (is_late(s, frame))
        return ERR_OK;
    bool is_next = frame->type == FRAME_OPEN && s->state == STREAM_IDLE;
    if (frame->lease != (uint8_t)(s->lease + is_next) || !(frame->phases & phase_of(s)))
        return ERR_FRAME_STATE;
    s->late_ok = false;
    return handlers[frame->type](s, frame);
}

enum err mux_stream_receive(struct mux_stream *s, const uint8_t *record, size_t length)
{
    if (!length || length > MUX_RECORD_MAX)
        return ERR_FRAME_LENGTH;
    struct wire_reader r = wire_reader(record, length);
    enum err e = ERR_OK;
    uint32_t cost = MUX_COST_RECORD;
    while (!e && wire_left(&r)) {
        struct frame frame;
        e = frame_next(&r, FRAME_ON_STREAM, &frame);
        if (e)
            break;
        cost += cost_of(&frame);
        e = receive_frame(s, &frame);
    }
    s->cost += cost > length ? cost - (uint32_t)length : 0;
    return e;
}
