/* transport/udp/association.h: life of an association of the udp transport: its states, what its
 * engine tells, its timers. */
#pragma once

#include "transport/udp/udp.h"

/* association_close, association_auth_add and the others. */
void udp_association_close(struct association *association, enum association_close how,
                           const char *detail);
enum err udp_association_auth(struct association *association, enum association_auth what,
                              uint16_t number, const uint8_t *key);

/* A new one without paths and engine; ours: we begin it. */
struct udp_association *udp_association_new(struct udp *transport, bool ours);

/* A peer's, of which the engine is made: it begins at that address. Owns: engine. */
void udp_association_accept(struct udp_local *local, const struct address *wire,
                            const struct address *own, const struct path_key *key,
                            struct sctp_association *engine);

/* Pulls what the engine has to tell. The association may have ended then. */
void udp_association_events(struct udp_association *self);
/* Ends the batch of packets of the touched associations, hands on what they have received, sends
 * what that gave rise to. */
void udp_association_deliver(struct udp *transport);

/* Ends it from any state: gives back everything but itself; on_down follows in a task. A no-op when
 * it has ended. */
void udp_association_end(struct udp_association *self, enum err reason, const char *detail);
