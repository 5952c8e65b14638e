/* tls/cipher.h: private to tls/: which cipher this processor is fastest with. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* True if ChaCha20-Poly1305 is faster here than AES-128-GCM; measured once by encrypting a few full
 * records with each (0.2 ms with AES instructions, some ms without). Thread: any. */
bool tls_cipher_is_chacha_faster(void);
/* The rule: ChaCha20-Poly1305 where it takes less than four fifths of AES-128-GCM's time.
 * INT64_MAX: there is no such cipher. */
bool tls_cipher_prefers_chacha(int64_t chacha_ns, int64_t aes_ns);
