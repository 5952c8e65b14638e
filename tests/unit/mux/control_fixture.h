/* tests/unit/mux/control_fixture.h: one control channel whose callbacks leave a trace in words. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "mux/control.h"
#include "mux/frame.h"
#include "tests/lib/tap.h"

struct control_end {
    struct mux_control_events events;
    struct mux_control *control;
    char trace[1024];
    struct mux_hello hello; /* the peer's, without services */
    char last_service[64];
    uint8_t out[MUX_RECORD_MAX];
};

static inline void trace(struct mux_control_events *self, const char *word, unsigned a, unsigned b)
{
    struct control_end *end = container_of(self, struct control_end, events);
    size_t used = strlen(end->trace);
    snprintf(end->trace + used, sizeof end->trace - used, "%s(%u,%u) ", word, a, b);
}

static inline void trace_hello(struct mux_control_events *self, const struct mux_hello *hello)
{
    struct control_end *end = container_of(self, struct control_end, events);
    end->hello = *hello;
    if (hello->service_count)
        snprintf(end->last_service, sizeof end->last_service, "%s",
                 hello->services[hello->service_count - 1]);
    trace(self, "hello", hello->streams_max, (unsigned)hello->service_count);
}

static inline void trace_want(struct mux_control_events *self, uint16_t count)
{
    trace(self, "want", count, 0);
}

static inline void trace_failed(struct mux_control_events *self, uint16_t stream, uint8_t epoch,
                                enum err why)
{
    trace(self, err_name(why), stream, epoch);
}

static inline void trace_renew(struct mux_control_events *self, uint16_t stream, uint8_t epoch)
{
    trace(self, "renew", stream, epoch);
}

static inline void trace_pong(struct mux_control_events *self, uint64_t token)
{
    trace(self, "pong", (unsigned)token, 0);
}

static inline void trace_goaway(struct mux_control_events *self, enum err why)
{
    trace(self, "goaway", why == ERR_DRAINING, 0);
}

static inline void trace_ready(struct mux_control_events *self, uint16_t key)
{
    trace(self, "ready", key, 0);
}

static inline void trace_settled(struct mux_control_events *self, uint16_t key)
{
    trace(self, "settled", key, 0);
}

static inline void control_start(struct control_end *end, enum mux_side side,
                                 const struct mux_hello *hello)
{
    *end = (struct control_end){.events = {trace_hello, trace_want, trace_failed, trace_renew,
                                           trace_pong, trace_goaway, trace_ready, trace_settled}};
    end->control = mux_control_new(side, hello, &end->events);
}

static inline bool traced(struct control_end *end, const char *expected)
{
    bool same = strcmp(end->trace, expected) == 0;
    if (!same)
        tap_note("got \"%s\", expected \"%s\"", end->trace, expected);
    end->trace[0] = '\0';
    return same;
}

/* Moves records from one to the other until there are none. */
static inline enum err control_pass(struct control_end *from, struct control_end *to)
{
    enum err e = ERR_OK;
    size_t length;
    while (!e && (length = mux_control_drain(from->control, from->out, sizeof from->out)))
        e = mux_control_receive(to->control, from->out, length);
    return e;
}

static const struct mux_hello plain_hello = {
    .version = MUX_PROTOCOL_VERSION,
    .streams_max = 100,
    .window_initial = 65536,
};

static inline void control_start_pair(struct control_end *client, struct control_end *server)
{
    control_start(client, MUX_CLIENT, &plain_hello);
    control_start(server, MUX_SERVER, &plain_hello);
    must(control_pass(client, server) == ERR_OK && control_pass(server, client) == ERR_OK);
    client->trace[0] = server->trace[0] = '\0';
}
