/* transport/udp/probe.h: probes of paths: SCTP HEARTBEATs of our own beside those of SCTP
 * (docs/PROTOCOL.md section 7). Every SCTP replies to them; an endpoint like this one says so in
 * its reply.
 *
 * The layout of a probe's packet, 52 bytes:
 *
 *   0  common header   ports, verification tag, checksum
 *  12  4, 0, 40        HEARTBEAT; its reply: 5 (HEARTBEAT ACK)
 *  16  1, 36           Heartbeat Info (RFC 9260 section 3.3.5)
 *  20  "HWSPROB1"
 *  28  flags, idle, 0, 0
 *  32  path            a number of the sender's
 *  36  nonce           16 unguessable bytes
 *
 * A probe of the size of packets has a PAD chunk (RFC 4820) behind that, its reply has not.
 *
 * Pure: neither clock nor sockets. Thread: any. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "transport/udp/packet.h"

#define PROBE_SIZE  52
#define PROBE_NONCE 16

/* Unit of the idle interval that a reply asks for: a path that carries nothing need not be probed
 * again earlier. */
#define PROBE_IDLE_US 250000

enum probe_flag {
    PROBE_BY_OURS = 1, /* set in the reply: an endpoint like this one has given it */
    PROBE_IN_USE = 2,  /* set in the request: what is not a probe goes this way */
};

enum probe_kind {
    PROBE_NONE,    /* no probe: it is SCTP's */
    PROBE_BAD,     /* the mark of a probe and something wrong: to be dropped */
    PROBE_REQUEST, /* HEARTBEAT, to be replied to */
    PROBE_REPLY,
};

struct probe {
    uint8_t flags;
    uint8_t idle; /* of a reply: see PROBE_IDLE_US; 0 in a request */
    uint32_t path;
    uint8_t nonce[PROBE_NONCE];
};

/* Reads a packet that passed sctp_wire_check. probe is set for a request or a reply. */
enum probe_kind probe_read(const uint8_t *packet, size_t length, struct probe *probe);

/* Makes a sealed request in a packet of this size: PROBE_SIZE, or a multiple of 4 above, which a
 * PAD chunk fills. */
void probe_request(uint8_t *packet, size_t size, struct packet_ports ports, uint32_t tag,
                   const struct probe *probe);

/* Makes the sealed reply of a request's packet in place; tag: the asker's; idle: 0 for one that
 * is none of ours. Without padding. */
void probe_reply(uint8_t packet[PROBE_SIZE], uint32_t tag, uint8_t idle);
