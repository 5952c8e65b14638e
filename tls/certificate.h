/* tls/certificate.h: private to tls/: our own certificate or raw public key, and its private key,
 * from files or PKCS#11 tokens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tls/files.h"

struct gnutls_certificate_credentials_st;

/* Certificate, chain and key into x509. ERR_OK, or ERR_TLS_CREDENTIALS with a sentence that names
 * the file or URI. */
enum err tls_certificate_load(struct gnutls_certificate_credentials_st *x509, const char *cert,
                              const char *key, struct tls_files *files, struct tls_reason why);
/* A raw public key (RFC 7250) into x509; it is made from the private one. Returns as above. */
enum err tls_certificate_load_raw_key(struct gnutls_certificate_credentials_st *x509,
                                      const char *key, struct tls_files *files,
                                      struct tls_reason why);
