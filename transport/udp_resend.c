#include "transport/udp_resend.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/packet.h"

/* Longer than a path takes to be given up at ordinary round trips. */
#define LATELY_US 1000000

void udp_resend_fini(struct udp_resend *self)
{
    free(self->repeat);
    *self = (struct udp_resend){0};
}

void udp_resend_note(struct udp_resend *self, const uint8_t *packet, size_t length, bool data,
                     bool repeats, uint64_t now_us)
{
    if (!data && packet[PACKET_HEADER] == PACKET_CHUNK_SACK && length <= sizeof self->ack) {
        memcpy(self->ack, packet, length);
        self->ack_length = length;
        self->ack_us = now_us;
    }
    if (!repeats)
        return;
    free(self->repeat);
    self->repeat = check_alloc(length);
    memcpy(self->repeat, packet, length);
    self->repeat_length = length;
    self->repeat_us = now_us;
}

const uint8_t *udp_resend_next(struct udp_resend *self, size_t *length, uint64_t now_us)
{
    *length = self->ack_length;
    self->ack_length = 0;
    if (*length && now_us < self->ack_us + LATELY_US)
        return self->ack;
    *length = self->repeat_length;
    self->repeat_length = 0;
    return *length && now_us < self->repeat_us + LATELY_US ? self->repeat : NULL;
}
