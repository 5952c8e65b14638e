/* tls/credentials_private.h: private to tls/: what is inside of credentials. Everything but the
 * ticket keys is immutable after tls_credentials_new. */
#pragma once

#include <stdatomic.h>

#include "tls/credentials.h"
#include "tls/files.h"
#include "tls/fingerprint.h"
#include "tls/policy.h"
#include "tls/store.h"
#include "tls/ticket_key.h"

struct gnutls_session_int;
struct tls_known_keys;
struct tls_signer;
struct tls_psk;
struct tls_trust;

/* The ways to know a peer. */
enum tls_mode { TLS_MODE_CERTIFICATES, TLS_MODE_RAW_KEYS, TLS_MODE_PSK };

struct tls_credentials {
    atomic_uint references;
    enum tls_role role;
    enum tls_resume resume;
    enum tls_mode mode;
    enum tls_ocsp ocsp;
    enum tls_children children;
    enum tls_records records;
    enum tls_resume_by resume_by;
    uint64_t rekey_bytes;
    uint32_t ticket_lifetime_s;
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
