/* transport/udp_resend.h: what SCTP sent into a path that turned out to be dead goes once more, by
 * the new one.
 *
 * SCTP retransmits at its first time-out (RTO.min 200 ms), usually after the path was left. When
 * that time-out came first, the retransmission is lost and the next one waits for twice as long;
 * and when only the acknowledgement was lost, the peer does. Both are small, so they are kept and
 * sent again: to SCTP that is a packet that the network doubled. Measured with a path that dies
 * towards the client: the longest gaps were 0.5 s without it, 0.2 s with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_RESEND_ACK_MAX 128

/* All zero: nothing kept. */
struct udp_resend {
    uint8_t ack[UDP_RESEND_ACK_MAX]; /* latest packet that is a SACK alone */
    size_t ack_length;
    uint64_t ack_us;
    uint8_t *repeat; /* latest packet with DATA sent before */
    size_t repeat_length;
    uint64_t repeat_us;
};

void udp_resend_fini(struct udp_resend *self);

/* A sealed packet leaves. repeats: some of its DATA was sent before; data: it has any. */
void udp_resend_note(struct udp_resend *self, const uint8_t *packet, size_t length, bool data,
                     bool repeats, uint64_t now_us);

/* The next of what was sent lately, NULL when that was all. *length is set. */
const uint8_t *udp_resend_next(struct udp_resend *self, size_t *length, uint64_t now_us);
