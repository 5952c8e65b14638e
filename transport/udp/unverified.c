/* Associations whose peer has not proved who it is: how many, and what they may keep. */
#include "transport/udp/unverified.h"

#include "transport/udp/engine.h"

void udp_unverified_init(struct newcomers *self, const struct sctp_sharing *sharing)
{
    self->most = transport_part(sharing, UDP_UNVERIFIED_COUNT, 1);
    self->most_held = transport_part(sharing, UDP_UNVERIFIED_ALL, UDP_UNVERIFIED_ONE);
    self->most_of_source =
        transport_part(sharing, UDP_UNVERIFIED_OF_SOURCE, UDP_UNVERIFIED_OF_SOURCE_LEAST);
    newcomers_init(self);
}

bool udp_unverified_has_room(struct udp *transport, const struct address *from, bool is_full,
                             struct udp_association **evicted)
{
    const struct newcomers *all = &transport->unverified;
    struct newcomer *one = newcomers_oldest_of(all, from);
    *evicted = NULL;
    if (one && udp_now(transport) < one->since_us + UDP_UNVERIFIED_YOUNG_US)
        return false;
    bool needs_one = is_full || (transport->options.distrusts && all->count >= all->most);
    if (!one && needs_one && !(one = newcomers_oldest(all)))
        return false;
    if (one)
        *evicted = container_of(one, struct udp_association, unverified);
    return true;
}

void udp_unverified_enter(struct udp_association *self)
{
    if (self->transport->options.distrusts)
        newcomers_enter(&self->transport->unverified, &self->unverified,
                        &udp_path_in_use(self)->route.to, udp_now(self->transport));
}

void udp_unverified_trust(struct association *association)
{
    struct udp_association *self = udp_association_of(association);
    newcomers_leave(&self->transport->unverified, &self->unverified);
    if (self->engine)
        sctp_association_set_buffer(self->engine, udp_engine_buffer(&self->transport->options));
}

bool udp_unverified_may_pass(struct udp_association *self, const struct packet_view *packet)
{
    struct udp *transport = self->transport;
    if (!self->unverified.is_in || !packet_view_has_data(packet) ||
        newcomers_may_hold(&transport->unverified, &self->unverified, packet->length,
                           UDP_UNVERIFIED_LEAST))
        return true;
    transport->counters.unverified_dropped++;
    return false;
}

void udp_unverified_account(struct udp_association *self)
{
    if (!self->unverified.is_in || !self->engine)
        return;
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    newcomers_hold(&self->transport->unverified, &self->unverified, status.kept);
}
