#include "transport/udp_receive.h"

#include <string.h>

#include "base/check.h"
#include "transport/udp_arrival.h"
#include "transport/udp_association.h"
#include "transport/udp_connect.h"
#include "transport/udp_engine.h"
#include "transport/udp_path_io.h"

/* Messages of so many bytes of packets are handed on before the next: a bulk of 1 MB in messages of
 * 100 bytes is 20 MB of them, which no processor's cache holds. */
#define HAND_ON_BYTES 65536

static struct udp_path *find(struct udp *transport, const struct path_key *key)
{
    struct udp_path *latest = transport->latest;
    if (latest && !memcmp(&latest->node.key, key, sizeof *key))
        return latest;
    struct path *node = path_table_find(&transport->paths, key);
    if (node)
        transport->latest = container_of(node, struct udp_path, node);
    return node ? transport->latest : NULL;
}

/* What must have a MAC is believed once the engine has found that good. */
static void pass(struct udp_path *path, uint8_t *packet, size_t length)
{
    struct udp_association *self = path->owner;
    if (!udp_trust_allows(self, packet, length))
        return;
    sctp_association_input(self->engine, udp_now(self->transport), path->number, packet, length);
    self->has_input = true;
    udp_receive_touch(self);
    if (self->transport->options.auth && udp_association_is_up(self) &&
        sctp_association_was_authentic(self->engine))
        udp_path_io_believe(path, packet, length);
    self->unread += length;
    if (self->unread >= HAND_ON_BYTES && udp_association_is_up(self)) {
        self->unread = 0;
        udp_engine_events(self);
    }
}

/* A path may end by what comes on it, an association does not before it is delivered to. */
static void take_other(const struct udp_arrival *a, struct udp_path *path)
{
    uint8_t *packet = a->packet;
    size_t length = a->length;
    bool stray = false;
    if (!path)
        path = udp_path_io_learn(a->local, a->from, a->own, &a->key, a->packet, a->length, &stray);
    struct udp_association *self = path ? path->owner : NULL;
    enum udp_take take = UDP_TAKE_DROP;
    if (self)
        take = udp_association_is_up(self) ? udp_path_io_take(path, &packet, &length)
                                           : udp_connect_take(path, packet, length);
    if (stray || take == UDP_TAKE_STRAY)
        udp_arrival_stray(a);
    else if (take == UDP_TAKE_PASS && self->state != UDP_ENDED)
        pass(path, packet, length);
}

void udp_receive_packet(struct udp_local *local, const struct address *from,
                        const struct address *own, uint8_t *packet, size_t length)
{
    struct udp *transport = local->transport;
    struct sctp_header header;
    struct udp_arrival arrival = {
        .local = local, .from = from, .own = own, .packet = packet, .length = length};
    if (!transport->in_bulk) {
        transport->in_bulk = true;
        udp_clock(transport);
    }
    if (!sctp_wire_check(packet, length, &header)) {
        transport->counters.bad_packets++;
        return;
    }
    /* Where we began, the system chooses our address each time anew. */
    static const struct address any;
    if (header.destination != UDP_SCTP_PORT)
        arrival.own = &any;
    arrival.key = path_key(from, arrival.own, local->number, header.source, header.destination);
    struct udp_path *path = find(transport, &arrival.key);
    if (packet[SCTP_HEADER] == SCTP_CHUNK_INIT)
        udp_arrival_init(&arrival, path);
    else if (packet_type(packet, length) == SCTP_CHUNK_COOKIE_ECHO)
        udp_arrival_cookie(&arrival, path);
    else
        take_other(&arrival, path);
}

static bool is_at(const struct udp_path *path, const struct udp_local *local,
                  const struct address *plain)
{
    if (!path || path->local != local)
        return false;
    struct address own_plain = datagram_plain_address(&path->route.to);
    return address_equal(&own_plain, plain);
}

static struct udp_path *path_at(struct udp_association *self, const struct udp_local *local,
                                const struct address *plain)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (is_at(self->paths[i], local, plain))
            return self->paths[i];
    return NULL;
}

/* What is up is only probed for it: anybody can forge it, and a restarting peer answers so. */
void udp_receive_refused(struct udp_local *local, const struct address *wire)
{
    struct udp_association *self;
    struct address plain = datagram_plain_address(wire);
    TAILQ_FOREACH(self, &local->transport->all, link)
    {
        struct udp_path *path = self->state == UDP_ENDED ? NULL : path_at(self, local, &plain);
        if (path && self->state == UDP_CONNECTING && self->events && udp_connect_refused(path))
            udp_association_end(self, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
        else if (path)
            udp_path_io_trouble(path, false);
    }
}

void udp_receive_trouble(struct udp_local *local, const struct address *wire, bool too_large)
{
    struct udp_association *self;
    struct address plain = datagram_plain_address(wire);
    TAILQ_FOREACH(self, &local->transport->all, link)
    {
        struct udp_path *path = self->state == UDP_ENDED ? NULL : path_at(self, local, &plain);
        if (path)
            udp_path_io_trouble(path, too_large);
    }
}

/* ---- a bulk of packets ---- */

void udp_receive_touch(struct udp_association *self)
{
    if (self->touched)
        return;
    self->touched = true;
    self->next_touched = NULL;
    *self->transport->last_touched = self;
    self->transport->last_touched = &self->next_touched;
}

static struct udp_association *next_touched(struct udp *transport)
{
    struct udp_association *self = transport->touched;
    if (!self)
        return NULL;
    transport->touched = self->next_touched;
    if (!transport->touched)
        transport->last_touched = &transport->touched;
    self->touched = false;
    return self;
}

static void end_batch(struct udp_association *self)
{
    if (!self->has_input)
        return;
    self->has_input = false;
    self->unread = 0;
    sctp_association_input_end(self->engine, udp_now(self->transport));
    udp_trust_weigh(self);
}

void udp_receive_deliver(struct udp *transport)
{
    transport->delivering = true;
    for (struct udp_association *self; (self = next_touched(transport));) {
        if (self->engine)
            end_batch(self);
        udp_engine_run(self);
        udp_path_io_tell(self);
    }
    transport->delivering = transport->in_bulk = false;
    udp_flush(transport);
}
