#include "transport/udp_resend.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/packet.h"

void udp_resend_fini(struct udp_resend *self)
{
    for (unsigned i = 0; i < UDP_RESEND_PACKETS; i++)
        free(self->packets[i].bytes);
    *self = (struct udp_resend){0};
}

static void keep(struct udp_resend *self, const uint8_t *packet, size_t length, uint64_t now_us)
{
    struct udp_resend_packet *slot =
        &self->packets[length > UDP_RESEND_ORDINARY ? 0 : self->next++ % UDP_RESEND_PACKETS];
    if (slot->room < length) {
        free(slot->bytes);
        slot->bytes = check_alloc(length);
        slot->room = length;
    }
    memcpy(slot->bytes, packet, length);
    slot->length = length;
    slot->sent_us = now_us;
}

void udp_resend_note(struct udp_resend *self, const uint8_t *packet, size_t length, bool data,
                     uint64_t now_us)
{
    if (data) {
        keep(self, packet, length, now_us);
    } else if (packet_type(packet, length) == PACKET_CHUNK_SACK && length <= sizeof self->ack) {
        memcpy(self->ack, packet, length);
        self->ack_length = length;
        self->ack_us = now_us;
    }
}

const uint8_t *udp_resend_next(struct udp_resend *self, size_t *length, uint64_t since_us)
{
    *length = self->ack_length;
    self->ack_length = 0;
    if (*length && self->ack_us >= since_us)
        return self->ack;
    for (unsigned i = 0; i < UDP_RESEND_PACKETS; i++) {
        struct udp_resend_packet *slot = &self->packets[(self->next + i) % UDP_RESEND_PACKETS];
        *length = slot->length;
        slot->length = 0;
        if (*length && slot->sent_us >= since_us)
            return slot->bytes;
    }
    return NULL;
}
