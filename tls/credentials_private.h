/* tls/credentials_private.h: private to tls/: what is inside of credentials. Everything but the
 * ticket keys is immutable after tls_credentials_new. */
#pragma once

#include <stdatomic.h>

#include "tls/credentials.h"
#include "tls/files.h"
#include "tls/policy.h"
#include "tls/store.h"
#include "tls/ticket_key.h"

struct gnutls_session_int;
struct tls_known_keys;
struct tls_signer;
struct tls_psk;
struct tls_trust;

/* A hash over all that decides who is accepted and how, so that a session is never resumed under
 * other rules than it was made under. A client's own certificate and the name that it expects
 * belong to it; of a server only what applies to its clients, which is the same on each of several
 * servers. A new option that decides such a thing goes into make_fingerprint in credentials.c too.
 */
#define TLS_FINGERPRINT_SIZE 32

/* The ways to know a peer. */
enum tls_mode { TLS_MODE_CERTIFICATES, TLS_MODE_RAW_KEYS, TLS_MODE_PSK };

struct tls_credentials {
    atomic_uint references;
    struct tls_rules rules;
    enum tls_mode mode;
    struct gnutls_certificate_credentials_st *x509; /* shared by all sessions, only read */
    struct tls_policy policy;                       /* the same */
    struct tls_trust *trust;                        /* TLS_MODE_CERTIFICATES; NULL: pins alone */
    uint8_t (*pins)[TLS_PIN_SIZE];                  /* the same */
    size_t pin_count;
    struct tls_known_keys *known; /* TLS_MODE_RAW_KEYS */
    struct tls_psk *psk;          /* TLS_MODE_PSK */
    struct tls_files files;       /* all this was read from them */
    char *peer;                   /* client */
    char **allow;                 /* server */
    size_t allow_count;
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    struct tls_ticket_keys ticket_keys; /* server; has its own lock */
    char *ticket_key_file;              /* server; NULL: none */
    struct tls_store *store;            /* server; NULL: none */
    struct tls_signer *signer;          /* NULL: the key is in a file */
};

/* Makes a new session use certificate, raw key or PSK. False: GnuTLS has no memory. */
bool tls_credentials_install(const struct tls_credentials *credentials,
                             struct gnutls_session_int *session);
