/* transport/udp/trust.h: strangers: associations of which the peer has not proved who it is, where
 * the options say `distrusts`. So many there may be, of all and of each source (an IPv4 address, a
 * /64 of IPv6); so much they may make their engines keep. Who is verified is no stranger any more,
 * and makes room for nobody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"

struct association;
struct sctp_sharing;
struct udp;
struct udp_association;

/* At once. 3000 a second that never say more last 1.3 s each: a handshake over 100 ms takes 0.4. */
#define UDP_TRUST_COUNT 4096
/* Of one source. It makes room for its own only, and not before one may have finished: behind one
 * address may be hundreds of clients. 500 of them were back 9.7 s after a restart with 64 here, 32
 * handshakes (proxy/link/unverified.h) and 100 answers a second; 1.1 s with 512, 128 and 1000. */
#define UDP_TRUST_OF_SOURCE 512
#define UDP_TRUST_YOUNG_US  (1000 * 1000)
/* Where several sockets share the address each has its part of these numbers; of a source no less
 * than so many, because its associations may come to one part by chance. */
#define UDP_TRUST_OF_SOURCE_LEAST 8
/* Sources that share a place share an allowance; who has which place is not to be guessed. */
#define UDP_TRUST_SOURCES 4096

/* What the peer may make one keep: a ClientHello and a certificate's chain in pieces, and the
 * children that may come behind it (docs/PROTOCOL.md, C2: 60 KB). Of all together, as allocated,
 * and what one may send even when all have taken that. */
#define UDP_TRUST_ONE   (128 * 1024)
#define UDP_TRUST_ALL   (8 * 1024 * 1024)
#define UDP_TRUST_LEAST (8 * 1024)
/* That may take so much more: 128 chunks of a few bytes (SCTP_RECEIVING_FRUGAL_AHEAD) with their
 * ring, and the turns of 256 streams. */
#define UDP_TRUST_ADDED (12 * 1024)

struct udp_trust {
    TAILQ_HEAD(udp_trust_list, udp_association) strangers; /* oldest first */
    size_t count, most;
    size_t held, most_held; /* bytes, of all of them */
    unsigned most_of_source;
    uint64_t seed;
    uint16_t of_source[UDP_TRUST_SOURCES];
};

void udp_trust_init(struct udp_trust *trust, const struct sctp_sharing *sharing);

/* Whether one more of this source may begin; drops an older one where that is needed. */
bool udp_trust_makes_room(struct udp *transport, const struct address *from);
/* The same where the transport has as many associations as it may: drops the oldest stranger.
 * False: there is none. */
bool udp_trust_drops_oldest(struct udp *transport);

/* The peer began it; its path is there. */
void udp_trust_enter(struct udp_association *self);
/* It ends, or is no stranger any more. A no-op when it is not. */
void udp_trust_leave(struct udp_association *self);

/* Whether the engine may see a packet of this association. */
bool udp_trust_allows(struct udp_association *self, const uint8_t *packet, size_t length);
/* After a packet: how much it keeps now. */
void udp_trust_weigh(struct udp_association *self);

/* association_trust. */
void udp_trust_begin(struct association *association);
