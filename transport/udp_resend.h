/* transport/udp_resend.h: what SCTP sent into a path that turned out to be dead goes once more, by
 * the new one.
 *
 * SCTP retransmits at its time-out: at least RTO.min (200 ms) after the last acknowledgement, often
 * twice that, and if the first came before the path was left, once more twice as long. Here the
 * last packets with data and the last SACK are kept and sent again at the switch: to SCTP that is
 * a network that doubled or delayed them. A small flow is complete with it, and a large one has the
 * gaps reported at once that begin a fast retransmission. As many packets as RFC 6928 allows into
 * a path that was not used yet.
 *
 * Measured with a message each 5 ms over a round trip of 20 ms: longest gaps of 0.28 to 0.6 s
 * without it, see docs/decisions/010-udp-paths.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP_RESEND_PACKETS 10
#define UDP_RESEND_ACK_MAX 128
/* Of larger ones (loopback) only the last is kept. */
#define UDP_RESEND_ORDINARY 9216

struct udp_resend_packet {
    uint8_t *bytes;
    size_t room, length;
    uint64_t sent_us;
};

/* All zero: nothing kept. */
struct udp_resend {
    uint8_t ack[UDP_RESEND_ACK_MAX]; /* latest packet that is a SACK alone */
    size_t ack_length;
    uint64_t ack_us;
    struct udp_resend_packet packets[UDP_RESEND_PACKETS]; /* with DATA; a ring */
    unsigned next;
};

void udp_resend_fini(struct udp_resend *self);

/* A sealed packet leaves; data: it has DATA chunks. */
void udp_resend_note(struct udp_resend *self, const uint8_t *packet, size_t length, bool data,
                     uint64_t now_us);

/* The next of what was sent since then, oldest first; NULL when that was all. *length is set. Each
 * is given once. */
const uint8_t *udp_resend_next(struct udp_resend *self, size_t *length, uint64_t since_us);
