/* tls/credentials.h: certificate, key, CA, policy and ticket key of one tunnel: immutable,
 * reference-counted. A reload makes a new one; sessions keep the one they were born with. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tls/tls.h"

struct tls_credentials;

/* Longest name of a peer that is kept for the log and status. */
#define TLS_NAME_MAX 256

struct tls_options {
    enum tls_role role;
    const char *ca;           /* PEM file with one or more CA certificates */
    const char *cert;         /* PEM file: certificate, then its chain */
    const char *key;          /* PEM file */
    const char *priority;     /* GnuTLS priority string; NULL: TLS_PRIORITY_DEFAULT */
    const char *peer;         /* client: DNS name or IP that the server's certificate must carry */
    const char *const *allow; /* server: DNS names (or CN), one of which the client must carry */
    size_t allow_count;       /* server: 0 allows every certificate that the CA signed */
    uint32_t ticket_lifetime_s; /* how long children can be resumed from one master; the same value
                                 * for master and children (research: else nothing resumes) */
    enum tls_resume resume;
    enum tls_version min_version, max_version; /* both ends: what they share is used */
    enum tls_children children;                /* TLS 1.3; the same at both ends */
    enum tls_resume_by resume_by;              /* server, TLS 1.2 */
    uint64_t rekey_bytes; /* TLS 1.3: KeyUpdate after as many bytes written; 0: when the cipher
                           * needs it (2^24 records of AES-GCM) */
};

/* TLS 1.3 only, X25519, AES-128-GCM first; the measured cheapest with forward secrecy. Other
 * versions have defaults of the same kind. A priority string that allows a version outside of
 * min_version..max_version, PSK without a key exchange, or a suite of TLS 1.2 other than ECDHE with
 * an AEAD cipher is refused. */
extern const char TLS_PRIORITY_DEFAULT[];

/* Loads and checks everything: files readable, key fits certificate, certificate not expired,
 * priority string valid, ticket lifetime within 1 s and 7 days, peer set at a client. Returns
 * ERR_OK or ERR_TLS_CREDENTIALS with a sentence in why that names the file. Thread: any (reads
 * files: not on a worker). Owns: caller has one reference. */
enum err tls_credentials_new(const struct tls_options *options, struct tls_credentials **out,
                             char *why, size_t why_size);
struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials);
/* Frees with the last reference, secrets wiped. NULL is fine. Thread: any. */
void tls_credentials_unref(struct tls_credentials *credentials);
/* Seconds until the own certificate expires, negative if it has. Thread: any. */
int64_t tls_credentials_expires_in(const struct tls_credentials *credentials);

/* Whether key belongs to the certificate in cert; a sentence in why otherwise. For
 * `hawser check`. Returns ERR_OK or ERR_TLS_CREDENTIALS. */
enum err tls_credentials_check_pair(const char *cert, const char *key, char *why, size_t why_size);
