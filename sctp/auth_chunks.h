/* sctp/auth_chunks.h: the chunks that are authenticated (RFC 4895), by the engine and by the
 * kernel's SCTP.
 *
 * TLS protects the streams, not SCTP: an observer of the packets can forge an ABORT or a SACK. With
 * this each packet carries a MAC over these chunks. Both ends must want it, with equal lists: one
 * that does ends an association in which the peer does not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text of the ABORT and of the end where only one end wants it. */
#define SCTP_AUTH_MISSING "this end requires sctp_auth, the other end does not have it"

/* Types of the chunks that must be authenticated, whatever transport it is.
 *
 * INIT, INIT ACK and SHUTDOWN COMPLETE cannot be (RFC 4895 section 3.2). COOKIE ECHO and COOKIE ACK
 * are not: they come before there is a secret, and an association in which only one end wants
 * authentication must come up for both to be told so. HEARTBEAT and its answer are not: probes
 * prove themselves by what they carry. */
#define SCTP_AUTH_CHUNKS 8
extern const uint8_t sctp_auth_chunks[SCTP_AUTH_CHUNKS];

/* A peer's list has all of them. */
bool sctp_auth_chunks_listed(const uint8_t *list, size_t count);
