/* transport/udp_auth.h: authenticated chunks of the udp transport (transport/auth.h). */
#pragma once

#include "transport/udp.h"

/* Before a socket connects or listens. Returns 0, or -1 with errno. */
int udp_auth_prepare(struct socket *socket);

/* Of an association that came up: whether the peer authenticates what we do. */
bool udp_auth_agreed(struct socket *socket);

/* association_auth_add and the others. */
enum err udp_auth_change(struct association *association, enum association_auth what,
                         uint16_t number, const uint8_t *key);

/* A notification of usrsctp's: nothing that may be sent again has this key. */
void udp_auth_freed(struct udp_association *self, uint16_t number);

/* A packet that anybody can make (INIT, an ABORT with the tag reflected) says that the peer does
 * not know this association any more. The peer is asked at once; no answer to the probes ends it.
 */
void udp_auth_doubt(struct udp_association *self);
/* After time-outs of probes: ends it if so. */
void udp_auth_look(struct udp_association *self);

/* A HEARTBEAT of usrsctp's leaves. */
void udp_auth_asked(struct udp_association *self, const uint8_t *packet, size_t length);
/* Whether a packet is the answer to it, once. */
bool udp_auth_answered(struct udp_association *self, const uint8_t *packet, size_t length);

/* How many packets usrsctp has refused for want of a good MAC, of all associations. */
uint32_t udp_auth_refused(void);
