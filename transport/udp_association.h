/* transport/udp_association.h: life of an association of the udp transport. */
#pragma once

#include "transport/udp.h"

/* association_close, association_status. */
void udp_association_close(struct association *association, enum association_close how,
                           const char *detail);
void udp_association_status(struct association *association, struct association_status *status);

/* A new one without paths and socket; ours: we begin it. */
struct udp_association *udp_association_new(struct udp *transport, bool ours);
/* After its paths were added: takes a slot and opens the socket. False with errno, and it is gone.
 */
bool udp_association_attach(struct udp_association *self, uint16_t peer_port, uint16_t own_port);
/* It must be up within this time. */
void udp_association_limit(struct udp_association *self, uint64_t after_us);

/* For the INIT of an unknown peer: the path of a listening one, with a key of its own beside that
 * of whoever else is at that address, or NULL when it is not to be answered. */
struct udp_path *udp_association_half_open(struct udp_local *local, const struct address *wire,
                                           const struct address *own, const struct path_key *key);
/* After its COOKIE ECHO: takes over the association if usrsctp has made one. */
void udp_association_accept(struct udp_association *self);

/* Up, or on its way down by the user's wish. */
bool udp_association_is_up(const struct udp_association *self);

/* usrsctp says: up. Tells the acceptor and the user. */
void udp_association_up(struct udp_association *self, uint16_t streams);

/* usrsctp says: the peer lost its state and began anew with the same addresses. What was is
 * ended with ERR_TRANSPORT_RESTARTED; a new association takes over the socket. */
void udp_association_restarted(struct udp_association *self, uint16_t streams);

/* Ends it from any state: closes and gives back everything but itself; on_down follows in a
 * task. A no-op when it has ended. */
void udp_association_end(struct udp_association *self, enum err reason, const char *detail);

/* on_down now, then frees it. It must have ended. */
void udp_association_free(struct udp_association *self);
