/* INIT goes round the peer's addresses until one answers. */
#include "transport/udp/init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/path_io.h"
#include "transport/udp/probe.h"

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

static unsigned all_of(const struct udp_association *self)
{
    return (1u << self->paths.choice.count) - 1;
}

static uint64_t pace_us(const struct udp_association *self)
{
    uint64_t share = AGAIN_US / self->paths.choice.count;
    return share < NEXT_ADDRESS_US ? share : NEXT_ADDRESS_US;
}

static void set_next(struct udp_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->base.loop, &self->paths.timer,
                   loop_now(self->transport->base.loop) + after_us);
}

/* To the next address, also where somebody has said no before: who listens there may have come
 * since. */
static void send_next(struct udp_association *self)
{
    struct udp_init *init = self->init;
    unsigned number = init->sent++ % self->paths.choice.count;
    const struct udp_path *path = self->paths.list[number];
    init->refused &= ~(1u << number);
    path->local->socket.refusal = 0;
    datagram_send(&path->local->socket, &path->route, init->packet, init->length);
    sctp_association_init_sent(self->engine, udp_now(self->transport));
    set_next(self, self->paths.choice.count > 1 ? pace_us(self) : AGAIN_US);
}

void udp_init_begin(struct udp_association *self)
{
    struct udp_init *init = self->init = check_alloc(sizeof *init);
    init->begun_us = udp_now(self->transport);
    init->length = sctp_association_init_packet(self->engine, init->packet, UDP_INIT_MAX);
    must(init->length);
    send_next(self);
    udp_flush(self->transport);
}

void udp_init_next(struct udp_association *self)
{
    if (self->base.state != ASSOCIATION_CONNECTING || self->answered)
        return;
    send_next(self);
    udp_flush(self->transport);
}

enum err udp_init_why(const struct udp_association *self, char *why, size_t size)
{
    int error = 0;
    char text[128];
    for (unsigned i = 0; i < self->paths.choice.count && !error; i++)
        error = self->paths.list[i]->local->socket.refusal;
    if (self->answered)
        return ERR_TRANSPORT_TIMEOUT;
    if (error) {
        snprintf(why, size, "%s", strerror_r(error, text, sizeof text));
        return ERR_TRANSPORT_UNREACHABLE;
    }
    snprintf(why, size,
             "is hawser running there, and does its UDP port pass the firewalls between?");
    return ERR_TRANSPORT_TIMEOUT;
}

bool udp_init_refused(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    struct udp_init *init = self->init;
    unsigned number = path->number;
    if (self->answered)
        return number == self->paths.choice.in_use;
    init->refused |= 1u << number;
    if (init->refused == all_of(self))
        return true;
    /* In the first round only, or each refusal would speed up the rounds. */
    if (init->sent < self->paths.choice.count && number == init->sent - 1)
        set_next(self, 0);
    return false;
}

/* The peer that answered may have ended since, and another address may be the right one: then the
 * next attempt finds it. To which INIT it was the answer is not known. */
static uint64_t cookie_us(const struct udp_association *self)
{
    uint64_t elapsed = loop_now(self->transport->base.loop) - self->init->begun_us,
             limit = self->transport->options.connect_timeout_us,
             patience = COOKIE_US + COOKIE_ROUND_TRIPS * elapsed;
    if (elapsed > limit)
        return 0;
    return limit - elapsed < patience ? limit - elapsed : patience;
}

/* The user may send one message now, which leaves with COOKIE ECHO. */
void udp_init_answered(struct udp_association *self)
{
    if (!self->base.events->on_answer)
        return;
    self->out.takes_early = true;
    self->base.events->on_answer(self->base.events);
    self->out.takes_early = false;
}

/* To which INIT it was the answer is not known; whether it is one, the engine says: then it knows
 * the peer's tag. */
static void take_init_ack(struct udp_path *path, const struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    sctp_association_input(self->engine, udp_now(self->transport), path->number, packet->bytes,
                           packet->length);
    self->tags.peer = sctp_association_peer_tag(self->engine);
    udp_touch(self);
    if (!self->tags.peer)
        return;
    self->answered = true;
    loop_timer_cancel(self->transport->base.loop, &self->paths.timer);
    udp_limit(self, cookie_us(self));
    udp_paths_use(&self->paths.choice, path->number, loop_now(self->transport->base.loop));
    self->paths.used = self->paths.choice.in_use;
}

static enum udp_take take_answer(struct udp_path *path, const struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    if (packet->header.tag != self->tags.own)
        return UDP_TAKE_DROP;
    if (packet->first == SCTP_CHUNK_ABORT && !packet->is_reflected)
        return udp_init_refused(path) ? UDP_TAKE_PASS : UDP_TAKE_DROP;
    if (packet->first == SCTP_CHUNK_INIT_ACK)
        take_init_ack(path, packet);
    return UDP_TAKE_DROP;
}

enum udp_take udp_init_take(struct udp_path *path, const struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    struct probe probe;
    if (!self->answered)
        return take_answer(path, packet);
    if (path != udp_path_in_use(self) || !udp_path_has_tag(self, packet))
        return UDP_TAKE_DROP;
    enum probe_kind kind = probe_read(packet->bytes, packet->length, &probe);
    if (kind == PROBE_NONE)
        return UDP_TAKE_PASS;
    /* The peer is up and we are soon: its first probe comes right behind COOKIE ACK. */
    if (kind == PROBE_REQUEST && self->paths.choice.options.chooses)
        udp_path_io_reply(path, packet->bytes);
    return UDP_TAKE_DROP;
}
