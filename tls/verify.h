/* tls/verify.h: private to tls/: whether the peer's certificate is accepted: signed by our CA for
 * its role, not expired, and carrying a name that the configuration allows (RFC 5280, RFC 6125).
 * Revocation lists and OCSP are not consulted. */
#pragma once

#include "base/error.h"
#include "tls/credentials_private.h"

struct gnutls_session_int;

struct tls_verdict {
    enum err err; /* ERR_OK, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_PEER_NAME or ERR_TLS_NO_CERTIFICATE */
    int alert;    /* what the peer is told (GnuTLS's number), when not ERR_OK */
    char name[TLS_NAME_MAX]; /* first DNS name of the certificate, else its CN; may be "" */
    char detail[TLS_NAME_MAX * 3];
};

/* Works for full and resumed sessions (GnuTLS keeps the chain in the ticket). */
void tls_verify_peer(const struct tls_credentials *credentials, struct gnutls_session_int *session,
                     struct tls_verdict *verdict);
