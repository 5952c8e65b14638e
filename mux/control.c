/* The control channel: its frames that wait, and the sending half. */
#include "mux/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/control_private.h"

static struct control_payload *encode_hello(const struct mux_hello *hello)
{
    must(hello->service_count <= MUX_SERVICES_MAX && hello->streams_max > 0);
    must(hello->window_initial >= MUX_WINDOW_MIN);
    struct control_payload *payload = check_alloc(sizeof *payload + MUX_RECORD_MAX);
    struct wire_writer w = wire_writer(payload->bytes, MUX_RECORD_MAX);
    wire_put_u16(&w, hello->version);
    wire_put_u16(&w, hello->streams_max);
    wire_put_u32(&w, hello->window_initial);
    wire_put_u8(&w, hello->service_count);
    for (size_t i = 0; i < hello->service_count; i++) {
        must(frame_is_name(hello->services[i], strlen(hello->services[i])));
        frame_put_text(&w, hello->services[i]);
    }
    payload->length = (uint16_t)(w.at - payload->bytes);
    return payload;
}

struct mux_control *mux_control_new(enum mux_side side, const struct mux_hello *hello,
                                    struct mux_control_events *events)
{
    struct mux_control *control = check_alloc(sizeof *control);
    control->side = side;
    control->events = events;
    control->streams_max = hello->streams_max;
    control->hello = encode_hello(hello);
    control_failures_init(&control->failures, hello->streams_max);
    return control;
}

void mux_control_promise(struct mux_control *control, uint16_t streams_max, uint32_t window_initial)
{
    must(control->side == MUX_SERVER && control->hello);
    must(streams_max && streams_max <= control->streams_max && window_initial >= MUX_WINDOW_MIN);
    struct wire_writer w = wire_writer(control->hello->bytes, control->hello->length);
    wire_put_u16(&w, MUX_PROTOCOL_VERSION);
    wire_put_u16(&w, streams_max);
    wire_put_u32(&w, window_initial);
    control->streams_max = streams_max;
}

void mux_control_free(struct mux_control *control)
{
    if (!control)
        return;
    control_failures_fini(&control->failures);
    free(control->hello);
    free(control);
}

bool mux_control_is_ready(const struct mux_control *control)
{
    return control->peer_streams_max > 0;
}

bool mux_control_push_token(struct control_tokens *tokens, uint64_t token)
{
    if (tokens->count == CONTROL_PINGS_MAX)
        return false;
    tokens->at[tokens->count++] = token;
    return true;
}

void mux_control_want(struct mux_control *control, uint16_t count)
{
    must(control->side == MUX_SERVER);
    control->want = count;
    control->want_pending = true;
}

void mux_control_child_failed(struct mux_control *control, uint16_t stream, uint8_t epoch,
                              enum err why)
{
    control_failures_push(&control->failures, stream, epoch, err_to_wire(why));
}

void mux_control_renew(struct mux_control *control, uint16_t stream, uint8_t epoch)
{
    must(control->side == MUX_CLIENT && stream > 0);
    control->renew_stream = stream;
    control->renew_epoch = epoch;
}

void mux_control_ping(struct mux_control *control, uint64_t token)
{
    if (mux_control_push_token(&control->pings, token))
        control->pings_open++;
}

void mux_control_goaway(struct mux_control *control, enum err why)
{
    if (control->goaway_sent)
        return;
    control->goaway_sent = control->goaway_pending = true;
    control->goaway_code = err_to_wire(why);
}

void mux_control_auth_ready(struct mux_control *control, uint16_t key)
{
    control->auth_ready = key;
    control->auth_ready_pending = true;
}

void mux_control_auth_settled(struct mux_control *control, uint16_t key)
{
    control->auth_settled = key;
    control->auth_settled_pending = true;
}

static void drain_renew(struct mux_control *control, struct wire_writer *w)
{
    if (!control->renew_stream || !frame_fits(w, 3))
        return;
    frame_put(w, FRAME_RENEW, 0, 3);
    wire_put_u16(w, control->renew_stream);
    wire_put_u8(w, control->renew_epoch);
    control->renew_stream = 0;
}

static void drain_failures(struct mux_control *control, struct wire_writer *w)
{
    uint8_t epoch;
    uint16_t stream, code;
    while (frame_fits(w, 5) && (stream = control_failures_pop(&control->failures, &epoch, &code))) {
        frame_put(w, FRAME_CHILD_FAILED, 0, 5);
        wire_put_u16(w, stream);
        wire_put_u8(w, epoch);
        wire_put_u16(w, code);
    }
}

static void drain_tokens(struct control_tokens *tokens, enum frame_type type, struct wire_writer *w)
{
    size_t done = 0;
    while (done < tokens->count && frame_fits(w, 8))
        frame_put_number(w, type, 0, tokens->at[done++]);
    tokens->count -= done;
    memmove(tokens->at, tokens->at + done, tokens->count * sizeof *tokens->at);
}

static void drain_number(bool *pending, enum frame_type type, uint16_t value, struct wire_writer *w)
{
    if (!*pending || !frame_fits(w, 2))
        return;
    frame_put_number(w, type, 0, value);
    *pending = false;
}

static void drain_hello(struct mux_control *control, struct wire_writer *w)
{
    if (!control->hello)
        return;
    frame_put(w, FRAME_HELLO, 0, control->hello->length);
    wire_put_bytes(w, control->hello->bytes, control->hello->length);
    free(control->hello);
    control->hello = NULL;
}

size_t mux_control_drain(struct mux_control *control, uint8_t *record, size_t capacity)
{
    must(capacity >= MUX_RECORD_MAX);
    if (control->side == MUX_SERVER && !mux_control_is_ready(control)) /* rule C2 */
        return 0;
    struct wire_writer w = wire_writer(record, MUX_RECORD_MAX);
    drain_hello(control, &w);
    drain_renew(control, &w);
    drain_number(&control->auth_ready_pending, FRAME_AUTH_READY, control->auth_ready, &w);
    drain_number(&control->auth_settled_pending, FRAME_AUTH_SETTLED, control->auth_settled, &w);
    drain_failures(control, &w);
    drain_number(&control->want_pending, FRAME_WANT, control->want, &w);
    drain_tokens(&control->pongs, FRAME_PONG, &w);
    drain_tokens(&control->pings, FRAME_PING, &w);
    drain_number(&control->goaway_pending, FRAME_GOAWAY, control->goaway_code, &w);
    must(!w.overrun);
    return (size_t)(w.at - record);
}
