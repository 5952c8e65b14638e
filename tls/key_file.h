/* tls/key_file.h: secret keys that several servers share, in a file: one key a line, in base64, of
 * equal size; "#" begins a comment. The first key is the current one, the others are still
 * accepted. From the next reading on, what a key protects that was taken out is refused; live
 * associations keep theirs.
 *
 *   tickets (tls_options.ticket_key_file): 64 bytes a key
 *   values in Redis (tls/store_redis.h):   32 bytes a key
 *
 * Rotation without a gap: put a new key in front of the others on one server, copy the file to the
 * others, make all of them read it again. Until the last has, it does not resume the new key's
 * tickets. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TLS_KEY_FILE_MAX_KEYS 8
#define TLS_KEY_MAX_SIZE      64

/* Zero-initialised is empty. */
struct tls_key_file {
    size_t count;
    uint8_t keys[TLS_KEY_FILE_MAX_KEYS][TLS_KEY_MAX_SIZE];
};

/* Reads 1 to TLS_KEY_FILE_MAX_KEYS keys of size bytes. Only a regular file that belongs to root or
 * to us, and that nobody else may read or write, is accepted. Returns ERR_OK, or
 * ERR_TLS_CREDENTIALS with a sentence in why and no keys. Owns: tls_key_file_clear. Thread: any,
 * but it reads a file. */
enum err tls_key_file_read(const char *path, size_t size, struct tls_key_file *file, char *why,
                           size_t why_size);
void tls_key_file_clear(struct tls_key_file *file);
