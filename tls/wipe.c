/* tls/wipe.c: memory that held a secret. */
#include "tls/wipe.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

void tls_wipe_free(void *secret, size_t size)
{
    if (secret)
        gnutls_memset(secret, 0, size);
    free(secret);
}
