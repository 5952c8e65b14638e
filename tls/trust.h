/* tls/trust.h: private to tls/: the certificate authorities that we trust, what they have revoked
 * (RFC 5280), and whether a chain holds.
 *
 * Revocation lists fail closed. One that has expired, is not valid yet, or that no CA of ours has
 * signed, is refused when it is loaded. When it expires while we run, nobody whose certificate the
 * same CA issued is accepted until a new one is loaded: whoever keeps the new list from us would
 * otherwise keep a revoked certificate alive. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/files.h"

struct tls_trust;
struct gnutls_x509_crt_int;
struct gnutls_x509_trust_list_st;

/* More certificates in a chain are refused before anything is looked at. */
#define TLS_CHAIN_MAX 16

/* ca and crl as in struct tls_options. Adds what it has read to files. Owns: tls_trust_free, when
 * ERR_OK. Else ERR_TLS_CREDENTIALS and a sentence that names the file. */
enum err tls_trust_load(const char *ca, const char *crl, struct tls_trust **out,
                        struct tls_files *files, struct tls_reason why);
void tls_trust_free(struct tls_trust *trust); /* NULL is fine */

/* True if the chain (at most TLS_CHAIN_MAX, the peer's own first) leads to a CA, is valid now, not
 * revoked, and meant for purpose (an OID). Otherwise false, *alert is what to tell the peer
 * (GnuTLS's number), *text why, as the end of "the peer's certificate: ". Thread: any. */
bool tls_trust_accepts(const struct tls_trust *trust, struct gnutls_x509_crt_int **chain,
                       unsigned count, const char *purpose, int *alert, const char **text);

/* As tls_credentials_lists_until; trust may be NULL. */
int64_t tls_trust_lists_until(const struct tls_trust *trust, char *ca, size_t ca_size);

/* For signatures of OCSP responses. */
struct gnutls_x509_trust_list_st *tls_trust_list(const struct tls_trust *trust);
