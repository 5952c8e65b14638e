/* The sizes of packets on an association's paths: probes, and what is too large. */
#include "transport/udp/path_mtu.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "transport/udp/probe.h"
#include "transport/udp/route.h"
#include "transport/udp/udp.h"

/* For the peer to answer beyond the round trip, when its loop is busy with a bulk; and all together
 * where no round trip was measured. */
#define ANSWER_US     80000
#define UNMEASURED_US 300000

/* ---- the size in use ---- */

/* Larger packets in flight go in fragments if they are lost. */
static void apply(struct udp_association *self)
{
    struct udp_path *path = udp_path_in_use(self);
    if (path->mtu.size == path->told_mtu || !self->engine)
        return;
    path->told_mtu = path->mtu.size;
    sctp_association_net_mtu(self->engine, udp_turn_us(self), path->number, path->told_mtu);
}

/* Any peer with an association may let probes of any size vanish. */
static void tell(const struct udp_path *path, uint32_t old, unsigned blackholes)
{
    char text[ADDRESS_TEXT_MAX], more[64] = "";
    uint64_t left_out;
    struct udp *transport = path->owner->transport;
    bool lost = path->mtu.blackholes != blackholes;
    uint32_t overhead = route_overhead(&path->route.to);
    struct address plain = datagram_plain_address(&path->route.to);
    const struct log_about *about = LOG_ABOUT(.address = address_format(&plain, text));
    if (!lost && !path->mtu.blackholes) {
        if (path->mtu.size != old)
            log_write(LOG_DEBUG, about, "the path takes packets of %u bytes",
                      path->mtu.size + overhead);
        return;
    }
    if ((!lost && path->mtu.size == old) ||
        !log_limit_allows(&transport->limits.lines, loop_now(transport->base.loop), &left_out))
        return;
    if (left_out)
        snprintf(more, sizeof more, " (%" PRIu64 " more lines were left out)", left_out);
    if (lost)
        log_write(LOG_WARNING, about,
                  "packets of %u bytes get lost on this path, small ones do not: sending at most "
                  "%u%s",
                  old + overhead, path->mtu.size + overhead, more);
    else
        log_write(LOG_INFO, about, "the path takes packets of %u bytes%s",
                  path->mtu.size + overhead, more);
}

/* ---- probes ---- */

static void ask(struct udp_path *path, uint32_t size)
{
    uint8_t packet[UINT16_MAX], nonce[PROBE_NONCE];
    udp_path_write_probe(path, packet, size, nonce);
    udp_mtu_probed(&path->mtu, size, nonce);
    datagram_send_whole(&path->local->socket, &path->route, packet, size);
}

static uint64_t longest_answer(const struct udp_path *path)
{
    const struct udp_path_health *health = &path->owner->paths.choice.paths[path->number];
    if (health->rtt_us)
        return health->rtt_us + 4ull * health->rtt_deviation_us + ANSWER_US;
    struct sctp_net_status net;
    return sctp_association_net_status(path->owner->engine, path->number, &net) && net.srtt_us
               ? 2ull * net.srtt_us + ANSWER_US
               : UNMEASURED_US;
}

static void tick(struct udp_path *path)
{
    uint32_t sizes[UDP_MTU_ROUND], old = path->mtu.size;
    unsigned blackholes = path->mtu.blackholes;
    unsigned count =
        udp_mtu_tick(&path->mtu, udp_turn_us(path->owner), longest_answer(path), sizes);
    tell(path, old, blackholes);
    for (unsigned i = 0; i < count; i++)
        ask(path, sizes[i]);
}

static void rearm(struct udp_association *self)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.list[i] && udp_mtu_next(&self->paths.list[i]->mtu) < next)
            next = udp_mtu_next(&self->paths.list[i]->mtu);
    if (next == UINT64_MAX)
        loop_timer_cancel(self->transport->base.loop, &self->paths.mtu_timer);
    else
        loop_timer_set(self->transport->base.loop, &self->paths.mtu_timer, next);
}

static void on_mtu_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, paths.mtu_timer);
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.list[i])
            tick(self->paths.list[i]);
    apply(self);
    rearm(self);
    udp_flush(self->transport);
}

bool udp_path_mtu_answered(struct udp_path *path, const struct probe *probe)
{
    struct udp_association *self = path->owner;
    uint32_t old = path->mtu.size;
    if (!udp_mtu_answered(&path->mtu, probe->nonce, udp_turn_us(self)))
        return false;
    tell(path, old, path->mtu.blackholes);
    apply(self);
    rearm(self);
    return true;
}

/* ---- what happens ---- */

void udp_path_mtu_init(struct udp_association *self)
{
    self->paths.mtu_timer = (struct loop_timer){.on_expire = on_mtu_timer};
}

void udp_path_mtu_up(struct udp_association *self)
{
    udp_mtu_start(&udp_path_in_use(self)->mtu, udp_turn_us(self));
    udp_path_mtu_go_on(self);
}

/* Of one that was away the way may be another now. */
static void look_at(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    bool healthy = udp_paths_healthy(&self->paths.choice.paths[path->number]);
    if (self->paths.choice.known && !self->paths.choice.ours)
        udp_mtu_stop(&path->mtu, path->mtu.limits.guess);
    else if (healthy && self->paths.choice.known && path->mtu.state == UDP_MTU_IDLE)
        udp_mtu_start(&path->mtu, udp_turn_us(self));
    else if (healthy && !path->was_healthy)
        udp_mtu_suspect(&path->mtu, udp_turn_us(self));
    path->was_healthy = healthy;
}

void udp_path_mtu_go_on(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.list[i])
            look_at(self->paths.list[i]);
    apply(self);
    rearm(self);
}

void udp_path_mtu_lost(struct udp_association *self)
{
    struct udp_path *path = udp_path_in_use(self);
    if (path->mtu.size <= path->mtu.base || !self->paths.choice.ours)
        return;
    udp_mtu_suspect(&path->mtu, udp_turn_us(self));
    rearm(self);
}

void udp_path_mtu_narrowed(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    uint32_t payload = route_payload(&path->route.to, self->transport->options.mtu);
    if (self->paths.choice.ours)
        udp_mtu_suspect(&path->mtu, udp_turn_us(self));
    else if (payload < path->mtu.limits.guess)
        path->mtu.limits.guess = payload;
    udp_path_mtu_go_on(self);
}

/* ---- packets that are too large ---- */

static void emit(void *context, uint8_t *packet, size_t length)
{
    struct udp_path *path = context;
    datagram_send(&path->local->socket, &path->route, packet, length);
}

void udp_path_mtu_divide(struct udp_path *path, const uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    if (length <= path->mtu.size)
        datagram_send(&path->local->socket, &path->route, packet, length);
    else
        udp_fragments_divide(packet, length, path->mtu.size,
                             self->paths.choice.ours ? &self->paths.fragments_sent : NULL, emit,
                             path);
}

/* The whole must be valid like any packet, and of this association. */
static bool is_plausible(const struct udp_association *self, const struct packet_view *whole)
{
    return whole->header.source == self->tags.peer_port &&
           whole->header.destination == self->tags.own_port &&
           whole->header.tag == self->tags.own && packet_view_only_moves_data(whole) &&
           whole->first != SCTP_CHUNK_PAD;
}

bool udp_path_mtu_join(struct udp_association *self, struct packet_view *packet)
{
    uint8_t *bytes;
    size_t length;
    struct packet_view whole;
    switch (udp_reassembly_take(&self->paths.reassembly, packet->bytes, packet->length, &bytes,
                                &length)) {
    case UDP_FRAGMENT_NONE:
        return true;
    case UDP_FRAGMENT_TAKEN:
        return false;
    case UDP_FRAGMENT_LAST:
        if (packet_view_read(&whole, bytes, length) && is_plausible(self, &whole)) {
            *packet = whole;
            return true;
        }
        break;
    case UDP_FRAGMENT_BAD:
        break;
    }
    self->transport->counters.bad_probes++;
    return false;
}
