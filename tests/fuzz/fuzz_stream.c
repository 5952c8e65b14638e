/* A hostile peer against one stream. The input is a script: a first byte for the side, then either
 * a record of the peer (0, length u16, bytes) or something that the owner does (1 to 9). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/credit.h"
#include "mux/frame.h"
#include "mux/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WINDOW     2000
#define WINDOW_MAX 8000

struct owner {
    struct mux_stream_events events;
    struct mux_stream *stream;
    enum mux_side side;
    size_t unread;
    bool bound;   /* the peer's BIND was right: until then nothing of the peer counts (rule B2) */
    bool leased;  /* this side has an open lease */
    bool is_over; /* nothing but on_idle may follow */
    bool ends;
};

static struct owner *owner_of(struct mux_stream_events *events)
{
    return container_of(events, struct owner, events);
}

/* Rule B3: a client may have leased the stream before. */
static void on_bound(struct mux_stream_events *events)
{
    struct owner *owner = owner_of(events);
    must(!owner->bound && mux_stream_is_bound(owner->stream));
    must(mux_stream_is_idle(owner->stream) != owner->leased);
    must(!owner->leased || owner->side == MUX_CLIENT);
    owner->bound = true;
}

static void begin(struct owner *owner)
{
    owner->unread = 0;
    owner->leased = true;
    owner->is_over = owner->ends = false;
}

/* Frames of the peer within a lease. */
static struct owner *owner_told(struct mux_stream_events *events)
{
    struct owner *owner = owner_of(events);
    must(owner->bound && owner->leased && !owner->is_over);
    return owner;
}

static void on_open(struct mux_stream_events *events, const struct mux_open *open)
{
    must(frame_is_open(open) && owner_of(events)->bound && !owner_of(events)->leased);
    begin(owner_of(events));
}

static void on_accept(struct mux_stream_events *events)
{
    owner_told(events);
}

static void on_refuse(struct mux_stream_events *events, enum err why, const char *text)
{
    must(why < ERR_COUNT && strlen(text) <= MUX_TEXT_MAX);
    owner_told(events)->is_over = true;
}

static void on_lost_race(struct mux_stream_events *events)
{
    struct owner *owner = owner_of(events);
    must(owner->bound && owner->leased && owner->side == MUX_SERVER);
    must(mux_stream_sent(owner->stream) == 0);
    owner->leased = false;
}

static void on_data(struct mux_stream_events *events, const uint8_t *data, size_t length)
{
    struct owner *owner = owner_told(events);
    uint8_t *copy = malloc(length); /* a read beyond the record shows */
    must(copy);
    memcpy(copy, data, length);
    free(copy);
    owner->unread += length;
    must(owner->unread <= WINDOW_MAX);
}

static void on_fin(struct mux_stream_events *events)
{
    owner_told(events);
}

static void on_reset(struct mux_stream_events *events, enum err why)
{
    must(why < ERR_COUNT);
    owner_told(events)->is_over = true;
}

static size_t on_fill(struct mux_stream_events *events, uint8_t *to, size_t room, bool *end)
{
    must(room > 0 && owner_of(events)->leased && !owner_of(events)->is_over);
    memset(to, 'x', room);
    *end = owner_of(events)->ends;
    return room;
}

static void on_idle(struct mux_stream_events *events)
{
    struct owner *owner = owner_of(events);
    must(owner->bound && owner->leased && mux_stream_is_idle(owner->stream));
    owner->leased = false;
    owner->unread = 0;
}

static void open_lease(struct owner *owner)
{
    struct mux_open open = {5, "web", "somebody"};
    if (!mux_stream_open(owner->stream, &open))
        begin(owner);
}

/* Drained bytes must be whole frames, as the other side of this code would accept them. */
static void drain(struct owner *owner)
{
    static uint8_t record[MUX_RECORD_MAX];
    size_t length = mux_stream_drain(owner->stream, record, sizeof record);
    struct wire_reader r = wire_reader(record, length);
    struct frame frame;
    while (wire_left(&r))
        must(frame_next(&r, FRAME_ON_STREAM, &frame) == ERR_OK);
}

static void act(struct owner *owner, uint8_t action)
{
    struct mux_stream *stream = owner->stream;
    switch (action) {
    case 1:
        open_lease(owner);
        break;
    case 2:
        mux_stream_accept(stream);
        break;
    case 3:
        mux_stream_refuse(stream, ERR_CONNECT_REFUSED, "no");
        break;
    case 4:
        mux_stream_reset(stream, ERR_LOCAL_RESET);
        owner->is_over = owner->leased;
        break;
    case 5:
        mux_stream_readable(stream);
        break;
    case 6:
        owner->ends = true;
        mux_stream_readable(stream);
        break;
    case 7:
        mux_stream_consumed(stream, owner->unread);
        owner->unread = 0;
        break;
    default:
        drain(owner);
    }
}

static void play(struct owner *owner, struct wire_reader *script)
{
    while (wire_left(script)) {
        uint8_t action = wire_get_u8(script);
        if (action) {
            act(owner, action);
            continue;
        }
        size_t length = wire_get_u16(script);
        if (length > wire_left(script))
            length = wire_left(script);
        uint8_t *record = malloc(length ? length : 1); /* of the exact size, for the sanitizer */
        must(record);
        if (length)
            memcpy(record, wire_get_bytes(script, length), length);
        enum err e = mux_stream_receive(owner->stream, record, length);
        free(record);
        must(!e || err_scope(e) == ERR_SCOPE_STREAM);
        if (e)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader script = wire_reader(data, size);
    struct mux_budget budget = {.limit = WINDOW_MAX};
    struct owner owner = {.events = {on_bound, on_open, on_accept, on_refuse, on_lost_race, on_data,
                                     on_fin, on_reset, on_fill, on_idle}};
    struct mux_stream_options options = {
        .side = wire_get_u8(&script) & 1 ? MUX_SERVER : MUX_CLIENT,
        .stream = 1,
        .windows = {WINDOW / 2, WINDOW, WINDOW_MAX},
        .peer_window = WINDOW / 2,
        .budget = &budget,
    };
    owner.side = options.side;
    owner.stream = mux_stream_new(&options, &owner.events);
    play(&owner, &script);
    mux_stream_free(owner.stream);
    must(budget.used == 0);
    return 0;
}
