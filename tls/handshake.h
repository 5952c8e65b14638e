/* tls/handshake.h: private to tls/: the handshake of masters and children, and the checks without
 * which none is accepted (RFC 8446 section 2.2, RFC 3436 section 5). */
#pragma once

#include "tls/session_private.h"

/* Hooks of a new session, after its role is set. */
void tls_handshake_prepare(struct tls_session *session);

/* GnuTLS's part of it, as far as it comes with the input that is there; what GnuTLS says. Thread:
 * whoever has the session: its own, or the signer's (tls/signer_private.h). */
int tls_handshake_step(struct tls_session *session);
/* As tls_session_handshake. */
enum err tls_handshake_run(struct tls_session *session);
