#include "tls/credentials.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/credentials_private.h"

/* Longest lifetime of a ticket (RFC 8446 section 4.6.1): seven days. */
#define TICKET_LIFETIME_MAX_S 604800

#define CERTIFICATES_MAX 16

/* Where the sentence of an error goes. */
struct reason {
    char *text;
    size_t size;
};

static enum err fail(struct reason why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum err fail(struct reason why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
    return ERR_TLS_CREDENTIALS;
}

static void wipe_datum(gnutls_datum_t *datum)
{
    if (datum->data)
        gnutls_memset(datum->data, 0, datum->size);
    gnutls_free(datum->data);
    datum->size = 0;
}

static enum err read_file(const char *path, gnutls_datum_t *datum, struct reason why)
{
    errno = 0;
    if (gnutls_load_file(path, datum) < 0)
        return fail(why, "cannot read %s: %s", path, strerror(errno ? errno : EIO));
    return ERR_OK;
}

static const char *format_date(time_t when, char text[static 32])
{
    struct tm parts;
    gmtime_r(&when, &parts);
    strftime(text, 32, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}

static enum err check_leaf(gnutls_x509_crt_t leaf, const char *path, int64_t *expires_at,
                           struct reason why)
{
    char date[32];
    time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(leaf),
           until = gnutls_x509_crt_get_expiration_time(leaf);
    if (now > until)
        return fail(why, "the certificate in %s expired on %s", path, format_date(until, date));
    if (now < from)
        return fail(why, "the certificate in %s is not valid before %s (or the clock is wrong)",
                    path, format_date(from, date));
    *expires_at = until;
    return ERR_OK;
}

static enum err check_certificate(const gnutls_datum_t *pem, const char *path, int64_t *expires_at,
                                  struct reason why)
{
    gnutls_x509_crt_t chain[CERTIFICATES_MAX];
    unsigned count = CERTIFICATES_MAX;
    int rc = gnutls_x509_crt_list_import(chain, &count, pem, GNUTLS_X509_FMT_PEM,
                                         GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (rc < 0)
        return fail(why, "%s holds no usable certificate: %s", path, gnutls_strerror(rc));
    enum err result = count ? check_leaf(chain[0], path, expires_at, why)
                            : fail(why, "%s holds no certificate", path);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    return result;
}

static enum err check_key(const gnutls_datum_t *pem, const char *path, struct reason why)
{
    gnutls_x509_privkey_t key;
    must(gnutls_x509_privkey_init(&key) == 0);
    int rc = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(key);
    if (rc == GNUTLS_E_DECRYPTION_FAILED)
        return fail(why, "the key in %s is protected by a passphrase; it must be stored without",
                    path);
    if (rc < 0)
        return fail(why, "%s holds no usable private key: %s", path, gnutls_strerror(rc));
    return ERR_OK;
}

static enum err load_pair(gnutls_certificate_credentials_t x509, const char *cert_path,
                          const char *key_path, int64_t *expires_at, struct reason why)
{
    gnutls_datum_t cert = {0}, key = {0};
    enum err result = read_file(cert_path, &cert, why);
    if (result == ERR_OK)
        result = read_file(key_path, &key, why);
    if (result == ERR_OK)
        result = check_certificate(&cert, cert_path, expires_at, why);
    if (result == ERR_OK)
        result = check_key(&key, key_path, why);
    if (result == ERR_OK) {
        int rc =
            gnutls_certificate_set_x509_key_mem2(x509, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
            result = fail(why, "the key in %s does not belong to the certificate in %s", key_path,
                          cert_path);
        else if (rc < 0)
            result =
                fail(why, "%s and %s cannot be used: %s", cert_path, key_path, gnutls_strerror(rc));
    }
    wipe_datum(&cert);
    wipe_datum(&key);
    return result;
}

/* An end certificate in the list would be trusted as if a CA had signed it, so we insist. */
static enum err check_are_authorities(const gnutls_datum_t *pem, const char *path,
                                      struct reason why)
{
    gnutls_x509_crt_t *list;
    unsigned count;
    int rc = gnutls_x509_crt_list_import2(&list, &count, pem, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0)
        return fail(why, "%s holds no usable CA certificate: %s", path, gnutls_strerror(rc));
    enum err result = count ? ERR_OK : fail(why, "%s holds no CA certificate", path);
    for (unsigned i = 0; i < count; i++) {
        if (gnutls_x509_crt_get_ca_status(list[i], NULL) <= 0)
            result = fail(why, "certificate number %u in %s is not that of a CA", i + 1, path);
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return result;
}

static enum err load_authorities(struct tls_credentials *credentials, const char *path,
                                 struct reason why)
{
    gnutls_datum_t pem = {0};
    enum err result = read_file(path, &pem, why);
    if (result == ERR_OK)
        result = check_are_authorities(&pem, path, why);
    if (result == ERR_OK &&
        gnutls_certificate_set_x509_trust_mem(credentials->x509, &pem, GNUTLS_X509_FMT_PEM) <= 0)
        result = fail(why, "%s holds no CA certificate", path);
    wipe_datum(&pem);
    return result;
}

static enum err load(struct tls_credentials *credentials, const struct tls_options *options,
                     struct reason why)
{
    if (options->role == TLS_CLIENT && (!options->peer || !*options->peer))
        return fail(why, "the name that the server's certificate must carry is not set");
    if (options->ticket_lifetime_s < 1 || options->ticket_lifetime_s > TICKET_LIFETIME_MAX_S)
        return fail(why, "ticket lifetime %u s is out of range 1..%u", options->ticket_lifetime_s,
                    TICKET_LIFETIME_MAX_S);
    enum err result = tls_policy_load(&credentials->policy, options, why.text, why.size);
    if (result == ERR_OK)
        result = load_authorities(credentials, options->ca, why);
    if (result == ERR_OK)
        result = load_pair(credentials->x509, options->cert, options->key, &credentials->expires_at,
                           why);
    if (result == ERR_OK)
        result = tls_credentials_reload_ticket_keys(credentials, why.text, why.size);
    return result;
}

static void copy_names(struct tls_credentials *credentials, const struct tls_options *options)
{
    credentials->peer = check_strdup(options->peer);
    if (!options->allow_count)
        return;
    credentials->allow = check_alloc(options->allow_count * sizeof *credentials->allow);
    credentials->allow_count = options->allow_count;
    for (size_t i = 0; i < options->allow_count; i++)
        credentials->allow[i] = check_strdup(options->allow[i]);
}

enum err tls_credentials_new(const struct tls_options *options, struct tls_credentials **out,
                             char *why, size_t why_size)
{
    struct tls_credentials *credentials = check_alloc(sizeof *credentials);
    atomic_init(&credentials->references, 1);
    pthread_mutex_init(&credentials->ticket_keys.lock, NULL);
    credentials->role = options->role;
    credentials->resume = options->resume;
    credentials->children = options->children;
    credentials->resume_by = options->resume_by;
    credentials->rekey_bytes = options->rekey_bytes;
    credentials->ticket_lifetime_s = options->ticket_lifetime_s;
    credentials->ticket_key_file = check_strdup(options->ticket_key_file);
    credentials->store = options->store ? tls_store_ref(options->store) : NULL;
    tls_fingerprint(options, credentials->fingerprint);
    copy_names(credentials, options);
    must(gnutls_certificate_allocate_credentials(&credentials->x509) == 0);

    enum err result = load(credentials, options, (struct reason){why, why_size});
    if (result != ERR_OK) {
        tls_credentials_unref(credentials);
        credentials = NULL;
    }
    *out = credentials;
    return result;
}

struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials)
{
    atomic_fetch_add_explicit(&credentials->references, 1, memory_order_relaxed);
    return credentials;
}

void tls_credentials_unref(struct tls_credentials *credentials)
{
    if (!credentials ||
        atomic_fetch_sub_explicit(&credentials->references, 1, memory_order_acq_rel) != 1)
        return;
    gnutls_certificate_free_credentials(credentials->x509);
    tls_policy_clear(&credentials->policy);
    tls_ticket_key_clear(&credentials->ticket_keys);
    free(credentials->ticket_key_file);
    tls_store_unref(credentials->store);
    pthread_mutex_destroy(&credentials->ticket_keys.lock);
    for (size_t i = 0; i < credentials->allow_count; i++)
        free(credentials->allow[i]);
    free(credentials->allow);
    free(credentials->peer);
    free(credentials);
}

enum err tls_credentials_reload_ticket_keys(struct tls_credentials *credentials, char *why,
                                            size_t why_size)
{
    struct tls_key_file file;
    if (!credentials->ticket_key_file)
        return ERR_OK;
    enum err result =
        tls_key_file_read(credentials->ticket_key_file, TLS_TICKET_KEY_SIZE, &file, why, why_size);
    if (result == ERR_OK)
        tls_ticket_key_share(&credentials->ticket_keys, &file);
    tls_key_file_clear(&file);
    return result;
}

int64_t tls_credentials_expires_in(const struct tls_credentials *credentials)
{
    return credentials->expires_at - time(NULL);
}

enum err tls_credentials_check_pair(const char *cert, const char *key, char *why, size_t why_size)
{
    gnutls_certificate_credentials_t x509;
    int64_t expires_at;
    must(gnutls_certificate_allocate_credentials(&x509) == 0);
    enum err result = load_pair(x509, cert, key, &expires_at, (struct reason){why, why_size});
    gnutls_certificate_free_credentials(x509);
    return result;
}
