/* transport/udp/receive.h: the way in of the udp transport: packets to associations. */
#pragma once

#include "transport/udp/udp.h"

/* A UDP datagram. */
void udp_receive_packet(struct udp_local *local, const struct address *from,
                        const struct address *own, uint8_t *packet, size_t length);

/* The peer's host says that nobody listens there (ICMP port unreachable). */
void udp_receive_refused(struct udp_local *local, const struct address *wire);
/* The system does not send to it, or not packets of this size. */
void udp_receive_trouble(struct udp_local *local, const struct address *wire, bool too_large);
