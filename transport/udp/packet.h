/* transport/udp/packet.h: what the paths of an association look at in SCTP packets that passed
 * sctp_wire_check: whose they are, and whether they do more than move data. Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sctp/wire.h"

/* Ports as on the wire, in host order. */
struct packet_ports {
    uint16_t source, destination;
};

/* Verification tag of a packet, and whether its first chunk has the T bit, which says that the
 * tag is the sender's own (RFC 9260 sections 3.3.7, 3.3.13). */
uint32_t packet_tag(const uint8_t *packet);
bool packet_tag_reflected(const uint8_t *packet);

/* Type of the first chunk that is not AUTH; of AUTH if there is no other. */
uint8_t packet_type(const uint8_t *packet, size_t length);

/* Whether each chunk is DATA, SACK, AUTH or PAD: nothing that begins, ends or changes an
 * association. */
bool packet_only_moves_data(const uint8_t *packet, size_t length);

/* How many DATA chunks it has. */
unsigned packet_data_count(const uint8_t *packet, size_t length);
