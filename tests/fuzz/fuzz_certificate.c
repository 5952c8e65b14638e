/* The names in a peer's certificate. The input as a DER certificate; or as a script of names, from
 * which one is made: what comes out as a name was put in as one of that kind, all of it, and what a
 * pattern lets in has such a name. */
#include <arpa/inet.h>
#include <ctype.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/credentials_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DER_MAX   20000
#define NAMES_MAX 300

enum { OTHER = 0x80, EMAIL, DNS, X400, DIRECTORY, EDI, URI, ADDRESS, ID };

/* Written from its end, so that each length is known when it is its turn. */
struct der {
    uint8_t bytes[DER_MAX];
    size_t at;
};

struct put_in {
    uint8_t type; /* 0: common name */
    const uint8_t *bytes;
    size_t length;
};

static struct put_in put_in[NAMES_MAX];
static size_t put_in_count;

static void prepend(struct der *der, const void *bytes, size_t length)
{
    must(der->at >= length);
    der->at -= length;
    if (length)
        memcpy(der->bytes + der->at, bytes, length);
}

/* Tag and length in front of all that was written since the end was at `end`. */
static void wrap(struct der *der, uint8_t tag, size_t end)
{
    size_t length = end - der->at;
    uint8_t long_form[] = {tag, 0x82, (uint8_t)(length >> 8), (uint8_t)length},
            short_form[] = {tag, (uint8_t)length}, middle[] = {tag, 0x81, (uint8_t)length};
    if (length < 128)
        prepend(der, short_form, sizeof short_form);
    else if (length < 256)
        prepend(der, middle, sizeof middle);
    else
        prepend(der, long_form, sizeof long_form);
}

static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
/* An Ed25519 key: any 32 bytes are one. */
static const uint8_t key[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21,
                              0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,
                              11,   12,   13,   14,   15,   16,   17,   18,   19,   20,   21,
                              22,   23,   24,   25,   26,   27,   28,   29,   30,   31,   32};

static void prepend_name(struct der *der, uint8_t string_type, const uint8_t *text, size_t length)
{
    size_t end = der->at;
    prepend(der, text, length);
    wrap(der, string_type, end);
    prepend(der, "\x06\x03\x55\x04\x03", 5);
    wrap(der, 0x30, end);
    wrap(der, 0x31, end);
    wrap(der, 0x30, end);
}

static const uint8_t *take(struct wire_reader *script, size_t *length)
{
    if (*length > wire_left(script))
        *length = wire_left(script);
    return wire_get_bytes(script, *length);
}

/* Backwards, too: the last of the script comes first. */
static void prepend_alternatives(struct der *der, struct wire_reader *script)
{
    size_t end = der->at;
    while (wire_left(script) && put_in_count < NAMES_MAX && der->at > 2000) {
        uint8_t type = 0x80 | wire_get_u8(script) % 9;
        size_t length = wire_get_u8(script), before = der->at;
        const uint8_t *bytes = take(script, &length);
        prepend(der, bytes, length);
        if (type == OTHER || type == X400 || type == DIRECTORY || type == EDI) /* constructed */
            type |= 0x20;
        wrap(der, type, before);
        put_in[put_in_count++] = (struct put_in){type, bytes, length};
    }
    wrap(der, 0x30, end);
    wrap(der, 0x04, end);
    prepend(der, "\x06\x03\x55\x1d\x11", 5);
    wrap(der, 0x30, end);
    wrap(der, 0x30, end);
    wrap(der, 0xa3, end);
}

static void make_certificate(struct der *der, struct wire_reader script)
{
    static const uint8_t string_types[] = {0x0c, 0x13, 0x16, 0x14, 0x1e, 0x1c};
    der->at = sizeof der->bytes;
    put_in_count = 0;
    uint8_t about = wire_get_u8(&script);
    size_t length = wire_get_u8(&script);
    const uint8_t *text = take(&script, &length);
    put_in[put_in_count++] = (struct put_in){0, text, length};
    size_t end = der->at;
    prepend(der, "\x03\x09\0\x30\x06\x02\x01\x01\x02\x01\x01", 11);
    prepend(der, ecdsa_sha256, sizeof ecdsa_sha256);
    size_t tbs = der->at;
    if (about & 0x80)
        prepend_alternatives(der, &script);
    prepend(der, key, sizeof key);
    prepend_name(der, string_types[about % 6], text, length);
    prepend(der,
            "\x30\x1e\x17\x0d"
            "250101000000Z"
            "\x17\x0d"
            "490101000000Z",
            32);
    prepend_name(der, 0x0c, (const uint8_t *)"ca", 2);
    prepend(der, ecdsa_sha256, sizeof ecdsa_sha256);
    prepend(der, "\xa0\x03\x02\x01\x02\x02\x01\x05", 8);
    wrap(der, 0x30, tbs);
    wrap(der, 0x30, end);
}

/* ---- what must hold ---- */

static bool was_put_in(uint8_t type, const char *text)
{
    for (size_t i = 0; i < put_in_count; i++)
        if (put_in[i].type == type && put_in[i].length == strlen(text) &&
            !memcmp(put_in[i].bytes, text, put_in[i].length))
            return true;
    return false;
}

static bool address_was_put_in(const char *text)
{
    uint8_t bytes[16];
    size_t length = inet_pton(AF_INET, text, bytes) == 1 ? 4 : 16;
    must(length == 4 || inet_pton(AF_INET6, text, bytes) == 1);
    for (size_t i = 0; i < put_in_count; i++)
        if (put_in[i].type == ADDRESS && put_in[i].length == length &&
            !memcmp(put_in[i].bytes, bytes, length))
            return true;
    return false;
}

static void check_name(const struct tls_name *name, bool made)
{
    size_t length = strlen(name->text);
    must(length > 0 && length < TLS_NAME_MAX);
    for (size_t i = 0; i < length; i++)
        must(!iscntrl((unsigned char)name->text[i]));
    if (!made)
        return;
    switch (name->kind) {
    case TLS_NAME_DNS:
        must(was_put_in(DNS, name->text));
        break;
    case TLS_NAME_URI:
        must(was_put_in(URI, name->text));
        break;
    case TLS_NAME_IP:
        must(address_was_put_in(name->text));
        break;
    case TLS_NAME_COMMON: /* GnuTLS turns some string types into UTF-8 */
        must(put_in_count == 1);
        break;
    case TLS_NAME_KNOWN:
        must(!"a certificate gives no such name");
    }
}

/* Patterns as they stand in configurations, and the kind of name that each means. */
static void check_patterns(const struct tls_identity *identity)
{
    static const struct {
        const char *pattern, *within;
        enum tls_name_kind kind;
    } all[] = {{"server.example", "server.example", TLS_NAME_DNS},
               {"*.clients.example", ".clients.example", TLS_NAME_DNS},
               {"spiffe://x/*", "spiffe://x/", TLS_NAME_URI},
               {"10.0.0.1", "10.0.0.1", TLS_NAME_IP}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool found = false;
        for (size_t n = 0; n < identity->name_count; n++) {
            const struct tls_name *name = &identity->names[n];
            found = found || ((name->kind == all[i].kind || name->kind == TLS_NAME_COMMON) &&
                              strcasestr(name->text, all[i].within) && !strchr(name->text, '*'));
        }
        must(found || !tls_identity_matches(identity, &all[i].pattern, 1));
    }
}

static void check_certificate(const uint8_t *bytes, size_t size, bool made)
{
    struct tls_identity *identity = tls_identity_new(TLS_IDENTITY_CERTIFICATE);
    struct tls_verdict verdict = {0};
    char text[TLS_NAME_MAX * 2];
    tls_identity_add_proof(identity, bytes, size);
    tls_verify_name(NULL, identity, &verdict);
    enum err e = verdict.err;
    must(e == ERR_OK || (e == ERR_TLS_PEER_UNVERIFIED && verdict.detail[0]));
    must(e == ERR_OK || !identity->name_count);
    must(e != ERR_OK || (identity->has_pin && identity->label[0]));
    for (size_t i = 0; i < identity->name_count; i++)
        check_name(&identity->names[i], made);
    check_patterns(identity);
    tls_identity_describe(identity, text, sizeof text);
    must(strlen(text) < sizeof text);
    tls_identity_unref(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct der der;
    if (!size)
        return 0;
    if (data[0] & 1) {
        make_certificate(&der, wire_reader(data + 1, size - 1));
        check_certificate(der.bytes + der.at, sizeof der.bytes - der.at, true);
    } else {
        check_certificate(data + 1, size - 1, false);
    }
    return 0;
}
