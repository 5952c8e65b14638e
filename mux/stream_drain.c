/* The sending half of mux/stream.h: what is pending, in the order in which one record takes it. */
#include "base/check.h"
#include "mux/stream_private.h"

static void drain_bind(struct mux_stream *s, struct wire_writer *w)
{
    if (!s->bind_pending)
        return;
    struct frame_bind bind = {.stream = s->options.stream};
    memcpy(bind.association, s->options.association, sizeof bind.association);
    frame_put_bind(w, &bind);
    s->bind_pending = false;
}

/* An OPEN or REFUSE; false: it does not fit any more. */
static bool drain_payload(struct mux_stream *s, struct wire_writer *w, enum frame_type type)
{
    if (!frame_fits(w, s->payload->length))
        return false;
    frame_put(w, type, s->lease, s->payload->length);
    wire_put_bytes(w, s->payload->bytes, s->payload->length);
    mux_stream_drop_payload(s);
    return true;
}

static void drain_begin(struct mux_stream *s, struct wire_writer *w)
{
    if (s->open_pending && drain_payload(s, w, FRAME_OPEN))
        s->open_pending = false;
    if (s->accept_pending && frame_fits(w, 0)) {
        frame_put(w, FRAME_ACCEPT, s->lease, 0);
        s->accept_pending = false;
        s->state = STREAM_OPEN;
    }
}

/* Rule L6: not before the answer; a client may send it behind its OPEN. */
static bool may_credit(const struct mux_stream *s)
{
    return s->credit_pending &&
           (s->state == STREAM_OPEN ||
            (s->state == STREAM_OPENING && !s->open_pending && s->options.side == MUX_CLIENT));
}

static void drain_credit(struct mux_stream *s, struct wire_writer *w)
{
    if (!may_credit(s) || !frame_fits(w, sizeof(uint64_t)))
        return;
    frame_put_number(w, FRAME_CREDIT, s->lease, credit_receiver_grant(&s->in));
    s->credit_pending = false;
}

/* Rule L7. */
static bool may_fill(const struct mux_stream *s)
{
    bool answered =
        s->state == STREAM_OPEN || (s->state == STREAM_OPENING && s->options.side == MUX_CLIENT);
    return answered && s->readable && s->own_end == END_NONE && credit_sender_room(&s->out) > 0;
}

/* The source writes straight into the record, behind the place of the header. */
static void drain_data(struct mux_stream *s, struct wire_writer *w)
{
    if (!may_fill(s) || s->open_pending || !frame_fits(w, 1))
        return;
    size_t space = (size_t)(w->end - w->at) - FRAME_HEADER_SIZE;
    uint64_t credit = credit_sender_room(&s->out);
    size_t room = credit < space ? (size_t)credit : space;
    bool end = false;
    size_t length = s->events->on_fill(s->events, w->at + FRAME_HEADER_SIZE, room, &end);
    must(length <= room);
    if (length < room)
        s->readable = false;
    if (length) {
        frame_put(w, FRAME_DATA, s->lease, length);
        w->at += length;
        credit_sender_send(&s->out, length);
    }
    if (end) {
        s->fin_pending = true;
        s->readable = false;
    }
    if (end && s->own_end == END_NONE) /* else on_fill called mux_stream_reset */
        s->own_end = END_FIN;
}

static void drain_fin(struct mux_stream *s, struct wire_writer *w)
{
    if (!s->fin_pending || s->open_pending || !frame_fits(w, sizeof(uint64_t)))
        return;
    frame_put_number(w, FRAME_FIN, s->lease, s->out.sent);
    s->fin_pending = false;
    s->end_sent = true;
}

static void drain_end(struct mux_stream *s, struct wire_writer *w)
{
    bool is_over = s->end_sent && s->peer_end; /* a RESET behind FIN would come too late */
    if (!s->end_pending || s->open_pending || s->fin_pending || is_over ||
        !frame_fits(w, sizeof(uint64_t)))
        return;
    if (s->own_end == END_RESET)
        frame_put_number(w, FRAME_RESET, s->lease, err_to_wire(s->reset_code));
    else if (!drain_payload(s, w, FRAME_REFUSE))
        return;
    s->end_pending = false;
    s->end_sent = true;
}

size_t mux_stream_drain(struct mux_stream *s, uint8_t *record, size_t capacity)
{
    struct wire_writer w =
        wire_writer(record, capacity < MUX_RECORD_MAX ? capacity : MUX_RECORD_MAX);
    drain_bind(s, &w);
    drain_begin(s, &w);
    drain_credit(s, &w);
    drain_data(s, &w);
    drain_fin(s, &w);
    drain_end(s, &w);
    size_t length = (size_t)(w.at - record);
    must(!w.overrun);
    mux_stream_finish(s);
    return length;
}

bool mux_stream_wants_drain(const struct mux_stream *s)
{
    return s->bind_pending || s->open_pending || s->accept_pending || s->fin_pending ||
           s->end_pending || may_credit(s) || may_fill(s);
}
