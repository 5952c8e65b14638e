/* tests/fuzz/udp_bed.h: two endpoints of the udp transport in a world of their own (udp_world.h),
 * and users that check what they are told. */
#pragma once

#include "tests/fuzz/udp_forge.h"
#include "transport/transport.h"
#include "transport/udp/udp.h"

#define STREAMS     8
#define USERS       16
#define KEYS        4
#define SECOND      1000000ull
#define SERVER_PORT 9899
#define CLIENT_PORT 5000

enum { STRANGER, OBSERVER, PEER };
enum flags { UNPREPARED = 4, WILDCARD = 8, TWO_PATHS = 16, AUTH = 32, NARROW = 64, NERVOUS = 128 };

struct user {
    struct association_events events;
    struct association *association; /* NULL before and after */
    bool up, is_strange;
    unsigned downs;
    uint16_t settled, used;
    bool has_key[KEYS];
    uint32_t sent[STREAMS], came[STREAMS];
};

static struct bed {
    struct loop *loop;
    struct transport *client, *server;
    struct transport_acceptor acceptor;
    struct user users[USERS]; /* [0]: the client's; the rest are accepted, or connect anew */
    unsigned user_count;
    struct user *peer; /* of the client's */
    uint8_t who, flags;
    bool plays; /* the script has begun */
} bed;

static struct user *user_of(struct association_events *events)
{
    return container_of(events, struct user, events);
}

static bool is_safe(void)
{
    return bed.who < PEER;
}

static void be_nervous(struct user *user)
{
    if (bed.flags & NERVOUS && bed.plays && !is_safe() && user->association)
        association_close(user->association, user->up ? ASSOCIATION_SHUTDOWN : ASSOCIATION_ABORT,
                          "nervous");
}

static enum err say(struct user *user, uint16_t stream, uint32_t length);

/* A client speaks first, and at once: a server waits for it a few seconds. */
static void on_up(struct association_events *events, uint16_t streams)
{
    struct user *user = user_of(events);
    must(streams > 0 && !user->up);
    user->up = true;
    if (bed.flags & UNPREPARED && user == &bed.users[0]) {
        enum err e = say(user, 0, 10);
        must(e == ERR_OK || !is_safe()); /* a hostile one may be closing already */
    }
}

/* Number of the message in its stream, then what follows from that. */
static void on_message(struct association_events *events, struct message *message)
{
    struct user *user = user_of(events);
    must(user->up && message->length > 0 && message->length <= MESSAGE_MAX);
    must(message->stream < STREAMS);
    if (is_safe()) {
        must(message->length >= 4);
        must(forge_get32(message->data) == user->came[message->stream]++);
        for (uint32_t i = 4; i < message->length; i++)
            must(message->data[i] == (uint8_t)(message->stream + i));
    }
    message_free(message);
    if (!user->is_strange && user->association) /* the first word is from who it should be */
        association_trust(user->association);
    be_nervous(user);
}

static void on_writable(struct association_events *events)
{
    must(user_of(events)->up);
}

static void on_down(struct association_events *events, enum err reason, const char *detail)
{
    must(user_of(events)->association && reason < ERR_COUNT);
    must(strlen(detail) < UDP_DETAIL_ROOM);
    for (const char *c = detail; *c; c++)
        must(*c >= ' ' && *c <= '~');
    user_of(events)->association = NULL;
    user_of(events)->up = false;
    user_of(events)->downs++;
}

static void on_path(struct association_events *events, const struct path_status *path)
{
    must(user_of(events)->association && path->address.length);
    be_nervous(user_of(events));
}

static void on_settled(struct association_events *events, uint16_t number)
{
    user_of(events)->settled = number;
}

static struct user *new_user(void)
{
    if (bed.user_count == USERS)
        return NULL;
    struct user *user = &bed.users[bed.user_count++];
    *user = (struct user){.events = {.on_up = on_up,
                                     .on_message = on_message,
                                     .on_writable = on_writable,
                                     .on_down = on_down,
                                     .on_path = on_path,
                                     .on_auth_settled = on_settled},
                          .has_key = {true}};
    return user;
}

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    (void)acceptor;
    struct user *user = new_user();
    if (!user)
        return NULL;
    user->association = association;
    user->is_strange = world_is_stranger(peer) >= 0;
    if (!user->is_strange)
        bed.peer = user;
    return &user->events;
}

/* ---- time ---- */

/* Delivers the packets on the wire, and their answers, a few times. */
static void deliver_all(void)
{
    for (unsigned i = 0; i < 4 * WORLD_WIRE && world.wire_count; i++) {
        world_deliver(0);
        loop_turn(bed.loop, 0);
    }
}

static void pass(uint64_t us)
{
    uint64_t step = us / 16 > 5000 ? us / 16 : 5000;
    for (uint64_t passed = 0; passed < us; passed += step) {
        world.now_us += step < us - passed ? step : us - passed;
        loop_turn(bed.loop, 0);
        if (is_safe())
            deliver_all();
    }
}

static void settle(uint64_t us)
{
    uint64_t step = us / 40 > 10000 ? us / 40 : 10000;
    for (uint64_t passed = 0; passed < us; passed += step) {
        deliver_all();
        world.now_us += step;
        loop_turn(bed.loop, 0);
    }
    deliver_all();
}

/* ---- what users do ---- */

static enum err say(struct user *user, uint16_t stream, uint32_t length)
{
    if (!user || !user->association || !user->up)
        return ERR_TRANSPORT_CLOSED;
    length = length < 4 ? 4 : length > MESSAGE_MAX ? MESSAGE_MAX : length;
    struct message *message = message_new(length);
    message->stream = stream;
    message->length = length;
    forge_put32(message->data, user->sent[stream]);
    for (uint32_t i = 4; i < length; i++)
        message->data[i] = (uint8_t)(stream + i);
    enum err e = association_send(user->association, message);
    if (e)
        message_free(message);
    else
        user->sent[stream]++;
    return e;
}

static size_t locals(uint8_t host, uint16_t port, struct address list[2])
{
    list[0] = world_address(0, host, port);
    list[1] = world_address(1, host, port);
    return bed.flags & TWO_PATHS ? 2 : 1;
}

static void connect_anew(struct user *user)
{
    struct address remotes[2];
    size_t count = locals(1, SERVER_PORT, remotes);
    if (user && association_connect(bed.client, remotes, count, &user->events, &user->association))
        user->association = NULL;
}

/* As their contract allows it (transport/transport.h). */
static void change_keys(struct user *user, enum association_auth what, uint16_t number)
{
    uint8_t key[TRANSPORT_AUTH_KEY];
    memset(key, 7 + number, sizeof key);
    if (!(bed.flags & AUTH) || !user || !user->association || !user->up ||
        user->has_key[number] != (what != ASSOCIATION_AUTH_ADD) ||
        (what != ASSOCIATION_AUTH_ADD && user->used == number))
        return;
    if (what == ASSOCIATION_AUTH_ADD)
        (void)association_auth_add(user->association, number, key);
    else if (what == ASSOCIATION_AUTH_USE && !association_auth_use(user->association, number))
        user->used = number;
    else if (what == ASSOCIATION_AUTH_DROP)
        (void)association_auth_drop(user->association, number);
    user->has_key[number] = what != ASSOCIATION_AUTH_DROP;
}
