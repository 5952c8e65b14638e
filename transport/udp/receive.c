#include "transport/udp/receive.h"

#include <string.h>

#include "base/check.h"
#include "transport/udp/arrival.h"
#include "transport/udp/association.h"
#include "transport/udp/connect.h"
#include "transport/udp/engine.h"
#include "transport/udp/path_io.h"

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
    udp_trust_weigh(self);
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

/* The first path to this address, and another one; NULL: none. */
static struct udp_path *path_at(struct udp_local *local, const struct address *wire)
{
    struct path_key key = udp_path_io_key(local, wire);
    struct path *node = path_table_find(&local->transport->addresses, &key);
    return node ? container_of(node, struct udp_path, address) : NULL;
}

static struct udp_path *next_at(const struct udp_path *path)
{
    struct path *node = path_table_find_next(&path->address);
    return node ? container_of(node, struct udp_path, address) : NULL;
}

/* What is up is only probed for it: anybody can forge it, and a restarting peer answers so. */
static bool refused(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    if (self->state != UDP_CONNECTING || !self->events || !udp_connect_refused(path)) {
        udp_path_io_trouble(path, false);
        return false;
    }
    udp_association_end(self, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
    return true;
}

/* Who ends takes its other paths with it. */
void udp_receive_refused(struct udp_local *local, const struct address *wire)
{
    struct udp_path *path = path_at(local, wire);
    while (path)
        path = refused(path) ? path_at(local, wire) : next_at(path);
}

void udp_receive_trouble(struct udp_local *local, const struct address *wire, bool too_large)
{
    for (struct udp_path *path = path_at(local, wire); path; path = next_at(path))
        udp_path_io_trouble(path, too_large);
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
}

void udp_receive_deliver(struct udp *transport)
{
    transport->delivering = true;
    for (struct udp_association *self; (self = next_touched(transport));) {
        if (self->engine)
            end_batch(self);
        udp_engine_run(self);
        udp_trust_weigh(self); /* messages were handed on */
        udp_path_io_tell(self);
    }
    transport->delivering = transport->in_bulk = false;
    udp_flush(transport);
}
