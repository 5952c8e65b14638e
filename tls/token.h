/* tls/token.h: PKCS#11 tokens. */
#pragma once

#include <stdbool.h>

/* Whether the token that a "pkcs11:" URI names is plugged in; its PIN is not used. Thread: any but
 * a worker. */
bool tls_token_is_there(const char *uri);
