#include "tls/token.h"

#include <gnutls/pkcs11.h>

bool tls_token_is_there(const char *uri)
{
    char label[256];
    size_t size = sizeof label;
    return gnutls_pkcs11_token_get_info(uri, GNUTLS_PKCS11_TOKEN_LABEL, label, &size) >= 0;
}
