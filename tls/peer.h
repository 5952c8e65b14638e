/* tls/peer.h: private to tls/: what a peer has shown, and the names that this gives it. */
#pragma once

#include "tls/credentials_private.h"

struct gnutls_session_int;

/* What the peer of a session has shown in this handshake, or (from the ticket) in that of its
 * master, without names yet. NULL: nothing of the kind that the credentials ask for.
 * Owns: caller. */
struct tls_identity *tls_peer_shown(const struct tls_credentials *credentials,
                                    struct gnutls_session_int *session);
/* The same that another peer has shown, to be looked at anew with other credentials. NULL: it is
 * not of the kind that they ask for. Owns: caller. */
struct tls_identity *tls_peer_shown_again(const struct tls_credentials *credentials,
                                          const struct tls_identity *identity);

/* Adds names and pin. ERR_OK, or ERR_TLS_PEER_UNVERIFIED with a sentence: what it has shown cannot
 * be read, or is not in our file. */
enum err tls_peer_name(const struct tls_credentials *credentials, struct tls_identity *identity,
                       char *why, size_t why_size);
