/* tls/library.h: whether GnuTLS works at all here, and with which tokens. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* It needs random numbers and, in FIPS mode, tests itself; where that failed as the process began,
 * each call into it fails in its own way. ERR_OK, or ERR_TLS_CREDENTIALS with a sentence in why. */
enum err tls_library_check(char *why, size_t why_size);

/* Whether the token that a "pkcs11:" URI names is plugged in; its PIN is not used. Thread: any but
 * a worker. */
bool tls_library_has_token(const char *uri);
