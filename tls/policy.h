/* tls/policy.h: private to tls/: which versions, key exchanges and ciphers masters and children may
 * use: GnuTLS priorities made from the options. */
#pragma once

#include "tls/credentials.h"

struct gnutls_priority_st;

/* Immutable after tls_policy_load, shared by all sessions. */
struct tls_policy {
    struct gnutls_priority_st *master;
    struct gnutls_priority_st *child_12; /* NULL: TLS 1.2 is not allowed */
    struct gnutls_priority_st *child_13; /* NULL: TLS 1.3 is not allowed */
};

/* ERR_OK, or ERR_TLS_CREDENTIALS with a sentence: no such priority string, a version outside of the
 * allowed ones, or TLS 1.2 with anything but ephemeral key exchange and authenticated encryption.
 * Owns: tls_policy_clear, in both cases. */
enum err tls_policy_load(struct tls_policy *policy, const struct tls_options *options, char *why,
                         size_t why_size);
void tls_policy_clear(struct tls_policy *policy);

/* For the children of a master of that version (GnuTLS's number). NULL: not allowed (any more). */
struct gnutls_priority_st *tls_policy_child(const struct tls_policy *policy, int version);
