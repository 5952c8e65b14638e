/* transport/udp/association.h: life of an association of the udp transport. */
#pragma once

#include "transport/udp/udp.h"

/* association_close, association_status. */
void udp_association_close(struct association *association, enum association_close how,
                           const char *detail);
void udp_association_status(struct association *association, struct association_status *status);

/* A new one without paths and engine; ours: we begin it. */
struct udp_association *udp_association_new(struct udp *transport, bool ours);
/* It must be up within this time. */
void udp_association_limit(struct udp_association *self, uint64_t after_us);

/* A peer's, of which the engine is made: it begins at that address. Owns: engine. */
void udp_association_accept(struct udp_local *local, const struct address *wire,
                            const struct address *own, const struct path_key *key,
                            struct sctp_association *engine);

/* Up, or on its way down by the user's wish. */
bool udp_association_is_up(const struct udp_association *self);

/* The engine says: up. Tells the acceptor and the user; of a stranger not before its first message,
 * so that those who say nothing cost them nothing. */
void udp_association_up(struct udp_association *self, uint16_t streams);
/* Tells them. */
void udp_association_tell(struct udp_association *self);
/* The engine says: over. Ends it. */
void udp_association_down(struct udp_association *self, const struct sctp_event *event);

/* Ends it from any state: gives back everything but itself; on_down follows in a task. A no-op when
 * it has ended. */
void udp_association_end(struct udp_association *self, enum err reason, const char *detail);

/* on_down now, then frees it. It must have ended. */
void udp_association_free(struct udp_association *self);
