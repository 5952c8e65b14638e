/* Status of an association of the udp transport. */
#include "transport/udp/status.h"

#include "transport/udp/route.h"

static void own_address(const struct udp_path *path, struct address *own)
{
    *own = path->route.from;
    if (own->length)
        own->in.sin_port = path->local->socket.local.in.sin_port;
    else if (!path->local->socket.wildcard)
        *own = path->local->socket.local;
    if (own->length)
        *own = datagram_plain_address(own);
}

void udp_status_path(const struct udp_association *self, unsigned number,
                     struct path_status *status)
{
    const struct udp_path *path = self->paths.list[number];
    const struct udp_path_health *health = &self->paths.choice.paths[number];
    *status = (struct path_status){
        .address = datagram_plain_address(&path->route.to),
        .state = health->state,
        .in_use = number == self->paths.choice.in_use,
        .rtt_us = health->rtt_us,
        .mtu = path->mtu.size + route_overhead(&path->route.to),
    };
    own_address(path, &status->local);
}

/* The engine measures data, the probes all paths. */
static void add_net(const struct udp_association *self, unsigned number, struct path_status *path)
{
    struct sctp_net_status net;
    if (!sctp_association_net_status(self->engine, number, &net))
        return;
    path->congestion = net.congestion;
    path->phase = net.phase;
    path->congestion_window = net.window < UINT32_MAX ? (uint32_t)net.window : UINT32_MAX;
    path->in_flight = net.in_flight;
    path->rate = net.pace;
    path->min_rtt_us = net.min_rtt_us;
    path->loss_floor = net.loss_floor;
    if (net.srtt_us && (path->in_use || !path->rtt_us))
        path->rtt_us = net.srtt_us;
}

void udp_status(struct association *association, struct association_status *status)
{
    const struct udp_association *self = udp_association_of(association);
    struct sctp_status engine = {0};
    if (self->engine)
        sctp_association_status(self->engine, &engine);
    *status = (struct association_status){.streams = self->streams,
                                          .scheduler = "first-come",
                                          .retransmissions = engine.retransmitted,
                                          .lost = engine.lost,
                                          .spurious = engine.spurious,
                                          .probes = engine.probes,
                                          .timeouts = engine.timeouts};
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX && self->engine; i++)
        if (self->paths.list[i]) {
            struct path_status *path = &status->paths[status->path_count++];
            udp_status_path(self, i, path);
            add_net(self, i, path);
        }
}
