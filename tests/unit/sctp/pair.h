/* tests/unit/sctp/pair.h: two engines wired to each other under a virtual clock. A connects, B
 * listens. Packets travel `delay_us`; a test may look at each one, change it, drop it, send it
 * again later or forge its own. Everything is static: one test, one copy. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/association_private.h"
#include "sctp/listener.h"
#include "tests/lib/tap.h"

#define PAIR_ROOM   66000
#define PAIR_EVENTS 64

struct pair_packet {
    struct pair_packet *next;
    uint64_t at_us; /* when it arrives */
    unsigned net;
    bool to_b;
    size_t length;
    uint8_t bytes[];
};

/* One end, and what its user was told. */
struct pair_end {
    struct sctp_association *association;
    enum sctp_event_kind events[PAIR_EVENTS]; /* without SCTP_EVENT_MESSAGE */
    unsigned event_count;
    struct sctp_event down; /* kind SCTP_EVENT_DOWN once it has come */
    uint8_t text[SCTP_TEXT_MAX];
    struct message_queue messages;
    uint16_t up_streams, key;
    unsigned sent; /* packets */
};

struct pair {
    uint64_t now_us, delay_us;
    struct sctp_options options[2]; /* of A, of B */
    struct sctp_listener *listener;
    struct pair_end a, b;
    struct pair_packet *wire; /* by time of arrival */
    uint64_t seed;
    bool wraps; /* A's first TSN is 0xfffffff0 */
    unsigned draws;
    /* Sees each packet that is sent; false: it is lost. */
    bool (*filter)(struct pair *pair, struct pair_packet *packet);
    void *context;
    /* One that was kept by pair_keep. */
    struct pair_packet *kept;
    /* Sent early by A when ANSWERED is told, if not NULL. */
    struct message *early;
    bool is_cut;   /* nothing arrives */
    char log[512]; /* packets since pair_clear: "A DATA+DATA, B SACK" */
    bool heir;     /* B's association was restarted by A's new one; the old one is freed */
};

__attribute__((unused)) static void pair_random(void *context, void *bytes, size_t length)
{
    struct pair *pair = context;
    static const uint32_t near_the_end = 0xfffffff0u;
    for (uint8_t *at = bytes; at < (uint8_t *)bytes + length; at++) {
        pair->seed = pair->seed * 6364136223846793005u + 1442695040888963407u;
        *at = (uint8_t)(pair->seed >> 33);
    }
    /* The tag is drawn before the TSN, both by themselves. */
    if (length == sizeof near_the_end && ++pair->draws == 2 && pair->wraps)
        memcpy(bytes, &near_the_end, sizeof near_the_end);
}

static struct pair_end *pair_end_of(struct pair *pair, bool b)
{
    return b ? &pair->b : &pair->a;
}

/* ---- packets ---- */

/* Chunk types in order, up to 8; 255: none. */
struct pair_types {
    uint8_t type[8];
    unsigned count;
};

__attribute__((unused)) static struct pair_types pair_types(const struct pair_packet *packet)
{
    struct pair_types types = {.count = 0};
    struct wire_reader reader = sctp_wire_chunks(packet->bytes, packet->length);
    struct sctp_chunk chunk;
    memset(types.type, 255, sizeof types.type);
    while (types.count < 8 && sctp_wire_next_chunk(&reader, &chunk))
        types.type[types.count++] = chunk.type;
    return types;
}

__attribute__((unused)) static bool pair_find(const struct pair_packet *packet, uint8_t type,
                                              struct sctp_chunk *chunk)
{
    struct wire_reader reader = sctp_wire_chunks(packet->bytes, packet->length);
    while (sctp_wire_next_chunk(&reader, chunk))
        if (chunk->type == type)
            return true;
    return false;
}

__attribute__((unused)) static bool pair_has(const struct pair_packet *packet, uint8_t type)
{
    struct sctp_chunk chunk;
    return pair_find(packet, type, &chunk);
}

static struct pair_packet *pair_new(bool to_b, unsigned net, const uint8_t *bytes, size_t length)
{
    struct pair_packet *packet = check_alloc(sizeof *packet + length);
    packet->to_b = to_b;
    packet->net = net;
    packet->length = length;
    memcpy(packet->bytes, bytes, length);
    return packet;
}

/* Owns: the wire. */
static void pair_post(struct pair *pair, struct pair_packet *packet, uint64_t at_us)
{
    struct pair_packet **at = &pair->wire;
    packet->at_us = at_us;
    while (*at && (*at)->at_us <= at_us)
        at = &(*at)->next;
    packet->next = *at;
    *at = packet;
}

static void pair_log(struct pair *pair, const struct pair_packet *packet)
{
    static const char *const names[] = {
        "DATA",         "INIT",  "INIT_ACK", "SACK",       "HB", "HB_ACK", "ABORT",    "SHUTDOWN",
        "SHUTDOWN_ACK", "ERROR", "COOKIE",   "COOKIE_ACK", "12", "13",     "COMPLETE", "AUTH"};
    struct pair_types types = pair_types(packet);
    size_t used = strlen(pair->log), room = sizeof pair->log - used;
    int more =
        snprintf(pair->log + used, room, "%s%c ", used ? ", " : "", packet->to_b ? 'A' : 'B');
    for (unsigned i = 0; i < types.count && (size_t)more < room; i++)
        more += snprintf(pair->log + used + more, room - (size_t)more, "%s%s", i ? "+" : "",
                         types.type[i] < 16 ? names[types.type[i]] : "?");
}

__attribute__((unused)) static void pair_clear(struct pair *pair)
{
    pair->log[0] = '\0';
}

__attribute__((unused)) static bool pair_sent(const struct pair *pair, const char *expected)
{
    if (!strcmp(pair->log, expected))
        return true;
    tap_note("sent: \"%s\", expected: \"%s\"", pair->log, expected);
    return false;
}

static void pair_send(struct pair *pair, struct pair_packet *packet)
{
    pair_end_of(pair, !packet->to_b)->sent++;
    pair_log(pair, packet);
    if ((pair->filter && !pair->filter(pair, packet)) || pair->is_cut)
        free(packet);
    else
        pair_post(pair, packet, pair->now_us + pair->delay_us);
}

/* A copy of it, for pair_post or free. */
__attribute__((unused)) static struct pair_packet *pair_copy(const struct pair_packet *packet)
{
    return pair_new(packet->to_b, packet->net, packet->bytes, packet->length);
}

/* For a filter: keeps a copy of this packet. */
__attribute__((unused)) static void pair_keep(struct pair *pair, const struct pair_packet *packet)
{
    free(pair->kept);
    pair->kept = pair_copy(packet);
}

/* ---- ends ---- */

static void pair_note(struct pair *pair, struct pair_end *end, const struct sctp_event *event)
{
    if (event->kind == SCTP_EVENT_MESSAGE) {
        message_queue_push(&end->messages, event->message);
        return;
    }
    must(end->event_count < PAIR_EVENTS);
    end->events[end->event_count++] = event->kind;
    if (event->kind == SCTP_EVENT_UP)
        end->up_streams = event->streams;
    if (event->kind == SCTP_EVENT_AUTH_SETTLED)
        end->key = event->key;
    if (event->kind == SCTP_EVENT_DOWN) {
        end->down = *event;
        if (event->text_length)
            memcpy(end->text, event->text, event->text_length);
        end->down.text = end->text;
    }
    if (event->kind == SCTP_EVENT_ANSWERED && pair->early) {
        must(sctp_association_send(end->association, pair->now_us, pair->early) == ERR_OK);
        pair->early = NULL;
    }
}

/* Events, then packets, of one end. Its spins are bounded: more is a mistake of the engine's. */
static void pair_pump(struct pair *pair, bool b)
{
    struct pair_end *end = pair_end_of(pair, b);
    static uint8_t room[PAIR_ROOM];
    struct sctp_event event;
    struct sctp_wants wants;
    if (!end->association)
        return;
    while (sctp_association_event(end->association, &event))
        pair_note(pair, end, &event);
    for (unsigned i = 0; sctp_association_wants(end->association, pair->now_us, &wants); i++) {
        must(i < 100000 && wants.size <= sizeof room);
        size_t length = sctp_association_output(end->association, pair->now_us, &wants, room);
        struct sctp_header header;
        must(length && length <= wants.size && sctp_wire_check(room, length, &header));
        must(!wants.full || length == wants.size);
        pair_send(pair, pair_new(!b, wants.net, room, length));
    }
    while (sctp_association_event(end->association, &event))
        pair_note(pair, end, &event);
}

static void pair_listen(struct pair *pair, struct pair_packet *packet)
{
    const struct sctp_origin origin = {"test", 4};
    uint8_t reply[SCTP_REPLY_MAX];
    size_t reply_length = 0;
    struct sctp_association *made = NULL;
    switch (sctp_listener_input(pair->listener, pair->now_us, &origin, packet->net, packet->bytes,
                                packet->length, pair->b.association, reply, &reply_length, &made)) {
    case SCTP_HEARD_REPLY:
    case SCTP_HEARD_UNLIKE:
        pair_send(pair, pair_new(false, packet->net, reply, reply_length));
        break;
    case SCTP_HEARD_RESTARTED:
        pair->heir = true;
        sctp_association_free(pair->b.association);
        pair->b.association = made;
        sctp_association_input_end(made, pair->now_us);
        break;
    case SCTP_HEARD_MADE:
        pair->b.association = made;
        sctp_association_input_end(made, pair->now_us);
        break;
    case SCTP_HEARD_EXISTING:
        sctp_association_input_end(pair->b.association, pair->now_us);
        break;
    case SCTP_HEARD_NOTHING:
        break;
    }
}

/* As an endpoint does with what came: INIT and COOKIE ECHO to B's listener. */
static void pair_deliver(struct pair *pair, struct pair_packet *packet)
{
    struct pair_end *end = pair_end_of(pair, packet->to_b);
    struct pair_types types = pair_types(packet);
    unsigned first = types.type[0] == SCTP_CHUNK_AUTH ? 1 : 0;
    if (packet->to_b && pair->listener &&
        (types.type[0] == SCTP_CHUNK_INIT || types.type[first] == SCTP_CHUNK_COOKIE_ECHO)) {
        pair_listen(pair, packet);
    } else if (end->association && end->down.kind != SCTP_EVENT_DOWN) {
        sctp_association_input(end->association, pair->now_us, packet->net, packet->bytes,
                               packet->length);
        sctp_association_input_end(end->association, pair->now_us);
    } else {
        uint8_t reply[SCTP_REPLY_MAX];
        size_t length = sctp_listener_ootb(packet->bytes, packet->length, reply);
        if (length)
            pair_send(pair, pair_new(!packet->to_b, packet->net, reply, length));
    }
    pair_pump(pair, packet->to_b);
}

/* ---- time ---- */

static uint64_t pair_deadline(const struct pair_end *end)
{
    return end->association ? sctp_association_deadline(end->association) : SCTP_NEVER;
}

/* The next thing that happens, not after until_us; false: nothing does. */
static bool pair_step(struct pair *pair, uint64_t until_us)
{
    uint64_t a = pair_deadline(&pair->a), b = pair_deadline(&pair->b);
    uint64_t next = a < b ? a : b;
    struct pair_packet *packet = pair->wire;
    if (packet && packet->at_us <= next) {
        if (packet->at_us > until_us)
            return false;
        if (packet->at_us > pair->now_us)
            pair->now_us = packet->at_us;
        pair->wire = packet->next;
        pair_deliver(pair, packet);
        free(packet);
        return true;
    }
    if (next > until_us || next == SCTP_NEVER)
        return false;
    if (next > pair->now_us)
        pair->now_us = next;
    sctp_association_timeout(pair_end_of(pair, b < a)->association, pair->now_us);
    pair_pump(pair, b < a);
    must(pair_deadline(pair_end_of(pair, b < a)) > pair->now_us);
    return true;
}

/* Everything of the next so many microseconds. */
__attribute__((unused)) static void pair_run(struct pair *pair, uint64_t us)
{
    uint64_t until = pair->now_us + us;
    for (unsigned i = 0; pair_step(pair, until); i++)
        must(i < 10000000);
    pair->now_us = until;
}

/* ---- set up ---- */

__attribute__((unused)) static void pair_init(struct pair *pair, uint64_t seed)
{
    *pair = (struct pair){.now_us = 1000000, .delay_us = 10000, .seed = seed};
    pair->a.down.kind = pair->b.down.kind = SCTP_EVENT_UP;
    for (unsigned i = 0; i < 2; i++) {
        struct sctp_options *options = &pair->options[i];
        sctp_association_defaults(options);
        options->own_port = i ? 20 : 10;
        options->peer_port = i ? 10 : 20;
        options->streams = 16;
        options->mtu = 1452;
        options->hawser = true;
        options->first_packet = 0xfffffff0u;
        options->first_tsn = i ? 0xfffffffeu : 0xfffffffdu;
        options->random = pair_random;
    }
    pair->options[0].random_context = pair->options[1].random_context = pair;
}

/* A asks, B listens; nothing has travelled yet. */
__attribute__((unused)) static void pair_connect(struct pair *pair)
{
    pair->listener = sctp_listener_new(&pair->options[1], pair->now_us);
    pair->draws = 0;
    pair->a.association = sctp_association_connect(&pair->options[0]);
    pair_pump(pair, false);
}

/* Both are up, and nothing is under way. */
__attribute__((unused)) static void pair_up(struct pair *pair)
{
    pair_connect(pair);
    pair_run(pair, 1000000);
    must(pair->a.association->state == SCTP_ESTABLISHED);
    must(pair->b.association && pair->b.association->state == SCTP_ESTABLISHED);
}

__attribute__((unused)) static void pair_fini(struct pair *pair)
{
    sctp_association_free(pair->a.association);
    sctp_association_free(pair->b.association);
    sctp_listener_free(pair->listener);
    message_queue_clear(&pair->a.messages);
    message_queue_clear(&pair->b.messages);
    while (pair->wire) {
        struct pair_packet *packet = pair->wire;
        pair->wire = packet->next;
        free(packet);
    }
    free(pair->kept);
    message_free(pair->early);
}

/* ---- what tests ask for ---- */

static void pair_inject_chunk(struct pair *pair, bool to_b, uint8_t type, uint8_t flags,
                              const void *value, size_t length);
static enum err pair_say(struct pair *pair, bool b, uint16_t stream, size_t length);

__attribute__((unused)) static struct message *pair_message(uint16_t stream, size_t length,
                                                            uint8_t fill)
{
    struct message *message = message_new(length);
    message->length = (uint32_t)length;
    message->stream = stream;
    message->epoch = 1;
    memset(message->data, fill, length);
    return message;
}

/* A SHUTDOWN to A that acknowledges all before the first TSN that is outstanding. */
__attribute__((unused)) static void pair_inject_shutdown(struct pair *pair, uint32_t offset)
{
    uint32_t tsn = pair->a.association->flight.una - 1 + offset;
    const uint8_t value[4] = {(uint8_t)(tsn >> 24), (uint8_t)(tsn >> 16), (uint8_t)(tsn >> 8),
                              (uint8_t)tsn};
    pair_inject_chunk(pair, false, SCTP_CHUNK_SHUTDOWN, 0, value, sizeof value);
}

static bool pair_lose_echo(struct pair *pair, struct pair_packet *packet)
{
    (void)pair;
    return !pair_has(packet, SCTP_CHUNK_COOKIE_ECHO);
}

/* Brings A to that state; from then on the wire is cut, and what is logged is empty. In
 * SHUTDOWN_PENDING and SHUTDOWN_RECEIVED one message is outstanding. */
__attribute__((unused)) static void pair_prepare(struct pair *pair, uint64_t seed,
                                                 enum sctp_state state)
{
    pair_init(pair, seed);
    pair->is_cut = state == SCTP_COOKIE_WAIT;
    pair->options[0].buffer = pair->options[1].buffer = 40000;
    pair->filter = state == SCTP_COOKIE_ECHOED ? pair_lose_echo : NULL;
    pair_connect(pair);
    pair_run(pair, 500000);
    pair->is_cut = true;
    if (state == SCTP_SHUTDOWN_PENDING || state == SCTP_SHUTDOWN_RECEIVED)
        must(pair_say(pair, false, 1, 100) == ERR_OK);
    if (state == SCTP_SHUTDOWN_PENDING || state == SCTP_SHUTDOWN_SENT)
        sctp_association_shutdown(pair->a.association, pair->now_us);
    if (state == SCTP_SHUTDOWN_RECEIVED || state == SCTP_SHUTDOWN_ACK_SENT)
        pair_inject_shutdown(pair, 0);
    if (state == SCTP_ENDED)
        sctp_association_abort(pair->a.association, "over");
    pair_pump(pair, false);
    must(pair->a.association->state == state);
    pair_clear(pair);
}

/* Sends one at that end, now. */
__attribute__((unused)) static enum err pair_say(struct pair *pair, bool b, uint16_t stream,
                                                 size_t length)
{
    struct message *message = pair_message(stream, length, (uint8_t)length);
    enum err e = sctp_association_send(pair_end_of(pair, b)->association, pair->now_us, message);
    if (e != ERR_OK)
        message_free(message);
    pair_pump(pair, b);
    return e;
}

/* So many, of stream 1, as they are taken. */
__attribute__((unused)) static void pair_say_all(struct pair *pair, bool b, unsigned count,
                                                 size_t length)
{
    for (unsigned tries = 0; count; tries++) {
        must(tries < 1000000);
        if (pair_say(pair, b, 1, length) == ERR_OK)
            count--;
        else
            pair_run(pair, 1000);
    }
}

__attribute__((unused)) static bool pair_told(const struct pair_end *end, enum sctp_event_kind kind)
{
    for (unsigned i = 0; i < end->event_count; i++)
        if (end->events[i] == kind)
            return true;
    return false;
}

__attribute__((unused)) static bool pair_is_down(const struct pair_end *end, enum err reason)
{
    return end->down.kind == SCTP_EVENT_DOWN && end->down.reason == reason;
}

/* A packet with that tag towards that end, whose chunks the caller writes. */
struct pair_forged {
    uint8_t bytes[2048];
    struct wire_writer writer;
};

__attribute__((unused)) static void pair_forge(struct pair *pair, bool to_b, uint32_t tag,
                                               struct pair_forged *forged)
{
    const struct sctp_options *to = &pair->options[to_b];
    struct sctp_header header = {to->peer_port, to->own_port, tag};
    memset(forged->bytes, 0, sizeof forged->bytes);
    forged->writer = wire_writer(forged->bytes, sizeof forged->bytes);
    sctp_wire_put_header(&forged->writer, &header);
}

/* Arrives now, as if from the wire. */
__attribute__((unused)) static void pair_inject(struct pair *pair, bool to_b,
                                                struct pair_forged *forged)
{
    size_t length = (size_t)(forged->writer.at - forged->bytes);
    must(!forged->writer.overrun);
    sctp_wire_seal(forged->bytes, length);
    struct pair_packet *packet = pair_new(to_b, 0, forged->bytes, length);
    pair_deliver(pair, packet);
    free(packet);
}

/* The same for one chunk with the right tag. */
__attribute__((unused)) static void pair_inject_chunk(struct pair *pair, bool to_b, uint8_t type,
                                                      uint8_t flags, const void *value,
                                                      size_t length)
{
    struct pair_forged forged;
    pair_forge(pair, to_b, pair_end_of(pair, to_b)->association->own_tag, &forged);
    sctp_wire_put_chunk(&forged.writer, type, flags, value, length);
    pair_inject(pair, to_b, &forged);
}
