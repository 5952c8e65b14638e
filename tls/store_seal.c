/* tls/store_seal.c: encrypts sessions for the shared store. */
#include "tls/store.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/wipe.h"

#define VERSION     1
#define KEY_ID_SIZE 8
#define NONCE_SIZE  12
#define TAG_SIZE    16
#define HEAD_SIZE   (1 + KEY_ID_SIZE + NONCE_SIZE)
#define EXPIRY_SIZE 8

static void key_id(const uint8_t *secret, uint8_t id[static 32])
{
    static const char label[] = "hawser session store key id";
    uint8_t input[sizeof label + TLS_STORE_KEY_SIZE];
    memcpy(input, label, sizeof label);
    memcpy(input + sizeof label, secret, TLS_STORE_KEY_SIZE);
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, input, sizeof input, id) == 0);
    gnutls_memset(input, 0, sizeof input);
}

static gnutls_aead_cipher_hd_t open_cipher(const uint8_t *secret)
{
    uint8_t copy[TLS_STORE_KEY_SIZE];
    gnutls_datum_t key = {copy, sizeof copy};
    gnutls_aead_cipher_hd_t cipher;
    memcpy(copy, secret, sizeof copy);
    check_made(gnutls_aead_cipher_init(&cipher, GNUTLS_CIPHER_AES_256_GCM, &key) == 0);
    gnutls_memset(copy, 0, sizeof copy);
    return cipher;
}

uint8_t *tls_store_seal(const struct tls_key_file *keys, const struct tls_store_key *key,
                        const void *data, size_t size, int64_t expires_at, size_t *sealed_size)
{
    uint8_t id[32], *plain = check_alloc(EXPIRY_SIZE + size);
    size_t left = EXPIRY_SIZE + size + TAG_SIZE;
    uint8_t *sealed = check_alloc(HEAD_SIZE + left);
    struct wire_writer writer = wire_writer(plain, EXPIRY_SIZE + size);
    wire_put_u64(&writer, (uint64_t)expires_at);
    wire_put_bytes(&writer, data, size);

    key_id(keys->keys[0], id);
    sealed[0] = VERSION;
    memcpy(sealed + 1, id, KEY_ID_SIZE);
    uint8_t *nonce = sealed + 1 + KEY_ID_SIZE;
    must(gnutls_rnd(GNUTLS_RND_NONCE, nonce, NONCE_SIZE) == 0);
    gnutls_aead_cipher_hd_t cipher = open_cipher(keys->keys[0]);
    must(gnutls_aead_cipher_encrypt(cipher, nonce, NONCE_SIZE, key, sizeof *key, TAG_SIZE, plain,
                                    EXPIRY_SIZE + size, sealed + HEAD_SIZE, &left) == 0);
    gnutls_aead_cipher_deinit(cipher);
    tls_wipe_free(plain, EXPIRY_SIZE + size);
    *sealed_size = HEAD_SIZE + left;
    return sealed;
}

static const uint8_t *find_secret(const struct tls_key_file *keys, const uint8_t *wanted)
{
    uint8_t id[32];
    for (size_t i = 0; i < keys->count; i++) {
        key_id(keys->keys[i], id);
        if (memcmp(id, wanted, KEY_ID_SIZE) == 0)
            return keys->keys[i];
    }
    return NULL;
}

bool tls_store_unseal(const struct tls_key_file *keys, const struct tls_store_key *key,
                      const void *sealed, size_t sealed_size, uint8_t **data, size_t *size,
                      int64_t *expires_at)
{
    const uint8_t *bytes = sealed;
    if (sealed_size <= HEAD_SIZE + EXPIRY_SIZE + TAG_SIZE ||
        sealed_size > HEAD_SIZE + EXPIRY_SIZE + TLS_STORE_MAX_VALUE + TAG_SIZE ||
        bytes[0] != VERSION)
        return false;
    const uint8_t *secret = find_secret(keys, bytes + 1);
    if (!secret)
        return false;
    size_t left = sealed_size - HEAD_SIZE - TAG_SIZE;
    uint8_t *plain = check_alloc(left);
    gnutls_aead_cipher_hd_t cipher = open_cipher(secret);
    int rc = gnutls_aead_cipher_decrypt(cipher, bytes + 1 + KEY_ID_SIZE, NONCE_SIZE, key,
                                        sizeof *key, TAG_SIZE, bytes + HEAD_SIZE,
                                        sealed_size - HEAD_SIZE, plain, &left);
    gnutls_aead_cipher_deinit(cipher);
    if (rc < 0) {
        /* It may be the true session: only its tag was changed. */
        tls_wipe_free(plain, sealed_size - HEAD_SIZE - TAG_SIZE);
        return false;
    }
    struct wire_reader reader = wire_reader(plain, left);
    *expires_at = (int64_t)wire_get_u64(&reader);
    *size = left - EXPIRY_SIZE;
    *data = check_alloc(*size);
    memcpy(*data, plain + EXPIRY_SIZE, *size);
    tls_wipe_free(plain, left);
    return true;
}
