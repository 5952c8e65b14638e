/* transport/udp/probe.h: probes of paths: SCTP HEARTBEATs of our own beside those of SCTP
 * (docs/PROTOCOL.md section 7). Every SCTP answers them; who is one of ours says so in the answer.
 *
 * The layout of a probe's packet, 52 bytes:
 *
 *   0  common header   ports, verification tag, checksum
 *  12  4, 0, 40        HEARTBEAT; its answer: 5 (HEARTBEAT ACK)
 *  16  1, 36           Heartbeat Info (RFC 9260 section 3.3.5)
 *  20  "HWSPROB1"
 *  28  flags, rest, 0, 0
 *  32  path            a number of the asker's
 *  36  nonce           16 unguessable bytes
 *
 * A question about the size of packets has a PAD chunk (RFC 4820) behind that, its answer has not.
 *
 * Pure: neither clock nor sockets. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "transport/udp/packet.h"

#define PROBE_SIZE  52
#define PROBE_NONCE 16

/* Unit of the rest that an answer asks for: a path that carries nothing need not be asked again
 * earlier. */
#define PROBE_REST_US 250000

enum probe_flag {
    PROBE_BY_OURS = 1, /* set in the answer: an endpoint like this one has given it */
    PROBE_IN_USE = 2,  /* set in the question: what is not a probe goes this way */
};

enum probe_kind {
    PROBE_NONE,     /* no probe: it is SCTP's */
    PROBE_BAD,      /* the mark of a probe and something wrong: to be dropped */
    PROBE_QUESTION, /* to be answered */
    PROBE_ANSWER,
};

struct probe {
    uint8_t flags;
    uint8_t rest; /* of an answer: see PROBE_REST_US; 0 in a question */
    uint32_t path;
    uint8_t nonce[PROBE_NONCE];
};

/* Reads a packet that passed sctp_wire_check. probe is set for a question or an answer. */
enum probe_kind probe_read(const uint8_t *packet, size_t length, struct probe *probe);

/* Makes a sealed question in a packet of this size: PROBE_SIZE, or a multiple of 4 above, which a
 * PAD chunk fills. */
void probe_ask(uint8_t *packet, size_t size, struct packet_ports ports, uint32_t tag,
               const struct probe *probe);

/* Makes the sealed answer of a question's packet in place; tag: the asker's; rest: 0 for one that
 * is none of ours. Without padding. */
void probe_answer(uint8_t packet[PROBE_SIZE], uint32_t tag, uint8_t rest);
