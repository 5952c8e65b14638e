/* tls/store_seal.h: private to tls/: a session as it is kept outside of the process: encrypted and
 * authenticated with AES-256-GCM, bound to its context and session id.
 *
 *   version (1 byte: 1), key id (8), nonce (12), encrypted { expiry (8), session }, tag (16)
 *
 * The key id is the beginning of a hash of the key. The nonce is random: with 2^32 values of one
 * key the chance of a repetition is 2^-32 (NIST SP 800-38D section 8.3), so rotate before that. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/key_file.h"
#include "tls/store.h"

#define TLS_STORE_KEY_SIZE 32

/* With the first key. Owns: caller frees; *sealed_size bytes. */
uint8_t *tls_store_seal(const struct tls_key_file *keys, const struct tls_store_key *key,
                        const void *data, size_t size, int64_t expires_at, size_t *sealed_size);

/* False: too short or too long, another version, an unknown key, or not what we sealed under this
 * key of the store. Owns: caller wipes and frees *data. */
bool tls_store_unseal(const struct tls_key_file *keys, const struct tls_store_key *key,
                      const void *sealed, size_t sealed_size, uint8_t **data, size_t *size,
                      int64_t *expires_at);
