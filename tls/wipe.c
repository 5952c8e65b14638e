#include "tls/wipe.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

void tls_wipe_free(void *secret, size_t size)
{
    if (secret)
        gnutls_memset(secret, 0, size);
    free(secret);
}

void tls_wipe_datum(unsigned char *data, unsigned size)
{
    if (data)
        gnutls_memset(data, 0, size);
    gnutls_free(data);
}
