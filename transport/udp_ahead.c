#include "transport/udp_ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/packet.h"
#include "transport/udp_association.h"
#include "transport/udp_socket.h"

/* usrsctp's SCTP_MAPPING_ARRAY in bits, less what several chunks of one packet may take. */
#define MAP 4000

struct udp_ahead_packet {
    STAILQ_ENTRY(udp_ahead_packet) link;
    uint32_t tsn;
    size_t length;
    uint8_t bytes[];
};

void udp_ahead_init(struct udp_ahead *self)
{
    STAILQ_INIT(&self->packets);
}

static void drop_first(struct udp_ahead *self)
{
    struct udp_ahead_packet *first = STAILQ_FIRST(&self->packets);
    STAILQ_REMOVE_HEAD(&self->packets, link);
    self->bytes -= sizeof *first + first->length;
    free(first);
}

void udp_ahead_fini(struct udp_ahead *self)
{
    while (!STAILQ_EMPTY(&self->packets))
        drop_first(self);
}

void udp_ahead_note(struct udp_ahead *self, const uint8_t *packet, size_t length)
{
    self->cumulative = packet_cumulative(packet, length);
    self->known = true;
}

static bool is_ahead(const struct udp_ahead *self, uint32_t tsn)
{
    return (int32_t)(tsn - self->cumulative) > MAP;
}

bool udp_ahead_keep(struct udp_association *self, const uint8_t *packet, size_t length)
{
    struct udp_ahead *ahead = &self->ahead;
    uint32_t tsn;
    if (!ahead->known || !packet_data(packet, length, &tsn) || !is_ahead(ahead, tsn))
        return false;
    /* Beyond the window that it was told of, a peer gets nothing kept. */
    if (ahead->bytes + length > udp_socket_buffer(&self->transport->options))
        return true;
    struct udp_ahead_packet *kept = check_alloc(sizeof *kept + length);
    kept->tsn = tsn;
    kept->length = length;
    memcpy(kept->bytes, packet, length);
    STAILQ_INSERT_TAIL(&ahead->packets, kept, link);
    ahead->bytes += sizeof *kept + length;
    return true;
}

void udp_ahead_release(struct udp_association *self)
{
    struct udp_ahead *ahead = &self->ahead;
    struct udp_ahead_packet *first;
    while (self->state != UDP_ENDED && (first = STAILQ_FIRST(&ahead->packets)) &&
           !is_ahead(ahead, first->tsn)) {
        stack_input(&self->peer, first->bytes, first->length);
        drop_first(ahead);
    }
}
