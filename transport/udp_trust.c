#include "transport/udp_trust.h"

#include "base/check.h"
#include "transport/packet.h"

#define CHUNK_COST 512

static bool is_free(const struct udp_association *self)
{
    return self->trusted || self->choice.options.chooses || !self->transport->options.distrusts;
}

bool udp_trust_allows(struct udp_association *self, const uint8_t *packet, size_t length)
{
    struct udp *transport = self->transport;
    unsigned chunks = is_free(self) ? 0 : packet_data_count(packet, length);
    if (!chunks)
        return true;
    size_t cost = length + chunks * CHUNK_COST, own = self->untrusted_bytes + cost;
    if (own > UDP_TRUST_ONE ||
        (own > UDP_TRUST_LEAST && transport->untrusted_bytes + cost > UDP_TRUST_ALL)) {
        transport->counters.untrusted_packets++;
        return false;
    }
    self->untrusted_bytes = own;
    transport->untrusted_bytes += cost;
    return true;
}

void udp_trust_begin(struct association *association)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    self->trusted = true;
    udp_trust_end(self);
}

void udp_trust_end(struct udp_association *self)
{
    self->transport->untrusted_bytes -= self->untrusted_bytes;
    self->untrusted_bytes = 0;
}
