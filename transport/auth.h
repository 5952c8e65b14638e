/* transport/auth.h: authenticated chunks (RFC 4895), what the transports that have them share.
 *
 * TLS protects what is said on the streams, not SCTP: who sees the packets can forge an ABORT or a
 * SACK. With this each packet carries a MAC over the chunks of sctp_auth_chunks
 * (sctp/auth_chunks.h). Both ends must want it: one that does ends an association in which the peer
 * does not, with SCTP_AUTH_MISSING as the text. Both lists must be equal. */
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/log_limit.h"

/* To the log, as the limit allows: of a peer whose association no user has seen. */
void auth_log_refusal(const struct address *peer, struct log_limit *limit, uint64_t now_us);
