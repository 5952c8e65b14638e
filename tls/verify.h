/* tls/verify.h: private to tls/: whether a peer is accepted: its certificate signed by our CA for
 * its role, not expired, not revoked, its key among our pins; or its raw key or PSK among ours; and
 * then one whom the configuration lets in (RFC 5280, RFC 6125, RFC 6960, RFC 7250). */
#pragma once

#include "base/error.h"
#include "tls/credentials_private.h"

struct gnutls_session_int;

struct tls_verdict {
    enum err err; /* ERR_OK, ERR_TLS_PEER_UNVERIFIED, ERR_TLS_PEER_NAME or ERR_TLS_NO_CERTIFICATE */
    int alert;    /* for the peer (GnuTLS's number), when not ERR_OK */
    struct tls_identity *identity; /* the peer's, if ERR_OK; else NULL. Owns: caller */
    char detail[TLS_NAME_MAX * 4];
};

/* Works for full and resumed sessions (GnuTLS keeps chain, key or PSK's name in the ticket). */
void tls_verify_peer(const struct tls_credentials *credentials, struct gnutls_session_int *session,
                     struct tls_verdict *verdict);

/* The same for a peer that was accepted before, with other credentials. */
void tls_verify_again(const struct tls_credentials *credentials,
                      const struct tls_identity *identity, struct tls_verdict *verdict);

/* Adds names and pin to what a peer has shown; refuses what cannot be read, or is not in our file.
 * Public for a fuzzer. */
void tls_verify_name(const struct tls_credentials *credentials, struct tls_identity *identity,
                     struct tls_verdict *verdict);
