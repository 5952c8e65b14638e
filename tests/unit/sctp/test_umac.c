/* UMAC-128: known values, every length, near the modulus. */
#include "sctp/umac.h"

#include <nettle/umac.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define LARGEST 66000

static struct umac128_ctx key;
static const uint8_t nonce[SCTP_UMAC_NONCE] = "bcdefghi";

static bool matches(const uint8_t *data, size_t length, const uint8_t *expected)
{
    uint8_t tag[SCTP_UMAC_TAG];
    sctp_umac(&key, nonce, data, data + SCTP_UMAC_HEAD, length - SCTP_UMAC_HEAD, tag);
    return !memcmp(tag, expected, sizeof tag);
}

static bool as_nettle(const uint8_t *data, size_t length)
{
    struct umac128_ctx other = key;
    uint8_t tag[SCTP_UMAC_TAG];
    umac128_set_nonce(&other, sizeof nonce, nonce);
    umac128_update(&other, length, data);
    umac128_digest(&other, sizeof tag, tag);
    return matches(data, length, tag);
}

/* RFC 4418, appendix. */
static void known_values(void)
{
    static const struct {
        size_t count;
        uint8_t tag[SCTP_UMAC_TAG];
    } rows[] = {{1 << 10,
                 {0x7a, 0x54, 0xab, 0xe0, 0x4a, 0xf8, 0x2d, 0x60, 0xfb, 0x29, 0x8c, 0x3c, 0xbd,
                  0x19, 0x5b, 0xcb}},
                {1 << 15,
                 {0x7b, 0x13, 0x6b, 0xd9, 0x11, 0xe4, 0xb7, 0x34, 0x28, 0x6e, 0xf2, 0xbe, 0x50,
                  0x1f, 0x2c, 0x3c}}};
    static uint8_t data[1 << 15];
    memset(data, 'a', sizeof data);
    umac128_set_key(&key, (const uint8_t *)"abcdefghijklmnop");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ok(matches(data, rows[i].count, rows[i].tag), "%zu times a", rows[i].count);
}

/* Of every length and alignment. Each is in memory of its own, so that a checker of memory sees
 * what is read. */
static void any_length(void)
{
    uint32_t random = (uint32_t)tap_seed();
    uint8_t bytes[16];
    unsigned wrong = 0;
    for (size_t length = SCTP_UMAC_HEAD; length < LARGEST;
         length += length < 2200 ? 1 : 509 * (size_t)tap_scaled(4) / 4) {
        uint8_t *memory = check_alloc(length + length % 4), *data = memory + length % 4;
        for (size_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            data[i] = (uint8_t)(random >> 24);
        }
        memcpy(bytes, data, sizeof bytes);
        umac128_set_key(&key, bytes);
        wrong += !as_nettle(data, length);
        free(memory);
    }
    ok(!wrong, "32 bytes to 66000: as nettle's");
}

/* A word of the polynomial near 2^64, which chance does not bring. */
static void near_the_modulus(void)
{
    static uint8_t data[4 * UMAC_BLOCK_SIZE];
    unsigned wrong = 0;
    umac128_set_key(&key, (const uint8_t *)"abcdefghijklmnop");
    memset(key.l1_key, 0, sizeof key.l1_key);
    for (size_t block = 0; block < 4; block++) { /* ffffffff * ffffffff + ffffffff * 1 */
        uint8_t *at = data + block * UMAC_BLOCK_SIZE;
        memset(at, 0xff, 8);
        memset(at + 16, 0xff, 4);
        at[20] = 1;
        for (size_t length = SCTP_UMAC_HEAD; length <= sizeof data; length += 8)
            wrong += !as_nettle(data, length);
    }
    ok(!wrong, "sums of a block that are near 2^64");
}

int main(void)
{
    known_values();
    any_length();
    near_the_modulus();
    return tap_done();
}
