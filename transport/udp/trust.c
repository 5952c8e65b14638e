#include "transport/udp/trust.h"

#include <sys/random.h>

#include "base/check.h"
#include "transport/udp/association.h"
#include "transport/udp/engine.h"

void udp_trust_init(struct udp_trust *trust, const struct sctp_sharing *sharing)
{
    trust->most = transport_part(sharing, UDP_TRUST_COUNT, 1);
    trust->most_held = transport_part(sharing, UDP_TRUST_ALL, UDP_TRUST_ONE);
    trust->most_of_source = transport_part(sharing, UDP_TRUST_OF_SOURCE, UDP_TRUST_OF_SOURCE_LEAST);
    TAILQ_INIT(&trust->strangers);
    must(getrandom(&trust->seed, sizeof trust->seed, 0) == sizeof trust->seed);
}

/* ---- how many ---- */

static struct udp_association *oldest_of(struct udp_trust *trust, size_t place)
{
    struct udp_association *one;
    TAILQ_FOREACH(one, &trust->strangers, strange_link)
    {
        if (one->source == place)
            return one;
    }
    return NULL;
}

static void drop(struct udp_association *self)
{
    self->transport->counters.strangers_lost++;
    udp_association_close(&self->base, ASSOCIATION_ABORT, "too many wait to be verified");
    self->reason = ERR_TRANSPORT_TIMEOUT;
}

bool udp_trust_drops_oldest(struct udp *transport)
{
    struct udp_association *oldest = TAILQ_FIRST(&transport->trust.strangers);
    if (oldest)
        drop(oldest);
    return oldest;
}

bool udp_trust_makes_room(struct udp *transport, const struct address *from)
{
    struct udp_trust *trust = &transport->trust;
    if (!transport->options.distrusts)
        return true;
    size_t place = address_place(from, trust->seed, UDP_TRUST_SOURCES);
    if (trust->of_source[place] >= trust->most_of_source) {
        struct udp_association *oldest = oldest_of(trust, place);
        if (udp_now(transport) < oldest->begun_us + UDP_TRUST_YOUNG_US)
            return false;
        drop(oldest);
    }
    return trust->count < trust->most || udp_trust_drops_oldest(transport);
}

void udp_trust_enter(struct udp_association *self)
{
    struct udp_trust *trust = &self->transport->trust;
    if (!self->transport->options.distrusts)
        return;
    self->is_strange = true;
    self->begun_us = udp_now(self->transport);
    self->source =
        (uint16_t)address_place(&udp_path_in_use(self)->route.to, trust->seed, UDP_TRUST_SOURCES);
    TAILQ_INSERT_TAIL(&trust->strangers, self, strange_link);
    trust->of_source[self->source]++;
    trust->count++;
}

void udp_trust_leave(struct udp_association *self)
{
    struct udp_trust *trust = &self->transport->trust;
    if (!self->is_strange)
        return;
    self->is_strange = false;
    TAILQ_REMOVE(&trust->strangers, self, strange_link);
    trust->of_source[self->source]--;
    trust->count--;
    trust->held -= self->held;
    self->held = 0;
}

void udp_trust_begin(struct association *association)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    udp_trust_leave(self);
    if (self->engine)
        sctp_association_set_buffer(self->engine, udp_engine_buffer(&self->transport->options));
}

/* ---- how much ---- */

bool udp_trust_allows(struct udp_association *self, const uint8_t *packet, size_t length)
{
    struct udp *transport = self->transport;
    if (!self->is_strange || self->held + length <= UDP_TRUST_LEAST ||
        transport->trust.held + length <= transport->trust.most_held ||
        !packet_data_count(packet, length))
        return true;
    transport->counters.untrusted_packets++;
    return false;
}

void udp_trust_weigh(struct udp_association *self)
{
    if (!self->is_strange || !self->engine)
        return;
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    self->transport->trust.held += status.kept - self->held;
    self->held = status.kept;
}
