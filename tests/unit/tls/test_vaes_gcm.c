/* Against GnuTLS's AES-GCM: each key size, length and place, and every way to be wrong. */
#include "tls/vaes_gcm.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define LONGEST (16384 + 256)
#define TAG     TLS_VAES_GCM_TAG

static unsigned seed;

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)rand_r(&seed);
}

static void by_gnutls(const uint8_t *key, size_t key_size, const uint8_t nonce[12],
                      const uint8_t *header, size_t header_size, const uint8_t *text, size_t length,
                      uint8_t *sealed)
{
    gnutls_aead_cipher_hd_t cipher;
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)key, (unsigned)key_size};
    size_t size = length + TAG;
    must(gnutls_aead_cipher_init(
             &cipher, key_size == 16 ? GNUTLS_CIPHER_AES_128_GCM : GNUTLS_CIPHER_AES_256_GCM,
             &datum) == 0);
    must(gnutls_aead_cipher_encrypt(cipher, nonce, 12, header, header_size, TAG, text, length,
                                    sealed, &size) == 0);
    gnutls_aead_cipher_deinit(cipher);
}

/* One text of length bytes, offset bytes behind an aligned place. */
static bool agrees(size_t key_size, size_t header_size, size_t length, size_t offset)
{
    static uint8_t text[LONGEST], expected[LONGEST + TAG], space[LONGEST + TAG + 64];
    uint8_t key[32], nonce[12], header[32], *bytes = space + offset;
    fill(key, sizeof key);
    fill(nonce, sizeof nonce);
    fill(header, sizeof header);
    fill(text, length);
    by_gnutls(key, key_size, nonce, header, header_size, text, length, expected);
    struct tls_vaes_gcm *gcm = tls_vaes_gcm_new(key, key_size);
    memcpy(bytes, text, length);
    tls_vaes_gcm_seal(gcm, nonce, header, header_size, bytes, length);
    bool same = memcmp(bytes, expected, length + TAG) == 0;
    bool opens = tls_vaes_gcm_open(gcm, nonce, header, header_size, bytes, length) &&
                 memcmp(bytes, text, length) == 0;
    tls_vaes_gcm_free(gcm);
    return same && opens;
}

static void agreement(size_t key_size)
{
    int wrong = 0, count = 0;
    for (size_t length = 0; length <= 1100; length++, count++)
        wrong += !agrees(key_size, 5, length, length % 64);
    for (int i = 0; i < 200; i++, count++)
        wrong += !agrees(key_size, (size_t)rand_r(&seed) % 32, (size_t)rand_r(&seed) % LONGEST,
                         (size_t)rand_r(&seed) % 64);
    ok(wrong == 0, "AES-%zu: %d texts, sealed as GnuTLS does it and opened again", 8 * key_size,
       count);
}

/* A bit of each byte, of what is sealed, of the header and of the nonce. */
static void forgeries(size_t key_size)
{
    enum { LENGTH = 300, ALL = LENGTH + TAG };
    uint8_t key[32], nonce[12], header[5], text[ALL], sealed[ALL], bytes[ALL];
    fill(key, sizeof key);
    fill(nonce, sizeof nonce);
    fill(header, sizeof header);
    fill(text, LENGTH);
    struct tls_vaes_gcm *gcm = tls_vaes_gcm_new(key, key_size);
    memcpy(sealed, text, LENGTH);
    tls_vaes_gcm_seal(gcm, nonce, header, sizeof header, sealed, LENGTH);
    int accepted = 0;
    for (size_t i = 0; i < ALL + sizeof header + sizeof nonce; i++) {
        memcpy(bytes, sealed, ALL);
        uint8_t *place = i < ALL                   ? bytes + i
                         : i < ALL + sizeof header ? header + (i - ALL)
                                                   : nonce + (i - ALL - sizeof header);
        *place ^= (uint8_t)(1 << i % 8);
        accepted += tls_vaes_gcm_open(gcm, nonce, header, sizeof header, bytes, LENGTH);
        *place ^= (uint8_t)(1 << i % 8);
    }
    ok(accepted == 0, "a bit flipped anywhere is noticed (%d accepted)", accepted);
    memcpy(bytes, sealed, ALL);
    ok(tls_vaes_gcm_open(gcm, nonce, header, sizeof header, bytes, LENGTH) &&
           memcmp(bytes, text, LENGTH) == 0,
       "and nothing else is");
    tls_vaes_gcm_free(gcm);
}

int main(void)
{
    uint8_t key[32] = {0};
    seed = (unsigned)tap_seed();
    ok(!tls_vaes_gcm_new(key, 24), "AES-192 is for others");
    tls_vaes_gcm_free(NULL);
    if (!tls_vaes_gcm_is_here()) {
        tap_skip("AES-GCM", "this processor, or the build, has no wide one");
        return tap_done();
    }
    agreement(16);
    agreement(32);
    forgeries(16);
    forgeries(32);
    return tap_done();
}
