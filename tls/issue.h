/* tls/issue.h: makes a certificate authority and the certificates of endpoints, for
 * `hawser init`: ECDSA on P-256, X.509 version 3 (RFC 5280). */
#pragma once

#include <stddef.h>
#include <time.h>

#include "base/error.h"
#include "tls/identity.h"
#include "tls/tls.h"

struct tls_issue;

/* A certificate to be signed by a CA. */
struct tls_issue_request {
    const char *name;         /* common name, and a DNS name that it carries */
    const char *const *hosts; /* further DNS names, IP addresses and URIs that it carries */
    size_t host_count;
    enum tls_role role; /* the extended key usage */
    unsigned days;      /* of validity */
};

/* A new key with a self-signed CA certificate that may sign endpoints only. Returns ERR_OK, or
 * ERR_TLS_CREDENTIALS with GnuTLS's reason in why. Owns: caller, tls_issue_free. */
enum err tls_issue_ca(const char *name, unsigned days, struct tls_issue **ca, char *why,
                      size_t why_size);

/* A new key with a certificate signed by ca. Returns and owns as tls_issue_ca. */
enum err tls_issue_endpoint(const struct tls_issue *ca, const struct tls_issue_request *request,
                            struct tls_issue **endpoint, char *why, size_t why_size);

/* Wipes the key. NULL is fine. */
void tls_issue_free(struct tls_issue *issue);

/* PEM texts, valid until tls_issue_free; the key is PKCS #8 without password. */
const char *tls_issue_cert_pem(const struct tls_issue *issue);
const char *tls_issue_key_pem(const struct tls_issue *issue);
/* Last moment at which the certificate is valid. */
time_t tls_issue_expires(const struct tls_issue *issue);

/* A raw key pair (RFC 7250) for `known` files: Ed25519, because its public key is short. */
struct tls_issue_pair {
    char *key_pem;    /* PKCS #8 without password; a secret */
    char *public_key; /* one line of base64, without a line end: what goes into the other's file */
    char pin[TLS_PIN_TEXT_SIZE]; /* the same key as its pin */
};

/* Returns as tls_issue_ca. Owns: tls_issue_pair_clear. */
enum err tls_issue_pair(struct tls_issue_pair *pair, char *why, size_t why_size);
void tls_issue_pair_clear(struct tls_issue_pair *pair); /* wiped */
