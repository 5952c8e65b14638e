/* tls/failure.h: private to tls/: how a session ends: what is remembered, what the peer is told,
 * and what GnuTLS's codes and the peer's alerts mean to us. */
#pragma once

#include "tls/session_private.h"

/* Remembers the first failure; alert is GnuTLS's number for tls_failure_tell. Returns err. */
enum err tls_failure_set(struct tls_session *session, enum err err, int alert, const char *format,
                         ...) __attribute__((format(printf, 4, 5)));

/* The same for GnuTLS's code rc, unless a check of ours has set the reason already. Sends the
 * alert. fallback: what it is when nothing better is known. */
enum err tls_failure_from_gnutls(struct tls_session *session, int rc, enum err fallback);

/* The peer's alert. */
enum err tls_failure_from_alert(struct tls_session *session, int alert, enum err fallback);

/* Sends the alert that was set. Returns the failure. */
enum err tls_failure_tell(struct tls_session *session);
