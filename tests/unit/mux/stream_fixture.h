/* tests/unit/mux/stream_fixture.h: one stream under test whose peer is the test itself: it writes
 * the peer's frames by hand and reads what the stream drains; callbacks leave a trace in words. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/credit.h"
#include "mux/frame.h"
#include "mux/stream.h"
#include "tests/lib/tap.h"

#define WINDOW 1000

struct fixture {
    struct mux_stream_events events;
    struct mux_stream *stream;
    struct mux_budget budget;
    char trace[512];    /* "bound open:web fin idle " */
    const char *source; /* bytes that on_fill gives */
    size_t source_left;
    bool source_ends, reset_in_fill, open_in_idle;
    uint8_t out[MUX_RECORD_MAX]; /* the last record drained */
    size_t out_length;
    uint8_t in[MUX_RECORD_MAX + 64]; /* the record in the making */
    struct wire_writer w;
};

static inline struct fixture *fixture_of(struct mux_stream_events *events)
{
    return container_of(events, struct fixture, events);
}

static inline void trace(struct mux_stream_events *events, const char *word, const char *detail)
{
    struct fixture *f = fixture_of(events);
    size_t used = strlen(f->trace);
    snprintf(f->trace + used, sizeof f->trace - used, "%s%s%s ", word, detail ? ":" : "",
             detail ? detail : "");
}

static inline void trace_bound(struct mux_stream_events *events)
{
    trace(events, "bound", NULL);
}

static inline void trace_open(struct mux_stream_events *events, const struct mux_open *open)
{
    trace(events, "open", open->service);
}

static inline void trace_accept(struct mux_stream_events *events)
{
    trace(events, "accept", NULL);
}

static inline void trace_refuse(struct mux_stream_events *events, enum err why, const char *text)
{
    trace(events, "refuse", err_name(why));
    trace(events, "text", text);
}

static inline void trace_lost_race(struct mux_stream_events *events)
{
    trace(events, "lost_race", NULL);
}

static inline void trace_data(struct mux_stream_events *events, const uint8_t *data, size_t length)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", length > 20 ? 20 : (int)length, (const char *)data);
    trace(events, "data", text);
}

static inline void trace_fin(struct mux_stream_events *events)
{
    trace(events, "fin", NULL);
}

static inline void trace_reset(struct mux_stream_events *events, enum err why)
{
    trace(events, "reset", err_name(why));
}

static inline size_t trace_fill(struct mux_stream_events *events, uint8_t *to, size_t room,
                                bool *end)
{
    struct fixture *f = fixture_of(events);
    size_t length = f->source_left < room ? f->source_left : room;
    if (f->source)
        memcpy(to, f->source, length);
    else
        memset(to, 'x', length);
    f->source_left -= length;
    if (f->source)
        f->source += length;
    *end = f->source_ends && !f->source_left;
    if (f->reset_in_fill)
        mux_stream_reset(f->stream, ERR_LOCAL_RESET);
    return length;
}

static inline void trace_idle(struct mux_stream_events *events)
{
    struct fixture *f = fixture_of(events);
    trace(events, "idle", NULL);
    struct mux_open open = {7, "again", ""};
    if (f->open_in_idle)
        must(mux_stream_open(f->stream, &open) == ERR_OK);
}

static inline void frames_begin(struct fixture *f)
{
    f->w = wire_writer(f->in, sizeof f->in);
}

static inline enum err frames_end(struct fixture *f)
{
    must(!f->w.overrun);
    return mux_stream_receive(f->stream, f->in, (size_t)(f->w.at - f->in));
}

static inline void put_open(struct fixture *f, uint8_t lease, const char *service)
{
    uint8_t payload[FRAME_OPEN_MAX];
    struct mux_open open = {42, service, "10.0.0.1:99"};
    size_t length = frame_encode_open(payload, &open);
    frame_put(&f->w, FRAME_OPEN, lease, length);
    wire_put_bytes(&f->w, payload, length);
}

static inline void put_data(struct fixture *f, uint8_t lease, const char *text)
{
    frame_put(&f->w, FRAME_DATA, lease, strlen(text));
    wire_put_bytes(&f->w, text, strlen(text));
}

static inline void put_refuse(struct fixture *f, uint8_t lease, enum err why, const char *text)
{
    uint8_t payload[FRAME_REFUSE_MAX];
    size_t length = frame_encode_refuse(payload, why, text);
    frame_put(&f->w, FRAME_REFUSE, lease, length);
    wire_put_bytes(&f->w, payload, length);
}

static inline enum err peer_open(struct fixture *f, uint8_t lease)
{
    frames_begin(f);
    put_open(f, lease, "web");
    return frames_end(f);
}

static inline enum err peer_data(struct fixture *f, uint8_t lease, const char *text)
{
    frames_begin(f);
    put_data(f, lease, text);
    return frames_end(f);
}

static inline enum err peer_accept(struct fixture *f, uint8_t lease)
{
    frames_begin(f);
    frame_put(&f->w, FRAME_ACCEPT, lease, 0);
    return frames_end(f);
}

static inline enum err peer_refuse(struct fixture *f, uint8_t lease)
{
    frames_begin(f);
    put_refuse(f, lease, ERR_CONNECT_REFUSED, "nobody");
    return frames_end(f);
}

/* FIN, RESET or CREDIT. */
static inline enum err peer_number(struct fixture *f, enum frame_type type, uint8_t lease,
                                   uint64_t value)
{
    frames_begin(f);
    frame_put_number(&f->w, type, lease, value);
    return frames_end(f);
}

static inline enum err peer_bind(struct fixture *f, uint8_t lease, uint8_t id, uint16_t stream)
{
    struct frame_bind bind = {.stream = stream};
    memset(bind.association, id, sizeof bind.association);
    frames_begin(f);
    frame_put_bind(&f->w, &bind);
    f->in[1] = lease;
    return frames_end(f);
}

/* Drains one record; its frames in words: "OPEN1 DATA1 FIN1". */
static inline const char *drained(struct fixture *f)
{
    static char words[256];
    words[0] = '\0';
    f->out_length = mux_stream_drain(f->stream, f->out, sizeof f->out);
    struct wire_reader r = wire_reader(f->out, f->out_length);
    struct frame frame;
    while (wire_left(&r) && frame_next(&r, FRAME_ON_STREAM, &frame) == ERR_OK) {
        size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, "%s%s%u", used ? " " : "",
                 frame_type_name(frame.type), frame.lease);
    }
    return words;
}

/* The number in the payload of the last frame drained. */
static inline uint64_t last_number(const struct fixture *f)
{
    struct wire_reader r = wire_reader(f->out, f->out_length);
    struct frame frame = {0};
    while (wire_left(&r) && frame_next(&r, FRAME_ON_STREAM, &frame) == ERR_OK)
        continue;
    return frame.payload ? frame_number(&frame) : 0;
}

/* Events since the last call. */
static inline bool traced(struct fixture *f, const char *expected)
{
    bool same = strcmp(f->trace, expected) == 0;
    if (!same)
        tap_note("got \"%s\", expected \"%s\"", f->trace, expected);
    f->trace[0] = '\0';
    return same;
}

/* NULL: no CREDIT before it is needed. */
static const struct credit_windows *fixture_windows;

static inline void fixture_start_unbound(struct fixture *f, enum mux_side side)
{
    *f = (struct fixture){
        .events = {trace_bound, trace_open, trace_accept, trace_refuse, trace_lost_race, trace_data,
                   trace_fin, trace_reset, trace_fill, trace_idle},
        .budget = {.limit = 1 << 20},
    };
    struct mux_stream_options options = {
        .side = side,
        .stream = 5,
        .windows = fixture_windows ? *fixture_windows
                                   : (struct credit_windows){WINDOW, WINDOW, 4 * WINDOW},
        .peer_window = WINDOW,
        .budget = &f->budget,
    };
    memset(options.association, 9, sizeof options.association);
    f->stream = mux_stream_new(&options, &f->events);
}

/* Idle, its BIND drained. */
static inline void fixture_start(struct fixture *f, enum mux_side side)
{
    fixture_start_unbound(f, side);
    drained(f);
    must(peer_bind(f, 0, 9, 5) == ERR_OK);
    f->trace[0] = '\0';
}

/* Lease 1 opened by the stream under test, OPEN drained. */
static inline void fixture_start_opening(struct fixture *f, enum mux_side side)
{
    fixture_start(f, side);
    struct mux_open open = {1, "web", "10.0.0.1:99"};
    must(mux_stream_open(f->stream, &open) == ERR_OK);
    drained(f);
}

/* Lease 1 open, by the stream's own OPEN. */
static inline void fixture_start_open(struct fixture *f, enum mux_side side)
{
    fixture_start_opening(f, side);
    must(peer_accept(f, 1) == ERR_OK);
    f->trace[0] = '\0';
}

static inline void fixture_stop(struct fixture *f)
{
    mux_stream_free(f->stream);
    ok(atomic_load(&f->budget.used) == 0, "nothing of the budget is left in use");
}
