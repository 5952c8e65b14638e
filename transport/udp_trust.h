/* transport/udp_trust.h: what a peer may make us keep before it has proved who it is. A handshake
 * takes a few KB, the children that may come with it (docs/PROTOCOL.md, C2) 60 KB. More is dropped
 * before usrsctp sees it, and what was honest is sent again. Counted is all that has come, not what
 * is kept: where a packet is missing usrsctp keeps everything behind it, for each DATA chunk about
 * 600 bytes beside its data. */
#pragma once

#include "transport/udp.h"

/* Of one association, of all together, and what one may take even when all have taken that. A DATA
 * chunk counts as its bytes and 512. */
#define UDP_TRUST_ONE   (192 * 1024)
#define UDP_TRUST_ALL   (8 * 1024 * 1024)
#define UDP_TRUST_LEAST (24 * 1024)

/* COOKIE ECHO may bring DATA: a ClientHello. Not in larger packets. */
#define UDP_TRUST_COOKIE 2048

/* Whether usrsctp may see a packet of this association; counts it. */
bool udp_trust_allows(struct udp_association *self, const uint8_t *packet, size_t length);

/* association_trust. */
void udp_trust_begin(struct association *association);
/* It ends. */
void udp_trust_end(struct udp_association *self);
