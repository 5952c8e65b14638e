#include "transport/udp/connect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/association.h"
#include "transport/udp/engine.h"
#include "transport/udp/receive.h"

/* SCTP ports of the associations that we begin. Chosen from the bottom, not at random: an endpoint
 * that died and came back at the same UDP port then takes the same port again, which the peer's
 * SCTP recognises as a restart instead of keeping the dead association until it times out. */
#define FIRST_OWN_PORT 49152
#define LAST_OWN_PORT  65535

/* Each address is asked again after half a second, for as long as the attempt lasts: a server that
 * comes back is found within that. RFC 9260 would double the pause; one small packet in half a
 * second is no load for any line. */
#define AGAIN_US 500000
/* RFC 8305 (Happy Eyeballs) section 5: 250 ms until the next address is tried; less where there are
 * more than two, so that a round is over when the first one is due again (section 8 asks for 10 ms
 * at least). */
#define NEXT_ADDRESS_US 250000

/* So long after the answer to INIT the association must be up, and these round trips more: COOKIE
 * ECHO may be lost once. */
#define COOKIE_US          1000000
#define COOKIE_ROUND_TRIPS 4

static const struct address any_own;

/* ---- candidates ---- */

struct candidate {
    struct udp_local *local;
    struct address wire;
    struct path_key key;
};

struct candidates {
    struct candidate list[TRANSPORT_ADDRESSES_MAX];
    size_t count;
};

static void consider(struct candidates *self, struct udp_local *local, const struct address *remote)
{
    struct candidate one = {.local = local};
    if (self->count == TRANSPORT_ADDRESSES_MAX ||
        !datagram_wire_address(&local->socket, remote, &one.wire))
        return;
    one.key = path_key(&one.wire, &any_own, local->number, 0, 0);
    for (size_t i = 0; i < self->count; i++)
        if (!memcmp(&self->list[i].key, &one.key, sizeof one.key))
            return; /* configured twice */
    self->list[self->count++] = one;
}

static struct candidates find_candidates(struct udp *udp, const struct address *remotes,
                                         size_t remote_count)
{
    struct candidates candidates = {.count = 0};
    for (size_t shift = 0; shift < udp->local_count; shift++)
        for (size_t i = 0; i < remote_count; i++)
            consider(&candidates, &udp->locals[(i + shift) % udp->local_count], &remotes[i]);
    return candidates;
}

/* One SCTP port with which none of the paths is in use. */
static bool choose_port(struct udp *udp, struct candidates *candidates)
{
    for (uint32_t port = FIRST_OWN_PORT; port <= LAST_OWN_PORT; port++) {
        bool taken = false;
        for (size_t i = 0; i < candidates->count; i++) {
            struct candidate *one = &candidates->list[i];
            one->key =
                path_key(&one->wire, &any_own, one->local->number, UDP_SCTP_PORT, (uint16_t)port);
            taken = taken || path_table_find(&udp->paths, &one->key);
        }
        if (!taken)
            return true;
    }
    return false;
}

static void add_candidates(struct udp_association *self, const struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        const struct candidate *one = &candidates->list[i];
        must(udp_path_io_add(self, one->local, &one->wire, &any_own, &one->key, false));
    }
}

static void make_engine(struct udp_association *self)
{
    struct udp *udp = self->transport;
    uint64_t now_us = udp_clock(udp);
    struct sctp_options options = udp_engine_options(udp, udp_path_in_use(self)->mtu.size);
    options.own_port = self->own_port;
    options.peer_port = self->peer_port;
    self->engine = sctp_association_connect(&options, now_us);
    self->own_tag = sctp_association_own_tag(self->engine);
    self->init = check_alloc(sizeof *self->init);
    self->init->begun_us = now_us;
    self->init->length =
        sctp_association_init_packet(self->engine, self->init->packet, UDP_INIT_MAX);
    must(self->init->length);
}

static void send_next(struct udp_association *self);

enum err udp_connect_begin(struct transport *transport, const struct address *remotes,
                           size_t remote_count, struct association_events *events,
                           struct association **association)
{
    struct udp *udp = container_of(transport, struct udp, base);
    struct candidates candidates = find_candidates(udp, remotes, remote_count);
    if (!candidates.count)
        return ERR_TRANSPORT_ADDRESS;
    if (!choose_port(udp, &candidates)) {
        errno = EADDRINUSE;
        return ERR_TRANSPORT_SOCKET;
    }
    struct udp_association *self = udp_association_new(udp, true);
    self->own_port = candidates.list[0].key.own_port;
    self->peer_port = UDP_SCTP_PORT;
    self->events = events;
    add_candidates(self, &candidates);
    make_engine(self);
    udp_association_limit(self, udp->options.connect_timeout_us);
    send_next(self);
    udp_flush(udp);
    *association = &self->base;
    return ERR_OK;
}

/* ---- INIT ---- */

static unsigned all_of(const struct udp_association *self)
{
    return (1u << self->choice.count) - 1;
}

static uint64_t pace_us(const struct udp_association *self)
{
    uint64_t share = AGAIN_US / self->choice.count;
    return share < NEXT_ADDRESS_US ? share : NEXT_ADDRESS_US;
}

static void set_next(struct udp_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->loop, &self->path_timer,
                   loop_now(self->transport->loop) + after_us);
}

/* To the next address, also where somebody has said no before: who listens there may have come
 * since. */
static void send_next(struct udp_association *self)
{
    struct udp_init *init = self->init;
    unsigned number = init->sent++ % self->choice.count;
    const struct udp_path *path = self->paths[number];
    init->refused &= ~(1u << number);
    path->local->socket.refusal = 0;
    datagram_send(&path->local->socket, &path->route, init->packet, init->length);
    sctp_association_init_sent(self->engine, udp_now(self->transport));
    set_next(self, self->choice.count > 1 ? pace_us(self) : AGAIN_US);
}

void udp_connect_fini(struct udp_association *self)
{
    free(self->init);
    self->init = NULL;
}

void udp_connect_next(struct udp_association *self)
{
    if (self->state != UDP_CONNECTING || self->answered)
        return;
    send_next(self);
    udp_flush(self->transport);
}

void udp_connect_why(const struct udp_association *self, char *why, size_t size)
{
    int error = 0;
    char text[128];
    for (unsigned i = 0; i < self->choice.count && !error; i++)
        error = self->paths[i]->local->socket.refusal;
    if (self->answered)
        return;
    if (error)
        snprintf(why, size, "this machine cannot send to it: %s",
                 strerror_r(error, text, sizeof text));
    else
        snprintf(why, size,
                 "is hawser running there, and does its UDP port pass the firewalls between?");
}

bool udp_connect_refused(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    struct udp_init *init = self->init;
    unsigned number = path->number;
    if (self->answered)
        return number == self->choice.in_use;
    init->refused |= 1u << number;
    if (init->refused == all_of(self))
        return true;
    /* In the first round only, or each refusal would speed up the rounds. */
    if (init->sent < self->choice.count && number == init->sent - 1)
        set_next(self, 0);
    return false;
}

/* Who has answered may have ended since, and another address may be the one: then the next attempt
 * finds it. To which INIT it was the answer is not known. */
static uint64_t cookie_us(const struct udp_association *self)
{
    uint64_t elapsed = loop_now(self->transport->loop) - self->init->begun_us,
             limit = self->transport->options.connect_timeout_us,
             patience = COOKIE_US + COOKIE_ROUND_TRIPS * elapsed;
    if (elapsed > limit)
        return 0;
    return limit - elapsed < patience ? limit - elapsed : patience;
}

/* What the user says now leaves with COOKIE ECHO. */
void udp_connect_answered(struct udp_association *self)
{
    if (!self->events->on_answer)
        return;
    self->takes_early = true;
    self->events->on_answer(self->events);
    self->takes_early = false;
}

/* To which INIT it was the answer is not known; whether it is one, the engine says: then it knows
 * the peer's tag. */
static void take_init_ack(struct udp_path *path, uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    sctp_association_input(self->engine, udp_now(self->transport), path->number, packet, length);
    self->peer_tag = sctp_association_peer_tag(self->engine);
    udp_receive_touch(self);
    if (!self->peer_tag)
        return;
    self->answered = true;
    loop_timer_cancel(self->transport->loop, &self->path_timer);
    udp_association_limit(self, cookie_us(self));
    udp_paths_use(&self->choice, path->number, loop_now(self->transport->loop));
    self->used = self->choice.in_use;
}

static enum udp_take take_answer(struct udp_path *path, uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    uint8_t type = packet[SCTP_HEADER];
    if (packet_tag(packet) != self->own_tag)
        return UDP_TAKE_DROP;
    if (type == SCTP_CHUNK_ABORT && !packet_tag_reflected(packet))
        return udp_connect_refused(path) ? UDP_TAKE_PASS : UDP_TAKE_DROP;
    if (type == SCTP_CHUNK_INIT_ACK)
        take_init_ack(path, packet, length);
    return UDP_TAKE_DROP;
}

enum udp_take udp_connect_take(struct udp_path *path, uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    struct probe probe;
    if (!self->answered)
        return take_answer(path, packet, length);
    if (path != udp_path_in_use(self) || !udp_path_io_has_tag(self, packet))
        return UDP_TAKE_DROP;
    enum probe_kind kind = probe_read(packet, length, &probe);
    if (kind == PROBE_NONE)
        return UDP_TAKE_PASS;
    /* The peer is up and we are soon: its first probe comes right behind COOKIE ACK. */
    if (kind == PROBE_QUESTION && self->choice.options.chooses)
        udp_path_io_answer(path, packet);
    return UDP_TAKE_DROP;
}
