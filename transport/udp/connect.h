/* transport/udp/connect.h: how an association of ours begins: INIT goes round the peer's addresses
 * until one answers. Every pair of a socket of ours and an address of the peer's of the same family
 * is a path, at most TRANSPORT_ADDRESSES_MAX of them; first those that share no end with another,
 * because one failure seldom takes two of them. */
#pragma once

#include "transport/udp/path_io.h"

/* association_connect. */
enum err udp_connect_begin(struct transport *transport, const struct address *remotes,
                           size_t remote_count, struct association_events *events,
                           struct association **association);

/* The time for the next address has come. */
void udp_connect_next(struct udp_association *self);

/* The engine says that INIT ACK has come: the user is told. */
void udp_connect_answered(struct udp_association *self);
/* INIT is needed no more. */
void udp_connect_fini(struct udp_association *self);

/* Why nobody has answered: what the system said when the last INITs were to be sent, or the
 * question that finds it most often. */
void udp_connect_why(const struct udp_association *self, char *why, size_t size);

/* Nobody listens at this address. True: nor at any other. */
bool udp_connect_refused(struct udp_path *path);

/* A packet before the association is up: whether the engine is to see it. Only the first address
 * that answers is heard from then on. */
enum udp_take udp_connect_take(struct udp_path *path, uint8_t *packet, size_t length);
