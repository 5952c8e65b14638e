/* transport/udp/route.h: the size of packets to a peer, as far as this host knows. */
#pragma once

#include <stdint.h>

#include "base/address.h"

/* Every path of today takes this, with IP and UDP: IPv4 promises 576 bytes in all. */
#define ROUTE_PAYLOAD_MIN 576

/* Bytes that IP and UDP put before the payload. IPv4-mapped addresses travel as IPv4. */
uint32_t route_overhead(const struct address *peer);

/* UDP payload that is likely to pass to peer: from mtu (largest IP packet, 0: ask the kernel's
 * route). Always between ROUTE_PAYLOAD_MIN and 65000. Thread: any; makes and closes a socket when
 * mtu is 0. */
uint32_t route_payload(const struct address *peer, uint32_t mtu);

/* The most that may pass: what the device takes. Never less than route_payload. */
uint32_t route_ceiling(const struct address *peer, uint32_t mtu);
