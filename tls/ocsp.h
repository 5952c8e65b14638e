/* tls/ocsp.h: private to tls/: OCSP responses that come with a certificate (RFC 6960, RFC 6066
 * section 8; in TLS 1.3 from both sides). A response that is there must be good in every way; one
 * that is not there matters only where it is required. We never ask a responder ourselves. */
#pragma once

#include <stdbool.h>

#include "tls/files.h"
#include "tls/tls.h"
#include "tls/trust.h"

struct gnutls_certificate_credentials_st;
struct gnutls_session_int;

/* The response in path for our own certificate, which x509 has already. ERR_OK, or
 * ERR_TLS_CREDENTIALS: unreadable, not for this certificate, expired (a peer would refuse it), or
 * "revoked". */
enum err tls_ocsp_load(struct gnutls_certificate_credentials_st *x509, const char *path,
                       struct tls_files *files, struct tls_reason why);

/* True if the responses that the peer stapled to the chain are good, and there if they must be.
 * Otherwise as tls_trust_accepts. */
bool tls_ocsp_accepts(const struct tls_trust *trust, enum tls_ocsp policy,
                      struct gnutls_session_int *session, struct gnutls_x509_crt_int **chain,
                      unsigned count, int *alert, const char **text);
