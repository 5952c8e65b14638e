/* tls/signer_private.h: private to tls/: a session's handshake on the signer's thread. While it is
 * away there, its own thread touches nothing of it but what is said here.
 *
 * Thread of all of these: the session's. */
#pragma once

#include <stdbool.h>

#include "tls/signer.h"

struct message;
struct tls_session;

/* Whether it is away: until tls_signer_take has brought it back. */
bool tls_signer_has(const struct tls_session *session);
/* Sends it there for tls_handshake_step, if it is a master whose step may need the token, and whose
 * owner can be called back (on_ready). False: the caller does the step. */
bool tls_signer_begin(struct tls_session *session);
/* True: it is back; *rc is what GnuTLS said, what it put out has been put out, what was fed
 * meanwhile can be read. False: still away; on_ready comes. */
bool tls_signer_take(struct tls_session *session, int *rc);
/* Fed (at most TLS_WAITING_MAX, more are dropped) or, on the signer's thread, put out while it is
 * away. Owns: the message. */
void tls_signer_feed(struct tls_session *session, struct message *message);
void tls_signer_put_out(struct tls_session *session, struct message *message);
/* For tls_session_free. True: it is in use there right now, and is freed there afterwards. False:
 * it is not away (any more). on_ready does not come any more in either case. */
bool tls_signer_abandon(struct tls_session *session);
