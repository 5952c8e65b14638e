/* sctp/handshake.h: how an association begins, at the side that connects, and what comes of INIT,
 * INIT ACK, COOKIE ECHO and COOKIE ACK later (RFC 9260 sections 5.1, 5.2). Private to sctp/. */
#pragma once

#include "sctp/association_private.h"
#include "sctp/cookie.h"

/* COOKIE_WAIT: draws tag and TSN, builds INIT. */
void sctp_handshake_begin(struct sctp_association *self, uint64_t now_us);
void sctp_handshake_fini(struct sctp_association *self);

/* From a good cookie: an association that is UP and owes COOKIE ACK. Owns: caller. */
struct sctp_association *sctp_handshake_accept(const struct sctp_options *options, uint64_t now_us,
                                               unsigned net, const struct sctp_cookie *cookie);
/* A good cookie for an association that exists and has not been lost (5.2.4 B and D): true: taken.
 */
bool sctp_handshake_cookie(struct sctp_association *self, uint64_t now_us, unsigned net,
                           const struct sctp_cookie *cookie);

void sctp_handshake_init_ack(struct sctp_association *self, uint64_t now_us, unsigned net,
                             const struct sctp_chunk *chunk);
void sctp_handshake_cookie_ack(struct sctp_association *self, uint64_t now_us);
/* ERROR "stale cookie" (5.2.6). */
void sctp_handshake_stale(struct sctp_association *self, uint64_t now_us);

/* The INIT chunk, the same bytes each time, in COOKIE_WAIT: for sctp_handshake_put and for
 * sctp_association_init_packet, which adds the header and the checksum. */
void sctp_handshake_put_init(const struct sctp_association *self, struct wire_writer *writer);

/* INIT or COOKIE ECHO is due. Writes it; the rest of the packet may be used for DATA behind COOKIE
 * ECHO, for nothing behind INIT. */
bool sctp_handshake_wants(const struct sctp_association *self);
bool sctp_handshake_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer);
uint64_t sctp_handshake_deadline(const struct sctp_association *self);
void sctp_handshake_timeout(struct sctp_association *self, uint64_t now_us);
