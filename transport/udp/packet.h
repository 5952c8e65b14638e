/* transport/udp/packet.h: an SCTP packet as the paths of an association see it: whose it is, and
 * whether it does more than move data. Its head is read once; all that follows takes the view.
 * Thread: any. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sctp/wire.h"

/* Ports as on the wire, in host order. */
struct packet_ports {
    uint16_t source, destination;
};

/* Nothing is copied: it lives as long as the bytes. */
struct packet_view {
    uint8_t *bytes;
    size_t length;
    struct sctp_header header;
    uint8_t first;     /* type of the first chunk */
    uint8_t type;      /* of the first that is not AUTH; of AUTH if there is no other */
    bool is_reflected; /* the first chunk has the T bit, which says that the tag is the sender's
                          own (RFC 9260 sections 3.3.7, 3.3.13) */
};

/* False: sctp_wire_check says no, the packet is to be dropped. */
bool packet_view_read(struct packet_view *self, uint8_t *bytes, size_t length);

/* The next two walk over all chunks; few packets need that. */

/* Each chunk is DATA, SACK, AUTH or PAD: nothing that begins, ends or changes an association. */
bool packet_view_only_moves_data(const struct packet_view *self);
bool packet_view_has_data(const struct packet_view *self);
