#include "tls/library.h"

#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <stdio.h>

enum err tls_library_check(char *why, size_t why_size)
{
    int rc = gnutls_global_init(); /* counted; what the first one came to, as the process began */
    if (rc == 0)
        return ERR_OK;
    snprintf(why, why_size, "GnuTLS does not work here: %s", gnutls_strerror(rc));
    return ERR_TLS_CREDENTIALS;
}

bool tls_library_has_token(const char *uri)
{
    char label[256];
    size_t size = sizeof label;
    return gnutls_pkcs11_token_get_info(uri, GNUTLS_PKCS11_TOKEN_LABEL, label, &size) >= 0;
}
