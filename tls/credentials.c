/* tls/credentials.c: makes and checks the credentials of one tunnel. */
#include "tls/credentials.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/credentials_private.h"
#include "tls/identity.h"
#include "tls/wipe.h"

/* Longest lifetime of a ticket (RFC 8446 section 4.6.1): seven days. */
#define TICKET_LIFETIME_MAX_S 604800

/* What names may a peer have that nobody vouches for? None: only its key counts. */
static enum err check_pattern(const struct tls_credentials *credentials, bool has_ca,
                              const char *pattern, struct tls_reason why)
{
    enum err result = tls_identity_check_pattern(pattern, why.text, why.size);
    if (result != ERR_OK || credentials->mode != TLS_MODE_CERTIFICATES || has_ca ||
        strncmp(pattern, "sha256:", 7) == 0)
        return result;
    return tls_reason_set(
        why, "\"%s\" cannot be checked: without a CA, certificates are known by their pins only",
        pattern);
}

static enum err check_patterns(const struct tls_credentials *credentials, bool has_ca,
                               struct tls_reason why)
{
    enum err result =
        credentials->peer ? check_pattern(credentials, has_ca, credentials->peer, why) : ERR_OK;
    for (size_t i = 0; i < credentials->allow_count && result == ERR_OK; i++)
        result = check_pattern(credentials, has_ca, credentials->allow[i], why);
    return result;
}

static enum err load_pins(struct tls_credentials *credentials, const struct tls_options *options,
                          struct tls_reason why)
{
    credentials->pin_count = options->pin_count;
    credentials->pins = check_alloc((options->pin_count + 1) * sizeof *credentials->pins);
    for (size_t i = 0; i < options->pin_count; i++) {
        if (!tls_pin_parse(options->pins[i], credentials->pins[i]))
            return tls_reason_set(
                why, "\"%s\" is not a pin: sha256: and 64 hex digits, or 32 bytes in base64",
                options->pins[i]);
    }
    return ERR_OK;
}

/* Peers are known in exactly one way. */
static enum err choose_mode(struct tls_credentials *credentials, const struct tls_options *options,
                            struct tls_reason why)
{
    bool has_certificates = options->ca || options->pin_count;
    if (has_certificates + (options->known != NULL) + (options->psk != NULL) != 1)
        return tls_reason_set(why, "set exactly one way to authenticate peers: certificates (a CA, "
                                   "pins), known raw keys, or pre-shared keys");
    /* A ticket says who came, not with which key: one that outlives a reload would still be good
     * for who has lost the key since. And a master by PSK costs no more than a resumed one (240
     * µs). */
    if (options->psk && options->ticket_key_file)
        return tls_reason_set(why, "a file of ticket keys cannot be used with pre-shared keys");
    if (!options->ca && (options->crl || options->rules.ocsp == TLS_OCSP_REQUIRE))
        return tls_reason_set(why, "revocation lists and OCSP need a CA");
    credentials->mode = options->known ? TLS_MODE_RAW_KEYS
                        : options->psk ? TLS_MODE_PSK
                                       : TLS_MODE_CERTIFICATES;
    if (credentials->mode != TLS_MODE_PSK && !options->key)
        return tls_reason_set(why, "our own private key is not set");
    if (credentials->mode == TLS_MODE_CERTIFICATES && !options->cert)
        return tls_reason_set(why, "our own certificate is not set");
    if (options->rules.role == TLS_CLIENT &&
        ((options->ca && !options->peer) || (options->peer && !*options->peer)))
        return tls_reason_set(why, "the name that the server's certificate must carry is not set");
    return ERR_OK;
}

static enum err load_certificates(struct tls_credentials *credentials,
                                  const struct tls_options *options, struct tls_reason why)
{
    enum err result = ERR_OK;
    if (options->ca)
        result = tls_trust_load(options->ca, options->crl, &credentials->trust, why);
    if (result == ERR_OK)
        result = tls_certificate_load(credentials->x509, options->cert, options->key, why);
    if (result == ERR_OK && options->staple)
        result = tls_ocsp_load(credentials->x509, options->staple, why);
    return result;
}

static enum err load_keys(struct tls_credentials *credentials, const struct tls_options *options,
                          struct tls_reason why)
{
    if (credentials->mode == TLS_MODE_CERTIFICATES)
        return load_certificates(credentials, options, why);
    bool is_psk = credentials->mode == TLS_MODE_PSK;
    enum err result = tls_known_keys_load(is_psk ? options->psk : options->known, is_psk,
                                          &credentials->known, why);
    if (result != ERR_OK)
        return result;
    if (!is_psk)
        return tls_certificate_load_raw_key(credentials->x509, options->key, why);
    if (options->rules.role == TLS_CLIENT)
        return tls_psk_new_client(credentials->known, options->psk, options->psk_identity,
                                  &credentials->psk, why);
    credentials->psk = tls_psk_new_server();
    return ERR_OK;
}

/* Checks what no file can mend. */
static enum err check_options(struct tls_credentials *credentials,
                              const struct tls_options *options, struct tls_reason why)
{
    if (options->rules.ticket_lifetime_s < 1 ||
        options->rules.ticket_lifetime_s > TICKET_LIFETIME_MAX_S)
        return tls_reason_set(why, "ticket lifetime %u s is out of range 1..%u",
                              options->rules.ticket_lifetime_s, TICKET_LIFETIME_MAX_S);
    enum err result = tls_policy_load(&credentials->policy, options, why);
    if (result == ERR_OK)
        result = choose_mode(credentials, options, why);
    if (result == ERR_OK)
        result = load_pins(credentials, options, why);
    if (result == ERR_OK)
        result = check_patterns(credentials, options->ca, why);
    return result;
}

/* ---- the fingerprint ---- */

/* Each part goes in with its length, so that no two lists of parts look the same. */
static void add(gnutls_hash_hd_t hash, const void *data, size_t size)
{
    uint8_t length[8];
    struct wire_writer writer = wire_writer(length, sizeof length);
    wire_put_u64(&writer, size);
    check_made(gnutls_hash(hash, length, sizeof length) == 0);
    if (size)
        check_made(gnutls_hash(hash, data, size) == 0);
}

static void add_number(gnutls_hash_hd_t hash, uint64_t number)
{
    uint8_t bytes[8];
    struct wire_writer writer = wire_writer(bytes, sizeof bytes);
    wire_put_u64(&writer, number);
    add(hash, bytes, sizeof bytes);
}

static void add_text(gnutls_hash_hd_t hash, const char *text)
{
    add(hash, text, text ? strlen(text) : 0);
}

/* Directories count by the files in them, which are in the list as well. */
static void add_file(gnutls_hash_hd_t hash, const char *path)
{
    gnutls_datum_t content = {0};
    if (gnutls_load_file(path, &content) < 0)
        content = (gnutls_datum_t){0};
    add(hash, content.data, content.size);
    tls_wipe_free(content.data, content.size);
}

static void add_list(gnutls_hash_hd_t hash, const char *const *list, size_t count)
{
    add_number(hash, count);
    for (size_t i = 0; i < count; i++)
        add_text(hash, list[i]);
}

static bool is(const char *path, const char *other)
{
    return other && strcmp(path, other) == 0;
}

/* An own key says nothing that its certificate does not, if it has one; a staple is renewed every
 * day. */
static bool counts(const struct tls_options *options, const char *path)
{
    bool is_raw_client = options->rules.role == TLS_CLIENT && options->known;
    return !(is(path, options->key) && !is_raw_client) && !is(path, options->staple) &&
           !(options->rules.role == TLS_SERVER && is(path, options->cert));
}

/* In a token it is no file, and may become another one behind the same URI. */
static void add_own_certificate(gnutls_hash_hd_t hash, gnutls_certificate_credentials_t x509)
{
    gnutls_datum_t der = {0};
    if (gnutls_certificate_get_crt_raw(x509, 0, 0, &der) < 0)
        der = (gnutls_datum_t){0};
    add(hash, der.data, der.size);
}

static void make_fingerprint(struct tls_credentials *credentials, const struct tls_options *options)
{
    const struct tls_rules *rules = &options->rules;
    const struct tls_files *files = &credentials->files;
    const uint64_t numbers[] = {rules->role,     rules->min_version,       rules->max_version,
                                rules->children, rules->ticket_lifetime_s, rules->ocsp};
    gnutls_hash_hd_t hash;
    check_made(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        add_number(hash, numbers[i]);
    add_text(hash, options->priority);
    add_list(hash, options->pins, options->pin_count);
    add_list(hash, options->allow, options->allow_count);
    add_text(hash, options->peer);
    add_text(hash, options->psk_identity);
    if (rules->role == TLS_CLIENT)
        add_own_certificate(hash, credentials->x509);
    for (size_t i = 0; i < files->count; i++) {
        if (counts(options, files->paths[i]))
            add_file(hash, files->paths[i]);
    }
    gnutls_hash_deinit(hash, credentials->fingerprint);
}

/* ---- all together ---- */

static enum err load(struct tls_credentials *credentials, const struct tls_options *options,
                     struct tls_reason why)
{
    enum err result = load_keys(credentials, options, why);
    if (result == ERR_OK)
        result = tls_credentials_reload_ticket_keys(credentials, why.text, why.size);
    if (result == ERR_OK)
        make_fingerprint(credentials, options);
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

static struct tls_credentials *create(const struct tls_options *options)
{
    struct tls_credentials *credentials = check_alloc(sizeof *credentials);
    atomic_init(&credentials->references, 1);
    pthread_mutex_init(&credentials->ticket_keys.lock, NULL);
    credentials->rules = options->rules;
    credentials->ticket_key_file = check_strdup(options->ticket_key_file);
    credentials->store = options->store ? tls_store_ref(options->store) : NULL;
    if (options->key && tls_files_is_uri(options->key))
        credentials->signer = options->signer;
    copy_names(credentials, options);
    check_made(gnutls_certificate_allocate_credentials(&credentials->x509) == 0);
    return credentials;
}

enum err tls_credentials_check(const struct tls_options *options, char *why, size_t why_size)
{
    struct tls_credentials *credentials = create(options);
    enum err result =
        check_options(credentials, options, (struct tls_reason){.text = why, .size = why_size});
    tls_credentials_unref(credentials);
    return result;
}

enum err tls_credentials_new(const struct tls_options *options, struct tls_credentials **out,
                             char *why, size_t why_size)
{
    struct tls_credentials *credentials = create(options);
    struct tls_reason reason = {why, why_size, &credentials->files};
    enum err result = check_options(credentials, options, reason);
    if (result == ERR_OK)
        result = load(credentials, options, reason);
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
    tls_trust_free(credentials->trust);
    tls_psk_free(credentials->psk);
    tls_known_keys_free(credentials->known);
    tls_files_clear(&credentials->files);
    free(credentials->pins);
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
    return result == ERR_OK ? ERR_OK : ERR_TLS_TICKET_KEYS;
}

bool tls_credentials_install(const struct tls_credentials *credentials,
                             struct gnutls_session_int *session)
{
    if (credentials->mode == TLS_MODE_PSK)
        return tls_psk_install(credentials->psk, session);
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->x509) == 0;
}

const char *const *tls_credentials_files(const struct tls_credentials *credentials, size_t *count)
{
    *count = credentials->files.count;
    return (const char *const *)credentials->files.paths;
}

enum err tls_credentials_recheck(const struct tls_credentials *credentials,
                                 const struct tls_identity *identity, char *why, size_t why_size)
{
    struct tls_verdict verdict;
    tls_verify_again(credentials, identity, &verdict);
    tls_identity_unref(verdict.identity);
    snprintf(why, why_size, "%s", verdict.detail);
    return verdict.err;
}

bool tls_credentials_admit_one(const struct tls_credentials *credentials)
{
    if (credentials->allow_count == 1 && !strchr(credentials->allow[0], '*'))
        return true;
    return credentials->known ? tls_known_keys_only(credentials->known) != NULL
                              : credentials->pin_count == 1;
}

void tls_credentials_inherit(struct tls_credentials *new, struct tls_credentials *old)
{
    /* GnuTLS derives what it encrypts with from the lifetime as well. Of PSKs see choose_mode. */
    if (new != old &&new->mode != TLS_MODE_PSK &&new->rules.ticket_lifetime_s ==
        old->rules.ticket_lifetime_s)
        tls_ticket_key_inherit(&new->ticket_keys, &old->ticket_keys);
}

int64_t tls_credentials_lists_until(const struct tls_credentials *credentials, char *ca,
                                    size_t ca_size)
{
    return tls_trust_lists_until(credentials->trust, ca, ca_size);
}

enum err tls_credentials_check_pair(const char *cert, const char *key, char *why, size_t why_size)
{
    gnutls_certificate_credentials_t x509;
    check_made(gnutls_certificate_allocate_credentials(&x509) == 0);
    enum err result =
        tls_certificate_load(x509, cert, key, (struct tls_reason){.text = why, .size = why_size});
    gnutls_certificate_free_credentials(x509);
    return result;
}

enum err tls_credentials_check_library(char *why, size_t why_size)
{
    int rc = gnutls_global_init(); /* counted; the first one ran as the process began */
    return rc == 0 ? ERR_OK
                   : tls_reason_set((struct tls_reason){.text = why, .size = why_size},
                                    "GnuTLS does not work here: %s", gnutls_strerror(rc));
}

bool tls_credentials_has_token(const char *key)
{
    char label[256];
    size_t size = sizeof label;
    return tls_files_is_uri(key) &&
           gnutls_pkcs11_token_get_info(key, GNUTLS_PKCS11_TOKEN_LABEL, label, &size) >= 0;
}
