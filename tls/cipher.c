/* tls/cipher.c: measures which cipher is faster here. */
#include "tls/credentials_private.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/vaes_gcm.h"

#define RECORD_SIZE 16384
#define NONCE_SIZE  12
#define TAG_SIZE    16
/* The fastest counts: an interrupt can only make one slower. With 4 attempts and no margin AES lost
 * by chance in a busy user-mode kernel, which costs a processor with AES instructions nine times
 * the work: so more of them, and AES stays unless it is clearly slower. */
#define ATTEMPTS 16

/* ns for a record; INT64_MAX if GnuTLS has no such cipher (FIPS mode). */
static int64_t measure(gnutls_cipher_algorithm_t algorithm)
{
    static const uint8_t key_bytes[32], nonce[NONCE_SIZE];
    gnutls_datum_t key = {(unsigned char *)(uintptr_t)key_bytes,
                          (unsigned)gnutls_cipher_get_key_size(algorithm)};
    gnutls_aead_cipher_hd_t cipher;
    if (gnutls_aead_cipher_init(&cipher, algorithm, &key) < 0)
        return INT64_MAX;
    uint8_t *plain = check_alloc(RECORD_SIZE), *sealed = check_alloc(RECORD_SIZE + TAG_SIZE);
    int64_t best = INT64_MAX;
    for (int i = 0; i < ATTEMPTS; i++) {
        size_t size = RECORD_SIZE + TAG_SIZE;
        int64_t began = (int64_t)clock_ns();
        int rc = gnutls_aead_cipher_encrypt(cipher, nonce, NONCE_SIZE, NULL, 0, TAG_SIZE, plain,
                                            RECORD_SIZE, sealed, &size);
        int64_t took = (int64_t)clock_ns() - began;
        if (rc == 0 && took < best)
            best = took;
    }
    gnutls_aead_cipher_deinit(cipher);
    free(plain);
    free(sealed);
    return best;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_chacha_faster; /* a property of the processor: written once, under `once` */

bool tls_cipher_prefers_chacha(int64_t chacha_ns, int64_t aes_ns)
{
    return chacha_ns < INT64_MAX && chacha_ns + chacha_ns / 4 < aes_ns;
}

static void compare(void)
{
    if (tls_vaes_gcm_is_here())
        return;
    int64_t chacha = measure(GNUTLS_CIPHER_CHACHA20_POLY1305);
    is_chacha_faster = tls_cipher_prefers_chacha(chacha, measure(GNUTLS_CIPHER_AES_128_GCM));
}

bool tls_cipher_is_chacha_faster(void)
{
    pthread_once(&once, compare);
    return is_chacha_faster;
}
