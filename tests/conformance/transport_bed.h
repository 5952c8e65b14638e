/* tests/conformance/transport_bed.h: two endpoints of one transport on one loop, and users that
 * note what they are told. A header with code, because each test program is one source file. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/loop.h"
#include "transport/transport.h"

#define BED_MAX_USERS 256
#define SECOND        1000000ull

/* A user of one association. */
struct bed_user {
    struct association_events events;
    struct association *association; /* NULL before and after */
    struct bed *bed;
    bool up, down, echo;
    uint16_t streams;
    unsigned ups, downs, writables;
    enum err reason;
    char detail[256];
    uint64_t messages, bytes;
    uint32_t next_of_stream[65536]; /* number expected in the next message of each stream */
    unsigned disorders, damaged;
    uint8_t last_epoch;
    uint16_t last_stream;
    uint32_t last_length;
    void (*on_writable)(struct bed_user *self);
    struct message_queue echoes; /* not sent yet: no room */
};

/* True: beds that are opened from now on authenticate SCTP. */
static bool bed_auth;

struct bed {
    const struct transport_ops *ops;
    struct loop *loop;
    struct transport_options options;
    struct transport *client, *server;
    struct transport_acceptor acceptor;
    bool accepting;
    bool echo; /* of the users accepted from now on */
    struct bed_user *accepted[BED_MAX_USERS];
    unsigned accepted_count;
};

static inline struct address bed_address(const char *text)
{
    struct endpoint endpoint;
    char why[128];
    must(endpoint_parse(&endpoint, text, ".", why, sizeof why) == ERR_OK);
    struct address address = endpoint.address;
    endpoint_clear(&endpoint);
    return address;
}

/* ---- users ---- */

static inline void bed_on_up(struct association_events *events, uint16_t streams)
{
    struct bed_user *self = container_of(events, struct bed_user, events);
    self->up = true;
    self->ups++;
    self->streams = streams;
}

static inline uint8_t bed_filler(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at);
}

static inline struct message *bed_message(uint16_t stream, uint32_t number, uint32_t length,
                                          uint8_t epoch)
{
    struct message *message = message_new(length);
    message->stream = stream;
    message->epoch = epoch;
    message->length = length;
    for (uint32_t i = 0; i < length; i++)
        message->data[i] =
            i < 4 && length >= 4 ? (uint8_t)(number >> 8 * i) : bed_filler(number, i);
    return message;
}

static inline void bed_check_message(struct bed_user *self, const struct message *message)
{
    uint32_t number = self->next_of_stream[message->stream]++;
    struct message *expected =
        bed_message(message->stream, number, message->length, message->epoch);
    if (message->length >= 4 && memcmp(expected->data, message->data, 4))
        self->disorders++;
    else if (memcmp(expected->data, message->data, message->length))
        self->damaged++;
    message_free(expected);
}

static inline void bed_send_echoes(struct bed_user *self)
{
    for (struct message *message; self->association && (message = self->echoes.first);) {
        message_queue_pop(&self->echoes);
        if (association_send(self->association, message) == ERR_OK)
            continue;
        message_queue_push_front(&self->echoes, message);
        return;
    }
}

static inline void bed_on_message(struct association_events *events, struct message *message)
{
    struct bed_user *self = container_of(events, struct bed_user, events);
    self->messages++;
    self->bytes += message->length;
    self->last_epoch = message->epoch;
    self->last_stream = message->stream;
    self->last_length = message->length;
    bed_check_message(self, message);
    if (!self->echo) {
        message_free(message);
        return;
    }
    message_queue_push(&self->echoes, message);
    bed_send_echoes(self);
}

static inline void bed_on_writable(struct association_events *events)
{
    struct bed_user *self = container_of(events, struct bed_user, events);
    self->writables++;
    bed_send_echoes(self);
    if (self->on_writable)
        self->on_writable(self);
}

static inline void bed_on_down(struct association_events *events, enum err reason,
                               const char *detail)
{
    struct bed_user *self = container_of(events, struct bed_user, events);
    self->up = false;
    self->down = true;
    self->downs++;
    self->reason = reason;
    self->association = NULL;
    message_queue_clear(&self->echoes);
    snprintf(self->detail, sizeof self->detail, "%s", detail);
}

static inline struct bed_user *bed_user_new(struct bed *bed)
{
    struct bed_user *user = check_alloc(sizeof *user);
    user->bed = bed;
    user->events = (struct association_events){.on_up = bed_on_up,
                                               .on_message = bed_on_message,
                                               .on_writable = bed_on_writable,
                                               .on_down = bed_on_down};
    return user;
}

static inline struct association_events *bed_on_incoming(struct transport_acceptor *acceptor,
                                                         struct association *association,
                                                         const struct address *peer)
{
    struct bed *bed = container_of(acceptor, struct bed, acceptor);
    (void)peer;
    if (!bed->accepting || bed->accepted_count == BED_MAX_USERS)
        return NULL;
    struct bed_user *user = bed_user_new(bed);
    user->association = association;
    user->echo = bed->echo;
    bed->accepted[bed->accepted_count++] = user;
    return &user->events;
}

static inline struct bed_user *bed_latest(struct bed *bed)
{
    must(bed->accepted_count);
    return bed->accepted[bed->accepted_count - 1];
}

/* ---- the bed ---- */

static inline struct transport_options bed_default_options(void)
{
    return (struct transport_options){
        .streams = 1024,
        .max_associations = 64,
        .connect_timeout_us = 5 * SECOND,
        .heartbeat_us = SECOND,
        .dead_after_us = 15 * SECOND,
        .auth = bed_auth,
    };
}

static inline struct transport *bed_open_one(struct bed *bed, const char *local,
                                             struct transport_acceptor *acceptor)
{
    if (!local)
        return NULL;
    struct address address = bed_address(local);
    struct transport *transport = NULL;
    char why[256] = "";
    enum err e = transport_open(bed->ops, bed->loop, &address, 1, &bed->options, acceptor,
                                &transport, why, sizeof why);
    if (e != ERR_OK)
        fprintf(stderr, "# open %s: %s: %s\n", local, err_text(e), why);
    return transport;
}

static inline void bed_open_at(struct bed *bed, const char *client, const char *server)
{
    bed->accepting = true;
    bed->acceptor.on_incoming = bed_on_incoming;
    bed->loop = loop_new();
    must(bed->loop);
    bed->server = bed_open_one(bed, server, &bed->acceptor);
    bed->client = bed_open_one(bed, client, NULL);
}

static inline void bed_open(struct bed *bed, const struct transport_ops *ops)
{
    *bed = (struct bed){.ops = ops, .options = bed_default_options()};
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
}

static inline void bed_close(struct bed *bed)
{
    transport_free(bed->client);
    transport_free(bed->server);
    for (unsigned i = 0; i < bed->accepted_count; i++) {
        must(bed->accepted[i]->down);
        free(bed->accepted[i]);
    }
    loop_free(bed->loop);
}

/* Time as this process has it. The machine may have held up a turn that took much longer than it
 * waits; that is no fault of the code under test, so such a turn counts only as long as it should
 * be. */
struct bed_clock {
    uint64_t at_us, us;
};
#define BED_WORK_US 10000

static inline struct bed_clock bed_clock_begin(struct bed *bed)
{
    loop_turn(bed->loop, 0);
    return (struct bed_clock){.at_us = loop_now(bed->loop)};
}

static inline void bed_clock_turn(struct bed_clock *clock, struct bed *bed, uint64_t wait_us)
{
    loop_turn(bed->loop, wait_us);
    uint64_t step = loop_now(bed->loop) - clock->at_us, most = wait_us + BED_WORK_US;
    clock->us += step < most ? step : most;
    clock->at_us = loop_now(bed->loop);
}

/* The longest time without a message. */
struct bed_gap {
    uint64_t heard_us, longest_us, messages;
};

static inline void bed_gap_look(struct bed_gap *gap, const struct bed_clock *clock,
                                const struct bed_user *to)
{
    if (to->messages != gap->messages)
        gap->heard_us = clock->us;
    gap->messages = to->messages;
    if (clock->us - gap->heard_us > gap->longest_us)
        gap->longest_us = clock->us - gap->heard_us;
}

/* Until the condition holds; after how long, or within_us and more when it did not. */
static inline uint64_t bed_took(struct bed *bed, bool (*condition)(void *argument), void *argument,
                                uint64_t within_us)
{
    struct bed_clock clock = bed_clock_begin(bed);
    while (!condition(argument) && clock.us < within_us)
        bed_clock_turn(&clock, bed, 20000);
    return clock.us;
}

static inline bool bed_wait(struct bed *bed, bool (*condition)(void *argument), void *argument,
                            uint64_t within_us)
{
    bed_took(bed, condition, argument, within_us);
    return condition(argument);
}

static inline bool bed_never(void *argument)
{
    (void)argument;
    return false;
}

static inline void bed_run(struct bed *bed, uint64_t for_us)
{
    bed_wait(bed, bed_never, NULL, for_us);
}

static inline bool bed_both_up(void *argument)
{
    struct bed_user *user = argument;
    struct bed *bed = user->bed;
    return user->down || (user->up && bed->accepted_count && bed_latest(bed)->ups);
}

static inline struct bed_user *bed_connect(struct bed *bed)
{
    struct bed_user *user = bed_user_new(bed);
    must(association_connect(bed->client, transport_local(bed->server), 1, &user->events,
                             &user->association) == ERR_OK);
    unsigned before = bed->accepted_count;
    bed_wait(bed, bed_both_up, user, 5 * SECOND);
    while (!user->down && bed->accepted_count == before && loop_now(bed->loop))
        loop_turn(bed->loop, 20000);
    return user;
}

static inline bool bed_is_down(void *argument)
{
    return ((struct bed_user *)argument)->down;
}

static inline bool bed_wait_down(struct bed_user *user, uint64_t within_us)
{
    return bed_wait(user->bed, bed_is_down, user, within_us);
}

struct wanted {
    struct bed_user *user;
    uint64_t count;
};

static inline bool bed_has_messages(void *argument)
{
    const struct wanted *wanted = argument;
    return wanted->user->messages >= wanted->count || wanted->user->down;
}

static inline bool bed_wait_messages(struct bed_user *user, uint64_t count, uint64_t within_us)
{
    struct wanted wanted = {user, count};
    bed_wait(user->bed, bed_has_messages, &wanted, within_us);
    return user->messages >= count;
}

static inline bool bed_send(struct bed_user *user, uint16_t stream, uint32_t number,
                            uint32_t length, uint8_t epoch)
{
    struct message *message = bed_message(stream, number, length, epoch);
    while (user->association) {
        if (association_send(user->association, message) == ERR_OK)
            return true;
        loop_turn(user->bed->loop, 20000);
    }
    message_free(message);
    return false;
}
