#include "tls/fingerprint.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"

/* Each part goes in with its length, so that no two lists of parts look the same. */
static void add(gnutls_hash_hd_t hash, const void *data, size_t size)
{
    uint8_t length[8];
    struct wire_writer writer = wire_writer(length, sizeof length);
    wire_put_u64(&writer, size);
    must(gnutls_hash(hash, length, sizeof length) == 0);
    if (size)
        must(gnutls_hash(hash, data, size) == 0);
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

static void add_file(gnutls_hash_hd_t hash, const char *path)
{
    gnutls_datum_t content = {0};
    if (path && gnutls_load_file(path, &content) < 0)
        content = (gnutls_datum_t){0};
    add(hash, content.data, content.size);
    gnutls_free(content.data);
}

void tls_fingerprint(const struct tls_options *options, uint8_t out[TLS_FINGERPRINT_SIZE])
{
    gnutls_hash_hd_t hash;
    must(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
    add_number(hash, options->role);
    add_number(hash, options->min_version);
    add_number(hash, options->max_version);
    add_number(hash, options->children);
    add_number(hash, options->ticket_lifetime_s);
    add_text(hash, options->priority);
    add_file(hash, options->ca);
    if (options->role == TLS_CLIENT) {
        add_file(hash, options->cert);
        add_text(hash, options->peer);
    } else {
        add_number(hash, options->allow_count);
        for (size_t i = 0; i < options->allow_count; i++)
            add_text(hash, options->allow[i]);
    }
    gnutls_hash_deinit(hash, out);
}
