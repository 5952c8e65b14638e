/* tls/known_keys.h: private to tls/: the file of known raw public keys (RFC 7250), in the manner of
 * SSH's known_hosts and WireGuard's peers. One key in a line, then its name:
 *
 *   sha256:9f86d0818884…                         laptop
 *   MCowBQYDK2VwAyEAqBb…                         office.example
 *
 * that is a pin (tls/identity.h), or the SubjectPublicKeyInfo in base64: a PEM public key without
 * its first and last line. "#" begins a comment. A key or a name that comes twice is an error. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tls/files.h"
#include "tls/identity.h"

struct tls_known_keys;

/* ERR_OK, or ERR_TLS_CREDENTIALS with file and line. Owns: tls_known_keys_free. */
enum err tls_known_keys_load(const char *path, struct tls_known_keys **out, struct tls_files *files,
                             struct tls_reason why);
void tls_known_keys_free(struct tls_known_keys *known); /* NULL is fine */
/* The name of the key, NULL if it is not known. Thread: any. */
const char *tls_known_keys_name(const struct tls_known_keys *known,
                                const uint8_t pin[static TLS_PIN_SIZE]);
/* The number of keys; each has a name of its own. */
size_t tls_known_keys_count(const struct tls_known_keys *known);
/* The first key and how many others there are, for the log: `server is sha256:…`. */
void tls_known_keys_describe(const struct tls_known_keys *known, char *text, size_t size);
