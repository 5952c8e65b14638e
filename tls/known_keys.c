/* tls/known_keys.c: the file of known raw public keys. */
#include "tls/credentials_private.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "tls/files.h"
#include "tls/identity.h"

struct entry {
    uint8_t pin[TLS_PIN_SIZE];
    char *name;
};

struct tls_known_keys {
    struct tls_lines lines;
    struct entry *entries;
    size_t count;
};

static bool parse_key(const char *text, uint8_t pin[static TLS_PIN_SIZE])
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

static enum err on_line(struct tls_lines *self, char *line, struct tls_reason why)
{
    struct tls_known_keys *known = container_of(self, struct tls_known_keys, lines);
    struct entry entry;
    char *name = line + strcspn(line, " \t");
    if (!*name)
        return tls_reason_set(why, "a name must follow the key");
    *name++ = 0;
    name += strspn(name, " \t");
    if (strlen(name) >= TLS_NAME_MAX || strpbrk(name, " \t*") || strstr(name, "://"))
        return tls_reason_set(why, "\"%.40s\" cannot be the name of a key", name);
    if (!parse_key(line, entry.pin))
        return tls_reason_set(why, "\"%.40s\" is neither a public key nor its sha256: pin", line);
    for (size_t i = 0; i < known->count; i++) {
        if (memcmp(known->entries[i].pin, entry.pin, TLS_PIN_SIZE) == 0)
            return tls_reason_set(why, "the key of \"%s\" comes a second time",
                                  known->entries[i].name);
        if (strcasecmp(known->entries[i].name, name) == 0)
            return tls_reason_set(why, "the name \"%s\" comes a second time", name);
    }
    struct entry *more = check_resize(known->entries, (known->count + 1) * sizeof *more);
    known->entries = more;
    entry.name = check_strdup(name);
    more[known->count++] = entry;
    return ERR_OK;
}

enum err tls_known_keys_load(const char *path, struct tls_known_keys **out, struct tls_reason why)
{
    struct tls_known_keys *known = check_alloc(sizeof *known);
    known->lines.on_line = on_line;
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
        free(known->entries[i].name);
    free(known->entries);
    free(known);
}

const char *tls_known_keys_name(const struct tls_known_keys *known,
                                const uint8_t pin[static TLS_PIN_SIZE])
{
    for (size_t i = 0; i < known->count; i++) {
        if (memcmp(known->entries[i].pin, pin, TLS_PIN_SIZE) == 0)
            return known->entries[i].name;
    }
    return NULL;
}

size_t tls_known_keys_count(const struct tls_known_keys *known)
{
    return known->count;
}

void tls_known_keys_describe(const struct tls_known_keys *known, char *text, size_t size)
{
    char pin[TLS_PIN_TEXT_SIZE];
    tls_pin_format(known->entries[0].pin, pin);
    int used = snprintf(text, size, "%s is %s", known->entries[0].name, pin);
    if (known->count > 1 && used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ", and %zu more", known->count - 1);
}
