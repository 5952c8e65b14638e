/* transport/udp_sack.h: how usrsctp gets to see SACKs, so that much can be in flight, and lost.
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
 * ends before it begins is skipped by usrsctp, but the SACK goes the longer way.
 *
 * *After a loss, one step of the cumulative TSN in a round trip.* In a fast recovery each step
 * counts as a sign that all that is missing is lost (RFC 9260 section 7.2.4), for usrsctp also what
 * it has just sent again: after three steps it does so once more. Of 320 packets that a path had
 * swallowed it sent each up to 20 times, 4700 in all, and everybody waited for 1.2 s. So until what
 * was sent again before the last step has arrived, what lies beyond that step is shown as a gap ack
 * block, which acknowledges the same and is no step. Windows grow without it (transport/window.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct udp_association;

void udp_sack_init(struct udp_association *self);
void udp_sack_fini(struct udp_association *self);

/* A packet leaves that has been sent before. */
void udp_sack_repeated(struct udp_association *self, const uint8_t *packet, size_t length);

/* A checked packet whose first chunk is a SACK, to usrsctp: now, or soon unless a newer one comes.
 */
void udp_sack_input(struct udp_association *self, const uint8_t *packet, size_t length);
