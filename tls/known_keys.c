/* tls/known_keys.c: files of the keys by which peers are known: raw public keys and PSKs. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "tls/credentials_private.h"
#include "tls/wipe.h"

/* GnuTLS takes names of PSKs of up to 128 bytes. */
#define PSK_NAME_MAX 128
#define PSK_MIN      16
#define PSK_FILE_MAX ((size_t)16 << 20)

struct tls_known_keys {
    struct tls_lines lines;
    struct tls_known_key *keys;
    size_t count;
};

/* No realloc: it would leave copies of secrets behind. */
static struct tls_known_key *append(struct tls_known_keys *known, const char *name)
{
    struct tls_known_key *more = check_alloc((known->count + 1) * sizeof *more);
    if (known->count)
        memcpy(more, known->keys, known->count * sizeof *more);
    tls_wipe_free(known->keys, known->count * sizeof *more);
    known->keys = more;
    more += known->count++;
    more->name = check_strdup(name);
    return more;
}

static bool is_name(const char *text)
{
    return !strpbrk(text, " \t*") && !strstr(text, "://");
}

static bool parse_public_key(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    gnutls_datum_t raw, input = {(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
    gnutls_pubkey_t key;
    if (tls_pin_parse(text, pin))
        return true;
    if (gnutls_base64_decode2(&input, &raw) < 0)
        return false;
    /* Imported, so that a mutilated line is noticed here and not when its owner is refused. */
    check_made(gnutls_pubkey_init(&key) == 0);
    bool is_key = gnutls_pubkey_import(key, &raw, GNUTLS_X509_FMT_DER) == 0;
    gnutls_pubkey_deinit(key);
    if (is_key)
        tls_pin_of(raw.data, raw.size, pin);
    gnutls_free(raw.data);
    return is_key;
}

/* "KEY NAME" */
static enum err on_public_key(struct tls_lines *self, char *line, struct tls_reason why)
{
    struct tls_known_keys *known = container_of(self, struct tls_known_keys, lines);
    uint8_t pin[TLS_PIN_SIZE];
    char *name = line + strcspn(line, " \t");
    if (!*name)
        return tls_reason_set(why, "a name must follow the key");
    *name++ = 0;
    name += strspn(name, " \t");
    if (strlen(name) >= TLS_NAME_MAX || !is_name(name))
        return tls_reason_set(why, "\"%.40s\" cannot be the name of a key", name);
    if (!parse_public_key(line, pin))
        return tls_reason_set(why, "\"%.40s\" is neither a public key nor its sha256: pin", line);
    for (size_t i = 0; i < known->count; i++) {
        if (memcmp(known->keys[i].pin, pin, sizeof pin) == 0)
            return tls_reason_set(why, "the key of \"%s\" appears twice", known->keys[i].name);
        if (strcasecmp(known->keys[i].name, name) == 0)
            return tls_reason_set(why, "the name \"%s\" appears twice", name);
    }
    memcpy(append(known, name)->pin, pin, sizeof pin);
    return ERR_OK;
}

/* "NAME:HEX" */
static enum err on_psk(struct tls_lines *self, char *line, struct tls_reason why)
{
    struct tls_known_keys *known = container_of(self, struct tls_known_keys, lines);
    char *hex = strrchr(line, ':');
    size_t length = hex ? (size_t)(hex - line) : 0;
    if (!length || length > PSK_NAME_MAX)
        return tls_reason_set(why, "a line is name:key, the name at most %d bytes", PSK_NAME_MAX);
    *hex++ = 0;
    if (!is_name(line))
        return tls_reason_set(why, "\"%.40s\" cannot be the name of a key", line);
    if (tls_known_keys_find(known, line, length))
        return tls_reason_set(why, "the name \"%s\" appears twice", line);
    struct tls_known_key *key = append(known, line);
    gnutls_datum_t text = {(unsigned char *)hex, (unsigned)strlen(hex)};
    key->secret_size = sizeof key->secret;
    if (strspn(hex, "0123456789abcdefABCDEF") != text.size || text.size > 2 * sizeof key->secret ||
        gnutls_hex_decode(&text, key->secret, &key->secret_size) < 0)
        return tls_reason_set(why, "the key must be hex digits, at most %zu bytes",
                              sizeof key->secret);
    if (key->secret_size < PSK_MIN)
        return tls_reason_set(why, "the key is shorter than %d bytes: it could be guessed",
                              PSK_MIN);
    tls_pin_of(key->secret, key->secret_size, key->pin);
    return ERR_OK;
}

enum err tls_known_keys_load(const char *path, bool are_secret, struct tls_known_keys **out,
                             struct tls_reason why)
{
    struct tls_known_keys *known = check_alloc(sizeof *known);
    if (are_secret)
        known->lines = (struct tls_lines){.on_line = on_psk, .secret_max = PSK_FILE_MAX};
    else
        known->lines = (struct tls_lines){.on_line = on_public_key};
    enum err result = tls_files_read_lines(path, &known->lines, why);
    if (result == ERR_OK && !known->count)
        result = tls_reason_set(why, "%s holds no key", path);
    *out = known;
    if (result != ERR_OK) {
        tls_known_keys_free(known);
        *out = NULL;
    }
    return result;
}

void tls_known_keys_free(struct tls_known_keys *known)
{
    if (!known)
        return;
    for (size_t i = 0; i < known->count; i++)
        free(known->keys[i].name);
    tls_wipe_free(known->keys, known->count * sizeof *known->keys);
    free(known);
}

const char *tls_known_keys_name(const struct tls_known_keys *known,
                                const uint8_t pin[static TLS_PIN_SIZE])
{
    for (size_t i = 0; i < known->count; i++) {
        if (memcmp(known->keys[i].pin, pin, TLS_PIN_SIZE) == 0)
            return known->keys[i].name;
    }
    return NULL;
}

const struct tls_known_key *tls_known_keys_find(const struct tls_known_keys *known,
                                                const void *name, size_t size)
{
    for (size_t i = 0; i < known->count; i++) {
        if (strlen(known->keys[i].name) == size && memcmp(known->keys[i].name, name, size) == 0)
            return &known->keys[i];
    }
    return NULL;
}

const struct tls_known_key *tls_known_keys_only(const struct tls_known_keys *known)
{
    return known->count == 1 ? &known->keys[0] : NULL;
}

void tls_known_keys_describe(const struct tls_known_keys *known, char *text, size_t size)
{
    char pin[TLS_PIN_TEXT_SIZE];
    tls_pin_format(known->keys[0].pin, pin);
    int used = snprintf(text, size, "%s is %s", known->keys[0].name, pin);
    if (known->count > 1 && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", and %zu more", known->count - 1);
}
