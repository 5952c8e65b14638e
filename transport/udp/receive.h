/* transport/udp/receive.h: the way in of the udp transport: packets to associations. */
#pragma once

#include "transport/udp/udp.h"

/* Of each socket of a transport. */
extern const struct datagram_events udp_receive_events;
