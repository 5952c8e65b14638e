#include "transport/udp_connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "transport/packet_init.h"
#include "transport/udp_association.h"
#include "transport/udp_socket.h"

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
    add_candidates(self, &candidates);
    if (!udp_association_attach(self, UDP_SCTP_PORT, candidates.list[0].key.own_port))
        return ERR_TRANSPORT_SOCKET;
    self->state = UDP_CONNECTING;
    self->events = events;
    if (udp_socket_connect(self->socket, stack_address(&self->peer))) {
        int error = errno;
        self->events = NULL;
        udp_association_end(self, ERR_TRANSPORT_SOCKET, "");
        errno = error;
        return ERR_TRANSPORT_SOCKET;
    }
    udp_association_limit(self, udp->options.connect_timeout_us);
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
    struct udp_init *init = &self->init;
    unsigned number = init->sent % self->choice.count;
    if (init->sent++)
        self->probe_us =
            init->sent > self->choice.count ? 0 : loop_now(self->transport->loop); /* Karn */
    const struct udp_path *path = &self->paths[number];
    init->refused &= ~(1u << number);
    path->local->socket.refusal = 0;
    datagram_send(&path->local->socket, &path->route, init->packet, init->length);
    set_next(self, self->choice.count > 1 ? pace_us(self) : AGAIN_US);
}

void udp_connect_output(struct udp_association *self, const uint8_t *packet, size_t length)
{
    must(length <= sizeof self->init.packet);
    if (self->init.length)
        return; /* usrsctp repeats the same INIT, later and later; ours is repeated below */
    memcpy(self->init.packet, packet, length);
    self->init.length = length;
    self->init.begun_us = loop_now(self->transport->loop);
    self->own_tag = packet_init_tag(packet);
    send_next(self);
}

void udp_connect_next(struct udp_association *self)
{
    if (self->state != UDP_CONNECTING || self->init.answered || !self->init.length)
        return;
    send_next(self);
    udp_flush(self->transport);
}

void udp_connect_why(const struct udp_association *self, char *why, size_t size)
{
    int error = 0;
    char text[128];
    for (unsigned i = 0; i < self->choice.count && !error; i++)
        error = self->paths[i].local->socket.refusal;
    if (self->init.answered)
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
    struct udp_init *init = &self->init;
    unsigned number = udp_path_number(path);
    if (init->answered)
        return number == self->choice.in_use;
    init->refused |= 1u << number;
    if (init->refused == all_of(self))
        return true;
    /* In the first round only, or each refusal would speed up the rounds. */
    if (init->sent < self->choice.count && number == init->sent - 1)
        set_next(self, 0);
    return false;
}

/* What the user says now is in usrsctp before INIT ACK is, and so leaves with COOKIE ECHO. False:
 * he ended it. */
static bool tell_answer(struct udp_association *self)
{
    if (self->events->on_answer) {
        self->takes_early = true;
        self->events->on_answer(self->events);
        self->takes_early = false;
    }
    return self->state == UDP_CONNECTING;
}

/* Who has answered may have ended since, and another address may be the one: then the next attempt
 * finds it. To which INIT it was the answer is not known. */
static uint64_t cookie_us(const struct udp_association *self)
{
    uint64_t elapsed = loop_now(self->transport->loop) - self->init.begun_us,
             limit = self->transport->options.connect_timeout_us,
             patience = COOKIE_US + COOKIE_ROUND_TRIPS * elapsed;
    if (elapsed > limit)
        return 0;
    return limit - elapsed < patience ? limit - elapsed : patience;
}

static enum udp_take take_answer(struct udp_path *path, const uint8_t *packet)
{
    struct udp_association *self = path->owner;
    uint8_t type = packet[PACKET_HEADER];
    if (packet_tag(packet) != self->own_tag)
        return UDP_TAKE_DROP;
    if (type == PACKET_CHUNK_ABORT && !packet_tag_reflected(packet)) {
        if (!udp_connect_refused(path))
            return UDP_TAKE_DROP;
        if (!self->transport->options.auth)
            return UDP_TAKE_PASS;
        /* usrsctp would wait for one that is authenticated. */
        udp_association_end(self, ERR_TRANSPORT_REFUSED, "");
        return UDP_TAKE_DROP;
    }
    if (type != PACKET_CHUNK_INIT_ACK)
        return UDP_TAKE_DROP;
    self->peer_tag = packet_init_tag(packet);
    self->init.answered = true;
    loop_timer_cancel(self->transport->loop, &self->path_timer);
    udp_association_limit(self, cookie_us(self));
    udp_paths_use(&self->choice, udp_path_number(path), loop_now(self->transport->loop));
    return tell_answer(self) ? UDP_TAKE_PASS : UDP_TAKE_DROP;
}

enum udp_take udp_connect_take(struct udp_path *path, uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    struct probe probe;
    if (self->choice.options.chooses && !self->init.answered)
        return take_answer(path, packet);
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
