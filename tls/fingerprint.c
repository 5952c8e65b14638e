/* tls/fingerprint.c: the hash that ties a session to its rules. */
#include "tls/fingerprint.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/wipe.h"

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
    bool is_raw_client = options->role == TLS_CLIENT && options->known;
    return !(is(path, options->key) && !is_raw_client) && !is(path, options->staple) &&
           !(options->role == TLS_SERVER && is(path, options->cert));
}

/* In a token it is no file, and may become another one behind the same URI. */
static void add_own_certificate(gnutls_hash_hd_t hash, gnutls_certificate_credentials_t x509)
{
    gnutls_datum_t der = {0};
    if (gnutls_certificate_get_crt_raw(x509, 0, 0, &der) < 0)
        der = (gnutls_datum_t){0};
    add(hash, der.data, der.size);
}

void tls_fingerprint(const struct tls_options *options, const struct tls_files *files,
                     struct gnutls_certificate_credentials_st *x509,
                     uint8_t out[TLS_FINGERPRINT_SIZE])
{
    gnutls_hash_hd_t hash;
    check_made(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
    add_number(hash, options->role);
    add_number(hash, options->min_version);
    add_number(hash, options->max_version);
    add_number(hash, options->children);
    add_number(hash, options->ticket_lifetime_s);
    add_number(hash, options->ocsp);
    add_text(hash, options->priority);
    add_list(hash, options->pins, options->pin_count);
    add_list(hash, options->allow, options->allow_count);
    add_text(hash, options->peer);
    add_text(hash, options->psk_identity);
    if (options->role == TLS_CLIENT)
        add_own_certificate(hash, x509);
    for (size_t i = 0; i < files->count; i++) {
        if (counts(options, files->paths[i]))
            add_file(hash, files->paths[i]);
    }
    gnutls_hash_deinit(hash, out);
}
