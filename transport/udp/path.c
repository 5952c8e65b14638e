/* The paths of an association as records, and the tags by which it is found. */
#include "transport/udp/path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "transport/udp/probe.h"
#include "transport/udp/route.h"
#include "transport/udp/udp.h"

struct path_key udp_path_key(const struct udp_local *local, const struct address *wire)
{
    static const struct address any;
    struct address plain = datagram_plain_address(wire);
    return path_key(&plain, &any, local->number, 0, 0);
}

static void clear(struct udp_path *path)
{
    struct udp_tables *tables = &path->owner->transport->tables;
    path_table_remove(&tables->paths, &path->node);
    path_table_remove(&tables->addresses, &path->address);
    if (tables->latest == path)
        tables->latest = NULL;
    path->owner->paths.list[path->number] = NULL;
    free(path);
}

void udp_path_clear_absent(struct udp_association *self)
{
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (self->paths.list[i] && !self->paths.choice.paths[i].present)
            clear(self->paths.list[i]);
}

static void begin_mtu(struct udp_path *path)
{
    uint32_t most = path->owner->transport->options.mtu;
    const struct address *to = &path->route.to;
    struct udp_mtu_limits limits = {.overhead = route_overhead(to),
                                    .floor = ROUTE_PAYLOAD_MIN,
                                    .guess = route_payload(to, most),
                                    .ceiling = route_ceiling(to, most)};
    udp_mtu_init(&path->mtu, &limits);
}

struct udp_path *udp_path_add(struct udp_association *self, struct udp_local *local,
                              const struct address *wire, const struct address *own,
                              const struct path_key *key, bool confirmed)
{
    struct udp_path_set *paths = &self->paths;
    struct udp_tables *tables = &self->transport->tables;
    int number = udp_paths_add(&paths->choice, udp_turn_us(self), confirmed);
    if (number < 0)
        return NULL;
    if (paths->list[number])
        clear(paths->list[number]);
    struct udp_path *path = paths->list[number] = check_alloc(sizeof *path);
    path->owner = self;
    path->number = (unsigned)number;
    path->local = local;
    path->route = (struct datagram_route){.to = *wire, .from = *own, .gso = paths->choice.ours};
    begin_mtu(path);
    path->node.key = *key;
    path_table_add(&tables->paths, &path->node);
    path->address.key = udp_path_key(local, wire);
    path_table_add_another(&tables->addresses, &path->address);
    if (self->answered)
        sctp_association_net_reset(self->engine, udp_now(self->transport), path->number);
    return path;
}

void udp_path_remove(struct udp_path *path)
{
    udp_paths_remove(&path->owner->paths.choice, path->number);
    clear(path);
}

/* ---- tags ---- */

bool udp_path_has_tag(const struct udp_association *self, const struct packet_view *packet)
{
    uint32_t right = packet->is_reflected ? self->tags.peer : self->tags.own;
    return packet->header.tag == right && right;
}

static void forget_tag(struct udp_association *self)
{
    if (self->tags.is_listed)
        path_table_remove(&self->transport->tables.paths, &self->tags.node);
    self->tags.is_listed = false;
}

struct udp_association *udp_path_by_tag(struct udp *transport, uint32_t tag,
                                        const struct path_key *key)
{
    struct path_key by_tag = path_key_of_tag(tag, key->peer_port, key->own_port);
    struct path *node = path_table_find(&transport->tables.paths, &by_tag);
    return node ? container_of(node, struct udp_association, tags.node) : NULL;
}

void udp_path_learn_tags(struct udp_association *self)
{
    struct path_table *table = &self->transport->tables.paths;
    struct udp_tags *tags = &self->tags;
    forget_tag(self);
    tags->own = sctp_association_own_tag(self->engine);
    tags->peer = sctp_association_peer_tag(self->engine);
    tags->node.key = path_key_of_tag(tags->own, tags->peer_port, tags->own_port);
    tags->is_listed = !path_table_find(table, &tags->node.key);
    if (tags->is_listed)
        path_table_add(table, &tags->node);
}

void udp_path_clear_all(struct udp_association *self)
{
    struct udp_path_set *paths = &self->paths;
    loop_timer_cancel(self->transport->base.loop, &paths->timer);
    loop_timer_cancel(self->transport->base.loop, &paths->mtu_timer);
    forget_tag(self);
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (paths->list[i])
            clear(paths->list[i]);
    udp_reassembly_fini(&paths->reassembly);
    udp_paths_fini(&paths->choice);
}

void udp_path_write_probe(const struct udp_path *path, uint8_t *packet, size_t size,
                          uint8_t nonce[PROBE_NONCE])
{
    const struct udp_association *self = path->owner;
    struct packet_ports ports = {self->tags.own_port, self->tags.peer_port};
    struct probe probe = {.path = path->number};
    if (path->number == self->paths.choice.in_use)
        probe.flags = PROBE_IN_USE;
    must(getrandom(probe.nonce, sizeof probe.nonce, 0) == sizeof probe.nonce);
    probe_request(packet, size, ports, self->tags.peer, &probe);
    memcpy(nonce, probe.nonce, PROBE_NONCE);
}
