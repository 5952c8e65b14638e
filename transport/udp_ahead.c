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
    TAILQ_ENTRY(udp_ahead_packet) link;
    uint32_t tsn;
    size_t length;
    uint8_t bytes[];
};

void udp_ahead_init(struct udp_ahead *self)
{
    TAILQ_INIT(&self->packets);
}

static void take_out(struct udp_ahead *self, struct udp_ahead_packet *packet)
{
    TAILQ_REMOVE(&self->packets, packet, link);
    self->bytes -= sizeof *packet + packet->length;
}

static void drop(struct udp_ahead *self, struct udp_ahead_packet *packet)
{
    take_out(self, packet);
    free(packet);
}

void udp_ahead_fini(struct udp_ahead *self)
{
    for (struct udp_ahead_packet *first; (first = TAILQ_FIRST(&self->packets));)
        drop(self, first);
    free(self->given);
    self->given = NULL;
}

void udp_ahead_note(struct udp_ahead *self, const uint8_t *packet, size_t length, uint64_t now_us)
{
    uint32_t cumulative = packet_cumulative(packet, length);
    if (!self->known || cumulative != self->cumulative)
        self->progress_us = now_us;
    self->cumulative = cumulative;
    self->known = true;
}

static int32_t distance(const struct udp_ahead *self, uint32_t tsn)
{
    return (int32_t)(tsn - self->cumulative);
}

/* Nearly always the last place. Two of the same TSN may differ, and which is right is not known
 * here. */
static void insert(struct udp_ahead *self, struct udp_ahead_packet *packet)
{
    struct udp_ahead_packet *before = TAILQ_LAST(&self->packets, udp_ahead_list);
    while (before && distance(self, before->tsn) > distance(self, packet->tsn))
        before = TAILQ_PREV(before, udp_ahead_list, link);
    if (before)
        TAILQ_INSERT_AFTER(&self->packets, before, packet, link);
    else
        TAILQ_INSERT_HEAD(&self->packets, packet, link);
    self->bytes += sizeof *packet + packet->length;
}

/* Beyond the window that it was told of, a peer gets nothing kept. */
static bool make_room(struct udp_ahead *self, uint32_t tsn, size_t size, size_t most)
{
    while (self->bytes + size > most) {
        struct udp_ahead_packet *last = TAILQ_LAST(&self->packets, udp_ahead_list);
        if (!last || distance(self, last->tsn) <= distance(self, tsn))
            return false;
        drop(self, last);
    }
    return true;
}

bool udp_ahead_keep(struct udp_association *self, const uint8_t *packet, size_t length)
{
    struct udp_ahead *ahead = &self->ahead;
    uint32_t tsn;
    if (!ahead->known || !packet_data(packet, length, &tsn) || distance(ahead, tsn) <= MAP)
        return false;
    size_t size = sizeof(struct udp_ahead_packet) + length;
    if (distance(ahead, tsn) > MAP + UDP_AHEAD_TSNS ||
        !make_room(ahead, tsn, size, udp_socket_buffer(&self->transport->options)))
        return true;
    struct udp_ahead_packet *kept = check_alloc(size);
    kept->tsn = tsn;
    kept->length = length;
    memcpy(kept->bytes, packet, length);
    if (TAILQ_EMPTY(&ahead->packets))
        ahead->progress_us = loop_now(self->transport->loop);
    insert(ahead, kept);
    return true;
}

const uint8_t *udp_ahead_next(struct udp_ahead *self, size_t *length)
{
    struct udp_ahead_packet *first = TAILQ_FIRST(&self->packets);
    free(self->given);
    self->given = NULL;
    if (!first || distance(self, first->tsn) > MAP)
        return NULL;
    take_out(self, first);
    self->given = first;
    *length = first->length;
    return first->bytes;
}

void udp_ahead_release(struct udp_association *self)
{
    const uint8_t *packet;
    size_t length;
    while (self->state != UDP_ENDED && (packet = udp_ahead_next(&self->ahead, &length)))
        stack_input(&self->peer, packet, length);
}

void udp_ahead_tick(struct udp_ahead *self, uint64_t now_us)
{
    if (TAILQ_EMPTY(&self->packets) || now_us < self->progress_us + UDP_AHEAD_STAYS_US)
        return;
    udp_ahead_fini(self);
}
