/* tls/credentials_private.h: private to tls/: what is inside of credentials. Everything but the
 * ticket keys is immutable after tls_credentials_new. */
#pragma once

#include <stdatomic.h>

#include "tls/credentials.h"
#include "tls/fingerprint.h"
#include "tls/policy.h"
#include "tls/store.h"
#include "tls/ticket_key.h"

struct tls_credentials {
    atomic_uint references;
    enum tls_role role;
    enum tls_resume resume;
    enum tls_children children;
    enum tls_resume_by resume_by;
    uint64_t rekey_bytes;
    uint32_t ticket_lifetime_s;
    int64_t expires_at;                             /* own certificate, wall clock, seconds */
    struct gnutls_certificate_credentials_st *x509; /* shared by all sessions, only read */
    struct tls_policy policy;                       /* the same */
    char *peer;                                     /* client */
    char **allow;                                   /* server */
    size_t allow_count;
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
    struct tls_ticket_keys ticket_keys; /* server; has its own lock */
    char *ticket_key_file;              /* server; NULL: none */
    struct tls_store *store;            /* server; NULL: none */
};
