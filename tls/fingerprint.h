/* tls/fingerprint.h: private to tls/: a hash over all that decides who is accepted and how, so that
 * a session is never resumed under other rules than it was made under. A new option that
 * decides such a thing goes into fingerprint.c too. */
#pragma once

#include "tls/credentials.h"
#include "tls/files.h"

#define TLS_FINGERPRINT_SIZE 32

struct gnutls_certificate_credentials_st;

/* Client: our own certificate and the name that is expected belong to it. Server: what applies to
 * its clients only, the same on each of several servers. files: what the credentials were made
 * from; they count by content. x509: with our own certificate or raw key. */
void tls_fingerprint(const struct tls_options *options, const struct tls_files *files,
                     struct gnutls_certificate_credentials_st *x509,
                     uint8_t out[TLS_FINGERPRINT_SIZE]);
