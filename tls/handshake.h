/* tls/handshake.h: private to tls/: the handshake of masters and children, and the checks without
 * which none is accepted (RFC 8446 section 2.2, RFC 3436 section 5). */
#pragma once

#include "tls/session_private.h"

/* Hooks of a new session, after its role is set. */
void tls_handshake_prepare(struct tls_session *session);
/* Lets GnuTLS go on as far as the input that is there leads; returns its code. Thread: the
 * session's, or the signer's while the session is away (tls/signer.h). */
int tls_handshake_step(struct tls_session *session);
/* When GnuTLS is through: every check, then the session is established. ERR_OK, or the failure,
 * which the peer has been told. */
enum err tls_handshake_finish(struct tls_session *session);
