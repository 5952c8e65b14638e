/* A hostile peer against the control channel. The input is a script: a first byte for the side,
 * then a record of the peer (0, length u16, bytes) or something that the owner does (1 to 6). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/control.h"
#include "mux/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STREAMS 40

static void on_hello(struct mux_control_events *self, const struct mux_hello *hello)
{
    (void)self;
    must(hello->version == MUX_PROTOCOL_VERSION && hello->streams_max > 0);
    must(hello->window_initial >= MUX_WINDOW_MIN && hello->service_count <= MUX_SERVICES_MAX);
    for (size_t i = 0; i < hello->service_count; i++)
        must(frame_is_name(hello->services[i], strlen(hello->services[i])));
}

static void on_want(struct mux_control_events *self, uint16_t count)
{
    (void)self, (void)count;
}

static void on_child_failed(struct mux_control_events *self, uint16_t stream, uint8_t epoch,
                            enum err why)
{
    (void)self, (void)epoch;
    must(stream >= 1 && stream <= STREAMS && why < ERR_COUNT);
}

static void on_renew(struct mux_control_events *self, uint16_t stream, uint8_t epoch)
{
    (void)self, (void)epoch;
    must(stream >= 1);
}

static void on_pong(struct mux_control_events *self, uint64_t token)
{
    (void)self, (void)token;
}

static void on_goaway(struct mux_control_events *self, enum err why)
{
    (void)self;
    must(why < ERR_COUNT);
}

static void on_auth(struct mux_control_events *self, uint16_t key)
{
    (void)self, (void)key;
}

/* Drained bytes must be whole frames, and bounded for any input (rule C8). */
static void drain(struct mux_control *control)
{
    static uint8_t record[MUX_RECORD_MAX];
    size_t length, total = 0;
    while ((length = mux_control_drain(control, record, sizeof record))) {
        struct wire_reader r = wire_reader(record, length);
        struct frame frame;
        while (wire_left(&r))
            must(frame_next(&r, FRAME_ON_CONTROL, &frame) == ERR_OK);
        total += length;
    }
    must(total <= 100 + 2 * 16 * 12 + STREAMS * 9 + 4 * 6 + 7);
}

static void act(struct mux_control *control, enum mux_side side, uint8_t action)
{
    switch (action) {
    case 1:
        mux_control_ping(control, action);
        break;
    case 2:
        mux_control_goaway(control, ERR_DRAINING);
        break;
    case 3:
        if (side == MUX_SERVER)
            mux_control_want(control, action);
        else
            mux_control_renew(control, action, action);
        break;
    case 4:
        drain(control);
        break;
    case 5:
        mux_control_auth_ready(control, action);
        mux_control_auth_settled(control, action);
        break;
    default:
        mux_control_child_failed(control, 1 + action % STREAMS, action, ERR_TLS_RECORD);
    }
}

static enum err receive(struct mux_control *control, struct wire_reader *script)
{
    size_t length = wire_get_u16(script);
    if (length > wire_left(script))
        length = wire_left(script);
    uint8_t *record = malloc(length ? length : 1); /* of the exact size, for the sanitizer */
    must(record);
    if (length)
        memcpy(record, wire_get_bytes(script, length), length);
    enum err e = mux_control_receive(control, record, length);
    free(record);
    must(!e || err_scope(e) == ERR_SCOPE_TUNNEL);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader script = wire_reader(data, size);
    struct mux_control_events events = {on_hello, on_want,   on_child_failed, on_renew,
                                        on_pong,  on_goaway, on_auth,         on_auth};
    enum mux_side side = wire_get_u8(&script) & 1 ? MUX_SERVER : MUX_CLIENT;
    struct mux_hello hello = {
        .version = MUX_PROTOCOL_VERSION,
        .streams_max = STREAMS,
        .window_initial = 65536,
        .service_count = 1,
        .services = {"web"},
    };
    struct mux_control *control = mux_control_new(side, &hello, &events);
    enum err e = ERR_OK;
    while (!e && wire_left(&script)) {
        uint8_t action = wire_get_u8(&script);
        if (action)
            act(control, side, action);
        else
            e = receive(control, &script);
    }
    drain(control);
    mux_control_free(control);
    return 0;
}
