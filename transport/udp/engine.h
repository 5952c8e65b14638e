/* transport/udp/engine.h: an association's engine at work: its options, packets out of it, its
 * events, its timer, messages into it. */
#pragma once

#include "transport/udp/udp.h"

/* What the engines of a transport have; mtu: bytes of the largest packet at first, 0: what every
 * path takes. */
struct sctp_options udp_engine_options(const struct udp *transport, uint32_t mtu);
/* Bytes that a peer may make an association keep. */
uint32_t udp_engine_buffer(const struct transport_options *options);

/* Prepares a new association, and forgets all when it ends. */
void udp_engine_init(struct udp_association *self);
void udp_engine_fini(struct udp_association *self);

/* Pulls what the engine has to tell. The association may have ended then. */
void udp_engine_events(struct udp_association *self);
/* Takes the packets that are to be sent now, sets the timer. udp_flush sends them. */
void udp_engine_output(struct udp_association *self);
/* Both, and what packets that have left make room for. The association may have ended then. */
void udp_engine_run(struct udp_association *self);

/* association_send. */
enum err udp_engine_send(struct association *association, struct message *message);
/* Packets will be taken at the end of this turn. */
void udp_engine_later(struct udp_association *self);
