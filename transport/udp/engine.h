/* transport/udp/engine.h: an association's engine at work: its options, packets out of it,
 * messages into it. */
#pragma once

#include "transport/udp/udp.h"

/* Options of the engines of a transport; mtu: bytes of the largest packet at first, 0: as every
 * path takes. */
struct sctp_options udp_engine_options(const struct udp *transport, uint32_t mtu);
/* Bytes that a peer may make an association keep. */
uint32_t udp_engine_buffer(const struct transport_options *options);

/* Forgets all when the association ends. */
void udp_engine_fini(struct udp_association *self);

/* Takes the packets that are to be sent now, sets the timer. udp_flush sends them. */
void udp_engine_output(struct udp_association *self);

/* association_send. */
enum err udp_engine_send(struct association *association, struct message *message);
