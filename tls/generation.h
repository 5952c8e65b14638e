/* tls/generation.h: the state from which children are resumed, left by one verified master
 * handshake. Immutable and reference-counted, so that workers share it without a lock.
 *
 * Client: the session data with the master's ticket. Server: the ticket key of the process as it
 * was, and the master's session id, which a true child carries too (gnutls_session_get_id2).
 * Both: version, cipher, the peer's identity, and the time when tickets stop being valid. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls/credentials.h"

struct tls_generation;

struct tls_generation *tls_generation_ref(struct tls_generation *generation);
/* NULL is fine. Thread: any. Secrets are wiped. */
void tls_generation_unref(struct tls_generation *generation);
/* Seconds until no child can be resumed from it any more (tickets carry the time of the master's
 * first full handshake, however new they are); negative when over, or when the clock was set back
 * behind the master's start: GnuTLS then resumes nothing either. Thread: any. */
int64_t tls_generation_expires_in(const struct tls_generation *generation);
/* Bytes of what a client's children are resumed from: their ClientHellos have less than 1 KB beside
 * it. Thread: any. */
size_t tls_generation_size(const struct tls_generation *generation);

/* A ticket kept for the next association with the same peer; used once. */
struct tls_ticket;
void tls_ticket_free(struct tls_ticket *ticket); /* NULL is fine; wiped */
