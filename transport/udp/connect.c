/* An association of ours begins: its addresses and ports are chosen. */
#include "transport/udp/connect.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/association.h"
#include "transport/udp/engine.h"
#include "transport/udp/init.h"

/* SCTP ports of the associations that we begin. Chosen from the bottom, not at random: an endpoint
 * that died and came back at the same UDP port then takes the same port again, which the peer's
 * SCTP recognises as a restart instead of keeping the dead association until it times out. */
#define FIRST_OWN_PORT 49152
#define LAST_OWN_PORT  65535

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
            taken = taken || path_table_find(&udp->tables.paths, &one->key);
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
        must(udp_path_add(self, one->local, &one->wire, &any_own, &one->key, false));
    }
}

static void make_engine(struct udp_association *self)
{
    struct udp *udp = self->transport;
    udp_clock(udp); /* INIT is sent now, not at the latest packet */
    struct sctp_options options = udp_engine_options(udp, udp_path_in_use(self)->mtu.size);
    options.own_port = self->tags.own_port;
    options.peer_port = self->tags.peer_port;
    self->engine = sctp_association_connect(&options);
    self->tags.own = sctp_association_own_tag(self->engine);
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
    self->tags.own_port = candidates.list[0].key.own_port;
    self->tags.peer_port = UDP_SCTP_PORT;
    self->base.events = events;
    add_candidates(self, &candidates);
    make_engine(self);
    udp_limit(self, udp->options.connect_timeout_us);
    udp_init_begin(self);
    *association = &self->base;
    return ERR_OK;
}
