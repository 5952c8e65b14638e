/* A ClientHello, which anybody may send, looked at before GnuTLS gets it, and the key of the
 * ticket in it. The input as it is; and as a script from which a ClientHello is made, whose reader
 * must find just what was put in. */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/session_private.h"
#include "tls/ticket_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S      1800000000
#define LIFETIME_S 3600
#define KEYS       3

/* Tickets have names that change with the time. */
time_t time(time_t *now)
{
    if (now)
        *now = NOW_S;
    return NOW_S;
}

static bool is_same(const struct tls_client_hello *a, const struct tls_client_hello *b)
{
    return a->session_id_size == b->session_id_size && a->has_ticket == b->has_ticket &&
           (!a->session_id_size || !memcmp(a->session_id, b->session_id, a->session_id_size));
}

/* A copy of the exact size, so that the sanitizer sees a read beyond it. */
static bool read_exact(const uint8_t *bytes, size_t size, struct tls_client_hello *out,
                       uint8_t **copy)
{
    *copy = malloc(size ? size : 1);
    must(*copy);
    if (size)
        memcpy(*copy, bytes, size);
    return tls_client_hello_read(*copy, size, out);
}

static void check_reading(const uint8_t *data, size_t size)
{
    struct tls_client_hello hello, again;
    uint8_t *copy, *shorter;
    if (read_exact(data, size, &hello, &copy)) {
        size_t record = 5 + (size_t)(data[3] << 8 | data[4]);
        must(record <= size && hello.session_id_size <= 32);
        must(!hello.session_id_size ||
             (hello.session_id >= copy && hello.session_id + hello.session_id_size <= copy + size));
        must(read_exact(data, record, &again, &shorter) && is_same(&hello, &again));
        free(shorter);
        must(!read_exact(data, record - 1, &again, &shorter));
        free(shorter);
    }
    free(copy);
}

/* ---- ticket keys ---- */

static struct tls_ticket_keys keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void make_keys(void)
{
    struct tls_key_file file = {.count = KEYS};
    for (size_t i = 0; i < KEYS; i++)
        memset(file.keys[i], (int)(1 + i), sizeof file.keys[i]);
    if (!keys.count)
        tls_ticket_key_share(&keys, &file);
}

/* As GnuTLS derives it from a key that was given to it. */
static void name_of(unsigned key, unsigned periods_ago, uint8_t name[TLS_TICKET_KEY_NAME])
{
    uint8_t input[8 + TLS_TICKET_KEY_SIZE], derived[64];
    struct wire_writer w = wire_writer(input, sizeof input);
    wire_put_u64(&w, NOW_S / (LIFETIME_S * 3) - periods_ago);
    memset(w.at, (int)(1 + key), TLS_TICKET_KEY_SIZE);
    must(gnutls_hash_fast(GNUTLS_DIG_SHA3_512, input, sizeof input, derived) == 0);
    memcpy(name, derived, TLS_TICKET_KEY_NAME);
}

/* The key whose name is in it, the first one otherwise. */
static void check_choice(const uint8_t *hello, size_t size)
{
    struct tls_ticket_key *key = tls_ticket_key_choose(&keys, LIFETIME_S, hello, size);
    unsigned expected = 0;
    for (unsigned i = KEYS; i-- > 1;)
        for (unsigned ago = 0; ago < 2; ago++) {
            uint8_t name[TLS_TICKET_KEY_NAME];
            name_of(i, ago, name);
            if (size && memmem(hello, size, name, sizeof name))
                expected = i;
        }
    must(key == keys.keys[expected]);
    tls_ticket_key_unref(key);
}

/* ---- made from a script ---- */

#define HELLO_MAX 4000

static void put_run(struct wire_writer *w, struct wire_reader *script, size_t size)
{
    for (size_t i = 0; i < size; i++)
        wire_put_u8(w, wire_left(script) ? wire_get_u8(script) : i);
}

static void put_ticket(struct wire_writer *w, uint8_t about)
{
    uint8_t name[TLS_TICKET_KEY_NAME];
    name_of(about % (KEYS + 1), about >> 2 & 3, name);
    wire_put_u16(w, sizeof name + 8);
    wire_put_bytes(w, name, sizeof name);
    wire_put_u64(w, about);
}

static void put_extension(struct wire_writer *w, struct wire_reader *script,
                          struct tls_client_hello *expected)
{
    static const uint16_t types[] = {35, 41, 43, 10, 0, 51};
    uint8_t about = wire_get_u8(script), more = wire_get_u8(script);
    uint16_t type = types[about % 6];
    wire_put_u16(w, type);
    if (type == 43) {
        size_t count = more % 6;
        wire_put_u16(w, 1 + 2 * count);
        wire_put_u8(w, 2 * count);
        for (size_t i = 0; i < count; i++) {
            uint16_t version = about & 0x40 && i == 2 ? 0x0304 : wire_get_u16(script);
            wire_put_u16(w, version);
        }
    } else if (about & 0x80 && (type == 35 || type == 41)) {
        put_ticket(w, more);
        expected->has_ticket = true;
    } else {
        wire_put_u16(w, more);
        put_run(w, script, more);
        expected->has_ticket = expected->has_ticket || (more && (type == 35 || type == 41));
    }
}

static void put_length(uint8_t *at, size_t width, const uint8_t *end)
{
    struct wire_writer w = wire_writer(at, width);
    wire_put(&w, (uint64_t)(end - at) - width, width);
}

static void make_hello(struct wire_reader script)
{
    uint8_t bytes[HELLO_MAX], *copy;
    struct tls_client_hello expected = {0}, hello;
    struct wire_writer w = wire_writer(bytes, sizeof bytes);
    wire_put_bytes(&w, "\x16\x03\x01\0\0\x01\0\0\0\x03\x03", 11);
    put_run(&w, &script, 32);
    expected.session_id_size = wire_get_u8(&script) % 33u;
    wire_put_u8(&w, expected.session_id_size);
    expected.session_id = w.at;
    put_run(&w, &script, expected.session_id_size);
    wire_put_bytes(&w, "\0\x02\x13\x01\x01\0", 6);
    uint8_t *extensions = w.at;
    wire_put_u16(&w, 0);
    for (unsigned i = 0; i < 12 && wire_left(&script); i++)
        put_extension(&w, &script, &expected);
    must(!w.overrun);
    put_length(extensions, 2, w.at);
    put_length(bytes + 6, 3, w.at);
    put_length(bytes + 3, 2, w.at);
    size_t size = (size_t)(w.at - bytes);
    must(read_exact(bytes, size, &hello, &copy) && is_same(&hello, &expected));
    check_choice(bytes, size);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_keys();
    check_reading(data, size);
    check_choice(data, size);
    make_hello(wire_reader(data, size));
    return 0;
}
