/* tls/identity.c: names and pins of peers, and the patterns that match them. */
#include "tls/identity.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/quote.h"

static const char PREFIX[] = "sha256:";
#define PREFIX_LENGTH (sizeof PREFIX - 1)

static bool parse_hex(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    size_t size = TLS_PIN_SIZE;
    for (size_t i = 0; text[i]; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
    }
    return gnutls_hex_decode(
               &(gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)}, pin,
               &size) == 0 &&
           size == TLS_PIN_SIZE;
}

/* GnuTLS's decoder skips what it does not know; a pin with an odd character is none. */
static bool parse_base64(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    char padded[45];
    snprintf(padded, sizeof padded, "%.43s=", text);
    for (size_t i = 0; i < 43; i++) {
        if (!isalnum((unsigned char)padded[i]) && padded[i] != '+' && padded[i] != '/')
            return false;
    }
    gnutls_datum_t raw, input = {(unsigned char *)padded, 44};
    if (gnutls_base64_decode2(&input, &raw) < 0)
        return false;
    bool fits = raw.size == TLS_PIN_SIZE;
    if (fits)
        memcpy(pin, raw.data, TLS_PIN_SIZE);
    gnutls_free(raw.data);
    return fits;
}

bool tls_pin_parse(const char *text, uint8_t pin[static TLS_PIN_SIZE])
{
    if (strncmp(text, PREFIX, PREFIX_LENGTH) != 0)
        return false;
    text += PREFIX_LENGTH;
    size_t length = strlen(text);
    if (length == 2 * TLS_PIN_SIZE)
        return parse_hex(text, pin);
    return (length == 43 || (length == 44 && text[43] == '=')) && parse_base64(text, pin);
}

void tls_pin_format(const uint8_t pin[static TLS_PIN_SIZE], char text[static TLS_PIN_TEXT_SIZE])
{
    memcpy(text, PREFIX, PREFIX_LENGTH);
    for (size_t i = 0; i < TLS_PIN_SIZE; i++)
        snprintf(text + PREFIX_LENGTH + 2 * i, 3, "%02x", pin[i]);
}

void tls_pin_of(const void *spki, size_t size, uint8_t pin[static TLS_PIN_SIZE])
{
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, spki, size, pin) == 0);
}

/* Longest label of a DNS name (RFC 1035 section 2.3.4). */
#define LABEL_MAX 63

static const char *const kind_names[] = {[TLS_NAME_DNS] = "dns",
                                         [TLS_NAME_IP] = "ip",
                                         [TLS_NAME_URI] = "uri",
                                         [TLS_NAME_COMMON] = "cn",
                                         [TLS_NAME_KNOWN] = "known"};

struct tls_identity *tls_identity_new(enum tls_identity_kind kind)
{
    struct tls_identity *identity = check_alloc(sizeof *identity);
    atomic_init(&identity->references, 1);
    identity->kind = kind;
    return identity;
}

struct tls_identity *tls_identity_ref(const struct tls_identity *identity)
{
    struct tls_identity *counted = (struct tls_identity *)(uintptr_t)identity;
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return counted;
}

void tls_identity_unref(struct tls_identity *identity)
{
    if (!identity || atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < identity->name_count; i++)
        free(identity->names[i].text);
    for (size_t i = 0; i < identity->proof_count; i++)
        free(identity->proofs[i].data);
    free(identity->proofs);
    free(identity);
}

/* Names go to logs and are compared as C strings. */
static bool is_plain(const char *text, size_t length)
{
    if (!length || length >= TLS_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (iscntrl((unsigned char)text[i]))
            return false;
    }
    return true;
}

void tls_identity_add_name(struct tls_identity *identity, enum tls_name_kind kind, const void *text,
                           size_t length)
{
    if (!is_plain(text, length) || identity->name_count == TLS_IDENTITY_NAMES_MAX)
        return;
    struct tls_name *name = &identity->names[identity->name_count++];
    name->kind = kind;
    name->text = check_alloc(length + 1);
    memcpy(name->text, text, length);
    bool is_first = true;
    for (size_t i = 0; i + 1 < identity->name_count; i++)
        is_first = is_first && kind == TLS_NAME_DNS && identity->names[i].kind != TLS_NAME_DNS;
    if (is_first)
        snprintf(identity->label, sizeof identity->label, "%s", name->text);
}

void tls_identity_set_label(struct tls_identity *identity, const void *text, size_t length)
{
    if (!identity->name_count && is_plain(text, length))
        snprintf(identity->label, sizeof identity->label, "%.*s", (int)length, (const char *)text);
}

void tls_identity_add_proof(struct tls_identity *identity, const void *data, size_t size)
{
    struct tls_proof *more =
        check_resize(identity->proofs, (identity->proof_count + 1) * sizeof *more);
    identity->proofs = more;
    more += identity->proof_count++;
    more->data = check_alloc(size ? size : 1);
    more->size = size;
    memcpy(more->data, data, size);
}

void tls_identity_set_pin(struct tls_identity *identity, const uint8_t pin[static TLS_PIN_SIZE])
{
    identity->has_pin = true;
    memcpy(identity->pin, pin, TLS_PIN_SIZE);
    if (!identity->label[0])
        tls_pin_format(pin, identity->label);
}

static bool is_address(const char *text, char normal[static INET6_ADDRSTRLEN])
{
    unsigned char address[16];
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        if (inet_pton(families[i], text, address) == 1)
            return inet_ntop(families[i], address, normal, INET6_ADDRSTRLEN) != NULL;
    }
    return false;
}

/* "*.clients.example": the part from the first dot; NULL for any other pattern. */
static const char *wildcard_tail(const char *pattern)
{
    return strncmp(pattern, "*.", 2) == 0 ? pattern + 1 : NULL;
}

static bool is_label_character(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool host_matches(const char *name, const char *pattern)
{
    if (strchr(name, '*'))
        return false;
    const char *tail = wildcard_tail(pattern);
    if (!tail)
        return strcasecmp(name, pattern) == 0;
    size_t label = 0;
    while (is_label_character(name[label]))
        label++;
    return label && label <= LABEL_MAX && strcasecmp(name + label, tail) == 0;
}

/* True if the path below the star has only segments that mean what they look like. */
static bool is_honest_path(const char *path)
{
    while (true) {
        size_t length = strcspn(path, "/");
        if (!length || (length == 1 && path[0] == '.') ||
            (length == 2 && strncmp(path, "..", 2) == 0))
            return false;
        if (!path[length])
            return true;
        path += length + 1;
    }
}

static bool uri_matches(const char *name, const char *pattern)
{
    size_t length = strlen(pattern);
    if (pattern[length - 1] != '*')
        return strcmp(name, pattern) == 0;
    return strncmp(name, pattern, length - 1) == 0 && !strpbrk(name + length - 1, "%?#*\\") &&
           is_honest_path(name + length - 1);
}

/* A common name counts only in a certificate without alternative names. */
static bool has_only_common_name(const struct tls_identity *identity)
{
    for (size_t i = 0; i < identity->name_count; i++) {
        if (identity->names[i].kind != TLS_NAME_COMMON)
            return false;
    }
    return true;
}

static bool name_matches(const struct tls_identity *identity, const struct tls_name *name,
                         const char *pattern)
{
    char address[INET6_ADDRSTRLEN];
    if (strstr(pattern, "://"))
        return name->kind == TLS_NAME_URI && uri_matches(name->text, pattern);
    if (is_address(pattern, address))
        return name->kind == TLS_NAME_IP && strcmp(name->text, address) == 0;
    switch (name->kind) {
    case TLS_NAME_DNS:
    case TLS_NAME_KNOWN:
        return host_matches(name->text, pattern);
    case TLS_NAME_COMMON:
        return has_only_common_name(identity) && host_matches(name->text, pattern);
    case TLS_NAME_IP:
    case TLS_NAME_URI:
        break;
    }
    return false;
}

static bool matches(const struct tls_identity *identity, const char *pattern)
{
    uint8_t pin[TLS_PIN_SIZE];
    /* Never as a name: a certificate may spell anything. */
    if (strncmp(pattern, "sha256:", 7) == 0)
        return identity->has_pin && tls_pin_parse(pattern, pin) &&
               memcmp(pin, identity->pin, sizeof pin) == 0;
    for (size_t i = 0; i < identity->name_count; i++) {
        if (name_matches(identity, &identity->names[i], pattern))
            return true;
    }
    return false;
}

bool tls_identity_matches(const struct tls_identity *identity, const char *const *patterns,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* A pattern that was never checked lets nobody in. */
        if (tls_identity_check_pattern(patterns[i], NULL, 0) == ERR_OK &&
            matches(identity, patterns[i]))
            return true;
    }
    return false;
}

bool tls_identity_is_same(const struct tls_identity *one, const struct tls_identity *other)
{
    if (one->kind != other->kind || !one->proof_count || !other->proof_count)
        return false;
    const struct tls_proof *a = one->proofs, *b = other->proofs;
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0 &&
           (one->kind != TLS_IDENTITY_PSK || strcmp(one->label, other->label) == 0);
}

void tls_identity_key(const struct tls_identity *identity, char key[static TLS_IDENTITY_KEY_SIZE])
{
    static const char *const kinds[] = {[TLS_IDENTITY_CERTIFICATE] = "name",
                                        [TLS_IDENTITY_PINNED] = "pin",
                                        [TLS_IDENTITY_RAW_KEY] = "key",
                                        [TLS_IDENTITY_PSK] = "psk"};
    char pin[TLS_PIN_TEXT_SIZE] = "";
    if (identity->has_pin)
        tls_pin_format(identity->pin, pin);
    bool by_pin = identity->kind == TLS_IDENTITY_PINNED || !identity->name_count;
    snprintf(key, TLS_IDENTITY_KEY_SIZE, "%s:%s", kinds[identity->kind],
             by_pin && *pin ? pin : identity->label);
    for (char *c = key; *c && identity->kind == TLS_IDENTITY_CERTIFICATE && !strstr(key, "://");
         c++)
        *c = (char)tolower((unsigned char)*c);
}

void tls_identity_describe(const struct tls_identity *identity, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    char name[QUOTE_ROOM(TLS_NAME_MAX)];
    for (size_t i = 0; i < identity->name_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s %s", i ? ", " : "",
                                 kind_names[identity->names[i].kind],
                                 quote_text(name, sizeof name, identity->names[i].text));
    if (!used && identity->label[0] && strncmp(identity->label, "sha256:", 7) != 0)
        used = (size_t)snprintf(text, size, "%s", quote_text(name, sizeof name, identity->label));
    char pin[TLS_PIN_TEXT_SIZE];
    if (identity->has_pin && used < size) {
        tls_pin_format(identity->pin, pin);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", pin);
    }
}

/* Returns the fault of the pattern, or NULL. */
static const char *uri_fault(const char *pattern)
{
    const char *host = strstr(pattern, "://") + 3, *star = strchr(pattern, '*');
    if (!isalpha((unsigned char)pattern[0]) || !*host || *host == '/')
        return "a URI needs a scheme and a host";
    if (!star)
        return NULL;
    if (star[1] || star[-1] != '/' || star - 1 < host)
        return "a star in a URI stands alone, behind the last slash of its path";
    return NULL;
}

static const char *host_fault(const char *pattern)
{
    const char *tail = wildcard_tail(pattern);
    if (!strchr(pattern, '*'))
        return NULL;
    if (!tail || strchr(tail, '*'))
        return "a star stands for the whole first label of a name, and nowhere else";
    const char *dot = strchr(tail + 1, '.');
    if (tail[1] == '.' || !dot || !dot[1] || strstr(tail, ".."))
        return "two labels at least must follow the star";
    return NULL;
}

enum err tls_identity_check_pattern(const char *pattern, char *why, size_t why_size)
{
    uint8_t pin[TLS_PIN_SIZE];
    const char *fault;
    if (!is_plain(pattern, strlen(pattern)))
        fault = "it is empty, too long, or has a control character";
    else if (strncmp(pattern, "sha256:", 7) == 0)
        fault =
            tls_pin_parse(pattern, pin) ? NULL : "a pin has 64 hex digits, or 32 bytes in base64";
    else
        fault = strstr(pattern, "://") ? uri_fault(pattern) : host_fault(pattern);
    if (!fault)
        return ERR_OK;
    if (why_size)
        snprintf(why, why_size, "\"%s\" is not a valid pattern: %s", pattern, fault);
    return ERR_TLS_CREDENTIALS;
}
