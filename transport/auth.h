/* transport/auth.h: authenticated chunks (RFC 4895), what the transports that have them share.
 *
 * TLS protects what is said on the streams, not SCTP: who sees the packets can forge an ABORT or a
 * SACK. With this each packet carries a MAC over the chunks that are listed here. Both ends must
 * want it: one that does ends an association in which the peer does not, with AUTH_MISSING as the
 * text. Both lists must be equal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/log_limit.h"

/* What the peer is told by the ABORT, and the user by on_down. */
#define AUTH_MISSING "this end requires sctp_auth, the other end does not have it"

/* Types of the chunks that must be authenticated.
 *
 * INIT, INIT ACK and SHUTDOWN COMPLETE cannot be (section 3.2). COOKIE ECHO and COOKIE ACK are not:
 * they come before there is a secret, and an association in which only one end wants authentication
 * must come up for both to be told so. HEARTBEAT and its answer are not: ours (transport/probe.h)
 * prove themselves by what they carry. */
extern const uint8_t auth_chunks[];
extern const size_t auth_chunk_count;

/* To the log, as the limit allows: of a peer whose association no user has seen. */
void auth_log_refusal(const struct address *peer, struct log_limit *limit, uint64_t now_us);

/* Whether a peer's list has all of them. */
bool auth_chunks_listed(const uint8_t *list, size_t count);
