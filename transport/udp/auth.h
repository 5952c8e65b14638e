/* transport/udp/auth.h: authenticated chunks of the udp transport (sctp/auth_chunks.h). */
#pragma once

#include "transport/udp/udp.h"

/* association_auth_add and the others. */
enum err udp_auth_change(struct association *association, enum association_auth what,
                         uint16_t number, const uint8_t *key);

/* A packet that anybody can make (INIT, an ABORT with the tag reflected) says that the peer does
 * not know this association any more. The peer is asked at once; no answer to the probes ends it.
 */
void udp_auth_doubt(struct udp_association *self);
/* After time-outs of probes: ends it if so. */
void udp_auth_look(struct udp_association *self);
