/* transport/route.h: how large a packet to a peer may be. */
#pragma once

#include <stdint.h>

#include "base/address.h"

/* Bytes that IP and UDP put before the payload. IPv4-mapped addresses travel as IPv4. */
uint32_t route_overhead(const struct address *peer);

/* UDP payload to use towards peer: from mtu (largest IP packet, 0: ask the kernel's route).
 * Always between 576 and 65000. Thread: any; makes and closes a socket when mtu is 0. */
uint32_t route_payload(const struct address *peer, uint32_t mtu);
