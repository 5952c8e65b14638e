/* The receiving half of mux/control.h. */
#include "mux/control_private.h"

static enum err on_hello(struct mux_control *control, const struct frame *frame)
{
    static const size_t slot = MUX_SERVICE_NAME_MAX + 1;
    char names[MUX_SERVICES_MAX * (MUX_SERVICE_NAME_MAX + 1)];
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    struct mux_hello hello = {.version = wire_get_u16(&r)};
    if (hello.version != MUX_PROTOCOL_VERSION)
        return ERR_VERSION_MISMATCH;
    hello.streams_max = wire_get_u16(&r);
    hello.window_initial = wire_get_u32(&r);
    hello.service_count = wire_get_u8(&r);
    if (!hello.streams_max || hello.window_initial < MUX_WINDOW_MIN)
        return ERR_CONTROL_PROTOCOL;
    for (size_t i = 0; i < hello.service_count; i++) {
        hello.services[i] = names + i * slot;
        if (frame_get_name(&r, names + i * slot))
            return ERR_CONTROL_PROTOCOL;
    }
    if (wire_left(&r))
        return ERR_CONTROL_PROTOCOL;
    control->peer_streams_max = hello.streams_max;
    control->events->on_hello(control->events, &hello);
    return ERR_OK;
}

static enum err on_ping(struct mux_control *control, const struct frame *frame)
{
    mux_control_push_token(&control->pongs, frame_number(frame));
    return ERR_OK;
}

static enum err on_pong(struct mux_control *control, const struct frame *frame)
{
    if (!control->pings_open)
        return ERR_CONTROL_PROTOCOL;
    control->pings_open--;
    control->events->on_pong(control->events, frame_number(frame));
    return ERR_OK;
}

static enum err on_want(struct mux_control *control, const struct frame *frame)
{
    if (control->side != MUX_CLIENT)
        return ERR_CONTROL_PROTOCOL;
    control->events->on_want(control->events, (uint16_t)frame_number(frame));
    return ERR_OK;
}

static bool is_stream(const struct mux_control *control, uint16_t stream)
{
    return stream >= 1 && stream <= control->streams_max && stream <= control->peer_streams_max;
}

static enum err on_child_failed(struct mux_control *control, const struct frame *frame)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    uint16_t stream = wire_get_u16(&r);
    uint8_t epoch = wire_get_u8(&r);
    enum err why = err_from_wire(wire_get_u16(&r));
    if (!is_stream(control, stream))
        return ERR_CONTROL_PROTOCOL;
    control->events->on_child_failed(control->events, stream, epoch, why);
    return ERR_OK;
}

static enum err on_renew(struct mux_control *control, const struct frame *frame)
{
    struct wire_reader r = wire_reader(frame->payload, frame->length);
    uint16_t stream = wire_get_u16(&r);
    uint8_t epoch = wire_get_u8(&r);
    if (control->side != MUX_SERVER || !stream)
        return ERR_CONTROL_PROTOCOL;
    control->events->on_renew(control->events, stream, epoch);
    return ERR_OK;
}

static enum err on_goaway(struct mux_control *control, const struct frame *frame)
{
    if (control->goaway_received)
        return ERR_CONTROL_PROTOCOL;
    control->goaway_received = true;
    control->events->on_goaway(control->events, err_from_wire((uint16_t)frame_number(frame)));
    return ERR_OK;
}

static enum err on_auth_ready(struct mux_control *control, const struct frame *frame)
{
    control->events->on_auth_ready(control->events, (uint16_t)frame_number(frame));
    return ERR_OK;
}

static enum err on_auth_settled(struct mux_control *control, const struct frame *frame)
{
    control->events->on_auth_settled(control->events, (uint16_t)frame_number(frame));
    return ERR_OK;
}

static enum err (*const handlers[])(struct mux_control *control, const struct frame *frame) = {
    [FRAME_HELLO] = on_hello,
    [FRAME_PING] = on_ping,
    [FRAME_PONG] = on_pong,
    [FRAME_WANT] = on_want,
    [FRAME_RENEW] = on_renew,
    [FRAME_CHILD_FAILED] = on_child_failed,
    [FRAME_GOAWAY] = on_goaway,
    [FRAME_AUTH_READY] = on_auth_ready,
    [FRAME_AUTH_SETTLED] = on_auth_settled,
};

static enum err receive_frame(struct mux_control *control, struct wire_reader *r)
{
    struct frame frame;
    if (frame_next(r, FRAME_ON_CONTROL, &frame) || frame.lease != 0)
        return ERR_CONTROL_PROTOCOL;
    bool is_hello = frame.type == FRAME_HELLO;
    if (is_hello == mux_control_is_ready(control)) /* rule C2: first, and once */
        return ERR_CONTROL_PROTOCOL;
    return handlers[frame.type](control, &frame);
}

enum err mux_control_receive(struct mux_control *control, const uint8_t *record, size_t length)
{
    if (!length || length > MUX_RECORD_MAX)
        return ERR_CONTROL_PROTOCOL;
    struct wire_reader r = wire_reader(record, length);
    enum err e = ERR_OK;
    while (!e && wire_left(&r))
        e = receive_frame(control, &r);
    return e;
}
