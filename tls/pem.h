/* tls/pem.h: private to tls/: files as GnuTLS takes them. For .c files that include gnutls.h. */
#pragma once

#include <gnutls/gnutls.h>

#include "tls/reason.h"

/* The whole file. Owns: tls_pem_wipe. */
enum err tls_pem_read(const char *path, gnutls_datum_t *datum, struct tls_reason why);
/* Wiped, for there may be a key in it. */
void tls_pem_wipe(gnutls_datum_t *datum);
/* "2026-11-21 14:38 UTC". */
const char *tls_pem_date(time_t when, char text[static 32]);
