/* The way in of the udp transport: packets to associations. */
#include "transport/udp/receive.h"

#include <string.h>

#include "transport/udp/arrival.h"
#include "transport/udp/association.h"
#include "transport/udp/init.h"
#include "transport/udp/path_io.h"
#include "transport/udp/unverified.h"

/* Messages of so many bytes of packets are handed on before the next: a bulk of 1 MB in messages of
 * 100 bytes is 20 MB of them, which no processor's cache holds. */
#define HAND_ON_BYTES 65536

static struct udp_path *find(struct udp *transport, const struct path_key *key)
{
    struct udp_path *latest = transport->tables.latest;
    if (latest && !memcmp(&latest->node.key, key, sizeof *key))
        return latest;
    struct path *node = path_table_find(&transport->tables.paths, key);
    if (node)
        transport->tables.latest = container_of(node, struct udp_path, node);
    return node ? transport->tables.latest : NULL;
}

/* With options.auth a packet counts once the engine has found its MAC good. */
static void pass(struct udp_path *path, const struct packet_view *packet)
{
    struct udp_association *self = path->owner;
    if (!udp_unverified_may_pass(self, packet))
        return;
    sctp_association_input(self->engine, udp_now(self->transport), path->number, packet->bytes,
                           packet->length);
    udp_unverified_account(self);
    self->in.has_input = true;
    udp_touch(self);
    if (self->transport->options.auth && association_is_up(&self->base) &&
        sctp_association_was_authentic(self->engine))
        udp_path_io_believe(path, packet);
    self->in.unread += packet->length;
    if (self->in.unread >= HAND_ON_BYTES && association_is_up(&self->base)) {
        self->in.unread = 0;
        udp_association_events(self);
    }
}

/* A path may end by what comes on it, an association does not before it is delivered to. */
static void take_other(struct udp_arrival *a, struct udp_path *path)
{
    bool ootb = false;
    if (!path)
        path = udp_path_io_learn(a->local, a->from, a->own, &a->key, &a->packet, &ootb);
    struct udp_association *self = path ? path->owner : NULL;
    enum udp_take take = UDP_TAKE_DROP;
    if (self)
        take = association_is_up(&self->base) ? udp_path_io_take(path, &a->packet)
                                              : udp_init_take(path, &a->packet);
    if (ootb || take == UDP_TAKE_OOTB)
        udp_arrival_ootb(a);
    else if (take == UDP_TAKE_PASS && self->base.state != ASSOCIATION_ENDED)
        pass(path, &a->packet);
}

static struct udp_local *local_of(struct datagram_socket *socket)
{
    return container_of(socket, struct udp_local, socket);
}

static void on_packet(struct datagram_socket *socket, const struct address *from,
                      const struct address *own, uint8_t *packet, size_t length)
{
    static const struct address any;
    struct udp_local *local = local_of(socket);
    struct udp *transport = local->transport;
    struct udp_arrival arrival = {.local = local, .from = from, .own = own};
    const struct sctp_header *header = &arrival.packet.header;
    if (!transport->turn.in_bulk) {
        transport->turn.in_bulk = true;
        udp_clock(transport);
    }
    if (!packet_view_read(&arrival.packet, packet, length)) {
        transport->counters.bad_packets++;
        return;
    }
    /* The system chooses our address anew each time for an association of ours. */
    if (header->destination != UDP_SCTP_PORT)
        arrival.own = &any;
    arrival.key = path_key(from, arrival.own, local->number, header->source, header->destination);
    struct udp_path *path = find(transport, &arrival.key);
    if (arrival.packet.first == SCTP_CHUNK_INIT)
        udp_arrival_init(&arrival, path);
    else if (arrival.packet.type == SCTP_CHUNK_COOKIE_ECHO)
        udp_arrival_cookie(&arrival, path);
    else
        take_other(&arrival, path);
}

/* The first path to this address, and another one; NULL: none. */
static struct udp_path *path_at(struct udp_local *local, const struct address *wire)
{
    struct path_key key = udp_path_key(local, wire);
    struct path *node = path_table_find(&local->transport->tables.addresses, &key);
    return node ? container_of(node, struct udp_path, address) : NULL;
}

static struct udp_path *next_at(const struct udp_path *path)
{
    struct path *node = path_table_find_next(&path->address);
    return node ? container_of(node, struct udp_path, address) : NULL;
}

/* An association that is up is only probed: anybody can forge this, and a restarting peer answers
 * so. */
static bool refused(struct udp_path *path)
{
    struct udp_association *self = path->owner;
    if (self->base.state != ASSOCIATION_CONNECTING || !self->base.events ||
        !udp_init_refused(path)) {
        udp_path_io_trouble(path, false);
        return false;
    }
    udp_association_end(self, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
    return true;
}

/* An association that ends takes its other paths with it. */
static void on_refused(struct datagram_socket *socket, const struct address *wire)
{
    struct udp_local *local = local_of(socket);
    struct udp_path *path = path_at(local, wire);
    while (path)
        path = refused(path) ? path_at(local, wire) : next_at(path);
}

static void on_trouble(struct datagram_socket *socket, const struct address *wire, bool too_large)
{
    for (struct udp_path *path = path_at(local_of(socket), wire); path; path = next_at(path))
        udp_path_io_trouble(path, too_large);
}

static void on_batch_end(struct datagram_socket *socket)
{
    udp_association_deliver(local_of(socket)->transport);
}

const struct datagram_events udp_receive_events = {.on_packet = on_packet,
                                                   .on_batch_end = on_batch_end,
                                                   .on_refused = on_refused,
                                                   .on_trouble = on_trouble};
