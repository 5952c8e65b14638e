/* tls/certificate.c: our own certificate or raw key, and its private key. */
#include "tls/credentials_private.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/wipe.h"

/* A URI as a person may read it: it may have the PIN inside. */
static const char *without_pin(const char *uri, char text[static 256])
{
    size_t length = strcspn(uri, "?");
    const char *pin = strstr(uri, "pin-value");
    if (pin && (size_t)(pin - uri) < length)
        length = (size_t)(pin - uri);
    if (length > 255)
        length = 255;
    memcpy(text, uri, length);
    text[length] = 0;
    return text;
}

/* RFC 7512 has "pin-source=file:/etc/pin" as its example, p11-kit opens what is behind the sign
 * of equality: so the name of the file alone is left there. Owns: caller, freed. */
static char *usable(const char *uri)
{
    char *copy = check_strdup(uri);
    char *value = strstr(copy, "pin-source=file:");
    if (!value)
        return copy;
    value += strlen("pin-source=");
    size_t skip = strlen(strncmp(value, "file:///", 8) == 0 ? "file://" : "file:");
    memmove(value, value + skip, strlen(value + skip) + 1);
    return copy;
}

static enum err check_dates(gnutls_x509_crt_t leaf, const char *path, struct tls_reason why)
{
    char date[32];
    time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(leaf),
           until = gnutls_x509_crt_get_expiration_time(leaf);
    if (now > until)
        return tls_reason_set(why, "the certificate in %s expired on %s", path,
                              tls_reason_date(until, date));
    if (now < from)
        return tls_reason_set(
            why, "the certificate in %s is not valid before %s (or the clock is wrong)", path,
            tls_reason_date(from, date));
    return ERR_OK;
}

/* From the token or the file; the chain is in the file only. */
static int import_certificates(const char *path, gnutls_x509_crt_t **list, unsigned *count,
                               struct tls_reason why, enum err *result)
{
    gnutls_datum_t pem = {0};
    if (tls_files_is_uri(path)) {
        *list = gnutls_calloc(1, sizeof **list);
        check_made(*list && gnutls_x509_crt_init(*list) == 0);
        *count = 1;
        char *uri = usable(path);
        int rc = gnutls_x509_crt_import_url(**list, uri, 0);
        free(uri);
        return rc;
    }
    *result = tls_files_read(path, &pem.data, &pem.size, why);
    if (*result != ERR_OK)
        return 0;
    int rc = gnutls_x509_crt_list_import2(list, count, &pem, GNUTLS_X509_FMT_PEM, 0);
    tls_wipe_free(pem.data, pem.size);
    return rc;
}

static enum err load_certificates(const char *path, gnutls_x509_crt_t **list, unsigned *count,
                                  struct tls_reason why)
{
    char text[256];
    enum err result = ERR_OK;
    *list = NULL;
    *count = 0;
    int rc = import_certificates(path, list, count, why, &result);
    if (result != ERR_OK)
        return result;
    path = without_pin(path, text);
    if (rc < 0)
        return tls_reason_set(why, "%s holds no usable certificate: %s", path, gnutls_strerror(rc));
    if (!*count)
        return tls_reason_set(why, "%s holds no certificate", path);
    return check_dates((*list)[0], path, why);
}

static enum err import_key_file(gnutls_privkey_t key, const char *path, struct tls_reason why)
{
    gnutls_datum_t pem = {0};
    enum err result = tls_files_read(path, &pem.data, &pem.size, why);
    if (result != ERR_OK)
        return result;
    int rc = gnutls_privkey_import_x509_raw(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    tls_wipe_free(pem.data, pem.size);
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return tls_reason_set(
            why, "the key in %s is protected by a passphrase; store it without one", path);
    if (rc < 0)
        return tls_reason_set(why, "%s holds no usable private key: %s", path, gnutls_strerror(rc));
    return ERR_OK;
}

/* The token says no more than "not there" when the PIN is missing. */
static enum err import_key_uri(gnutls_privkey_t key, const char *uri, struct tls_reason why)
{
    char text[256];
    char *asked = usable(uri);
    int rc = gnutls_privkey_import_url(key, asked, 0);
    free(asked);
    if (rc >= 0)
        return ERR_OK;
    return tls_reason_set(why, "the key %s cannot be used: %s%s", without_pin(uri, text),
                          gnutls_strerror(rc),
                          strstr(uri, "pin-") ? "" : " (the URI has no pin-value or pin-source)");
}

/* From a PEM file or a token. Owns: caller, when ERR_OK. */
static enum err load_key(const char *path, gnutls_privkey_t *out, struct tls_reason why)
{
    gnutls_privkey_t key;
    check_made(gnutls_privkey_init(&key) == 0);
    enum err result =
        tls_files_is_uri(path) ? import_key_uri(key, path, why) : import_key_file(key, path, why);
    if (result != ERR_OK)
        gnutls_privkey_deinit(key);
    else
        *out = key;
    return result;
}

/* Consumes key. */
static enum err set_pair(gnutls_certificate_credentials_t x509, gnutls_x509_crt_t *list,
                         unsigned count, gnutls_privkey_t key, const char *cert_path,
                         const char *key_path, struct tls_reason why)
{
    char cert_text[256], key_text[256];
    gnutls_pcert_st *chain = gnutls_calloc(count, sizeof *chain);
    int rc = chain ? gnutls_pcert_import_x509_list(chain, list, &count, GNUTLS_X509_CRT_LIST_SORT)
                   : GNUTLS_E_MEMORY_ERROR;
    if (rc >= 0) {
        rc = gnutls_certificate_set_key(x509, NULL, 0, chain, (int)count, key);
        /* It owns what is in the chain, and the key, when it has taken them. */
        for (unsigned i = 0; i < count && rc < 0; i++)
            gnutls_pcert_deinit(&chain[i]);
    }
    gnutls_free(chain);
    if (rc >= 0)
        return ERR_OK;
    gnutls_privkey_deinit(key);
    cert_path = without_pin(cert_path, cert_text);
    key_path = without_pin(key_path, key_text);
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return tls_reason_set(why, "the key in %s does not belong to the certificate in %s",
                              key_path, cert_path);
    return tls_reason_set(why, "%s and %s cannot be used: %s", cert_path, key_path,
                          gnutls_strerror(rc));
}

enum err tls_certificate_load(struct gnutls_certificate_credentials_st *x509, const char *cert,
                              const char *key_path, struct tls_reason why)
{
    gnutls_x509_crt_t *list;
    gnutls_privkey_t key;
    unsigned count;
    enum err result = load_certificates(cert, &list, &count, why);
    if (result == ERR_OK)
        result = load_key(key_path, &key, why);
    if (result == ERR_OK)
        result = set_pair(x509, list, count, key, cert, key_path, why);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return result;
}

static int set_raw(gnutls_certificate_credentials_t x509, gnutls_privkey_t key)
{
    gnutls_pubkey_t public;
    gnutls_pcert_st raw;
    check_made(gnutls_pubkey_init(&public) == 0);
    int rc = gnutls_pubkey_import_privkey(public, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
    if (rc >= 0)
        rc = gnutls_pcert_import_rawpk(&raw, public, 0);
    if (rc < 0) {
        gnutls_pubkey_deinit(public);
        return rc;
    }
    rc = gnutls_certificate_set_key(x509, NULL, 0, &raw, 1, key);
    if (rc < 0)
        gnutls_pcert_deinit(&raw);
    return rc;
}

enum err tls_certificate_load_raw_key(struct gnutls_certificate_credentials_st *x509,
                                      const char *path, struct tls_reason why)
{
    char text[256];
    gnutls_privkey_t key;
    enum err result = load_key(path, &key, why);
    if (result != ERR_OK)
        return result;
    int rc = set_raw(x509, key);
    if (rc >= 0)
        return ERR_OK;
    gnutls_privkey_deinit(key);
    return tls_reason_set(why, "the key in %s cannot be used: %s", without_pin(path, text),
                          gnutls_strerror(rc));
}
