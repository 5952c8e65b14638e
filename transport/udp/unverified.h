/* transport/udp/unverified.h: associations whose peer has not proved who it is, where the options
 * say `distrusts`. There may be so many of them, in all and of each source, and so much they may
 * make their engines keep (base/newcomers.h). One that is verified makes room for nobody. */
#pragma once

#include "base/newcomers.h"
#include "transport/transport.h"

struct packet_view;
struct udp;
struct udp_association;

/* At once. 3000 a second that never say more last 1.3 s each: a handshake over 100 ms takes 0.4. */
#define UDP_UNVERIFIED_COUNT 4096
/* Of one source. It makes room for its own only, and not before one may have finished: behind one
 * address may be hundreds of clients. 500 of them were back 9.7 s after a restart with 64 here, 32
 * handshakes (proxy/link/unverified.h) and 100 answers a second; 1.1 s with 512, 128 and 1000. */
#define UDP_UNVERIFIED_OF_SOURCE 512
#define UDP_UNVERIFIED_YOUNG_US  (1000 * 1000)
/* Several sockets that share an address each have a part of these numbers; of a source no less than
 * this, because its associations may come to one part by chance. */
#define UDP_UNVERIFIED_OF_SOURCE_LEAST 8

/* Bytes that a peer may make one keep: a ClientHello and a certificate's chain in fragments, and
 * the children that may come behind it (docs/PROTOCOL.md, C2: 60 KB). Of all together, as
 * allocated, and what one may send even when all have taken that. */
#define UDP_UNVERIFIED_ONE   (128 * 1024)
#define UDP_UNVERIFIED_ALL   (8 * 1024 * 1024)
#define UDP_UNVERIFIED_LEAST (8 * 1024)
/* That may take so much more: 128 chunks of a few bytes (SCTP_RECEIVING_FRUGAL_AHEAD) with their
 * ring, and the turns of 256 streams. */
#define UDP_UNVERIFIED_ADDED (12 * 1024)

void udp_unverified_init(struct newcomers *self, const struct sctp_sharing *sharing);

/* True: one more from there may begin, once *evicted has been ended (NULL: nobody need be).
 * is_full: the transport has as many associations as it may. */
bool udp_unverified_has_room(struct udp *transport, const struct address *from, bool is_full,
                             struct udp_association **evicted);

/* The peer began it; its path is there. */
void udp_unverified_enter(struct udp_association *self);

/* True: the engine may see a packet of this association. */
bool udp_unverified_may_pass(struct udp_association *self, const struct packet_view *packet);
/* After a packet: how much it keeps now. */
void udp_unverified_account(struct udp_association *self);

/* association_trust. */
void udp_unverified_trust(struct association *association);
