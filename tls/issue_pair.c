#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/issue.h"
#include "tls/pin.h"
#include "tls/wipe.h"

static int describe(gnutls_privkey_t key, struct tls_issue_pair *pair)
{
    gnutls_pubkey_t public;
    gnutls_datum_t der = {0}, text = {0};
    uint8_t pin[TLS_PIN_SIZE];
    check_made(gnutls_pubkey_init(&public) == 0);
    int rc = gnutls_pubkey_import_privkey(public, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (rc >= 0)
        rc = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &der);
    if (rc >= 0)
        rc = gnutls_base64_encode2(&der, &text);
    if (rc >= 0) {
        tls_pin_of(der.data, der.size, pin);
        tls_pin_format(pin, pair->pin);
        pair->public_key = check_strdup((const char *)text.data);
    }
    gnutls_free(der.data);
    gnutls_free(text.data);
    gnutls_pubkey_deinit(public);
    return rc;
}

static int export_key(gnutls_privkey_t key, struct tls_issue_pair *pair)
{
    gnutls_x509_privkey_t plain;
    gnutls_datum_t pem = {0};
    int rc = gnutls_privkey_export_x509(key, &plain);
    if (rc < 0)
        return rc;
    rc = gnutls_x509_privkey_export2_pkcs8(plain, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                           &pem);
    if (rc >= 0)
        pair->key_pem = check_strdup((const char *)pem.data);
    tls_wipe_datum(pem.data, pem.size);
    gnutls_x509_privkey_deinit(plain);
    return rc;
}

enum err tls_issue_pair(struct tls_issue_pair *pair, char *why, size_t why_size)
{
    gnutls_privkey_t key;
    memset(pair, 0, sizeof *pair);
    check_made(gnutls_privkey_init(&key) == 0);
    int rc = gnutls_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), 0);
    if (rc >= 0)
        rc = describe(key, pair);
    if (rc >= 0)
        rc = export_key(key, pair);
    gnutls_privkey_deinit(key);
    if (rc >= 0)
        return ERR_OK;
    tls_issue_pair_clear(pair);
    snprintf(why, why_size, "cannot make a key: %s", gnutls_strerror(rc));
    return ERR_TLS_CREDENTIALS;
}

void tls_issue_pair_clear(struct tls_issue_pair *pair)
{
    tls_wipe_free(pair->key_pem, pair->key_pem ? strlen(pair->key_pem) : 0);
    free(pair->public_key);
    memset(pair, 0, sizeof *pair);
}
