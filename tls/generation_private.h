/* tls/generation_private.h: private to tls/: what is inside of a generation and of a ticket. */
#pragma once

#include <stdatomic.h>

#include "tls/credentials_private.h"
#include "tls/generation.h"
#include "tls/ticket_key.h"

/* RFC 8446 knows no session id; GnuTLS servers keep one of their own in the ticket. */
#define TLS_SESSION_ID_MAX 32

struct tls_generation {
    atomic_uint references;
    int version, cipher; /* GnuTLS's numbers */
    int64_t started;     /* wall clock, seconds: when the master began */
    int64_t expires_at;  /* wall clock, seconds, as GnuTLS counts */
    uint32_t lifetime_s; /* of the master's credentials: GnuTLS makes the ticket key from it too, so
                          * children keep it when the configuration has changed meanwhile */
    struct tls_identity *identity; /* the peer's */

    uint8_t *data; /* GnuTLS's session data: the ticket and its secret at a client; at a server what
                    * children are resumed from by session id (TLS 1.2), else NULL */
    size_t data_size;

    struct tls_ticket_key *ticket_key; /* server */
    uint8_t session_id[TLS_SESSION_ID_MAX];
    size_t session_id_size;
};

/* Owns: caller has one reference; fills the rest before anybody else sees it. */
struct tls_generation *tls_generation_new(void);
/* A copy of data. Once. */
void tls_generation_keep(struct tls_generation *generation, const uint8_t *data, size_t size);
/* True if the server's session id is that of the master. */
bool tls_generation_has_id(const struct tls_generation *generation, const uint8_t *id, size_t size);

struct tls_ticket {
    /* Of the credentials that earned it: it is used only with the same rules and certificate. */
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    int64_t expires_at;
    bool is_reusable; /* TLS 1.2; one of TLS 1.3 is used once (RFC 8446 appendix C.4) */
    uint8_t *data;
    size_t data_size;
};

/* A copy of data. Owns: caller. */
struct tls_ticket *tls_ticket_new(const uint8_t fingerprint[TLS_FINGERPRINT_SIZE],
                                  int64_t expires_at, bool is_reusable, const uint8_t *data,
                                  size_t size);
bool tls_ticket_fits(const struct tls_ticket *ticket, const struct tls_credentials *credentials);
