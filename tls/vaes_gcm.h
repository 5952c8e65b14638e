/* tls/vaes_gcm.h: private to tls/: AES-GCM four blocks to an instruction (VAES and VPCLMULQDQ on
 * 512 bits), from Intel's multi-buffer library: 2.6 times as fast as GnuTLS's, which takes one
 * (docs/decisions/022). Only where library and processor have it; GnuTLS does the rest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_VAES_GCM_TAG 16

struct tls_vaes_gcm;

/* Looks whether it can be used here; takes 5 ms the first time (the library tests itself), so let
 * main be first. Thread: any. */
bool tls_vaes_gcm_is_here(void);

/* For a key of size bytes: 16 (AES-128) or 32 (AES-256). NULL: not here. Owns: the caller,
 * tls_vaes_gcm_free. Thread: one at a time, as all below. */
struct tls_vaes_gcm *tls_vaes_gcm_new(const uint8_t *key, size_t size);
/* Wipes. NULL is fine. */
void tls_vaes_gcm_free(struct tls_vaes_gcm *self);

/* Encrypts length bytes in place, and writes the tag behind them. */
void tls_vaes_gcm_seal(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length);
/* Decrypts length bytes in place, with the tag behind them. False: it does not fit, and what stands
 * in text then is worth nothing. */
bool tls_vaes_gcm_open(const struct tls_vaes_gcm *self, const uint8_t nonce[12],
                       const uint8_t *header, size_t header_size, uint8_t *text, size_t length);
