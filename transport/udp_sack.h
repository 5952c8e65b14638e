/* transport/udp_sack.h: how usrsctp gets to see SACKs, so that much can be in flight.
 *
 * *Those that report gaps, not more often than it can bear.* For such a SACK it goes through all
 * that is in flight: 9000 chunks at 1 Gbit/s and 100 ms, a millisecond. The peer sends one for
 * every packet until the gap is filled, 80000 in a second, so that a single loss would keep the
 * processor busy for longer than the loss itself. SACKs tell everything anew each time: only the
 * latest counts, and three are enough for a fast retransmission.
 *
 * *Those that do not, now and then as if they did.* usrsctp (0.9.5) has a shorter way for them,
 * which does not restart the retransmission timer as RFC 9260 section 6.3.2 (R3) wants. So that
 * runs out in the middle of any transfer, and what has been in flight for longer than the smoothed
 * round trip, because a queue grew, is sent again and the window falls to one packet. A gap that
 * ends before it begins is skipped by usrsctp, but the SACK goes the longer way. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct udp_association;

void udp_sack_init(struct udp_association *self);
void udp_sack_fini(struct udp_association *self);

/* A checked packet whose first chunk is a SACK, to usrsctp: now, or soon unless a newer one comes.
 */
void udp_sack_input(struct udp_association *self, const uint8_t *packet, size_t length);
