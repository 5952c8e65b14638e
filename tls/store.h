/* tls/store.h: sessions of TLS 1.2 that a server remembers, so that a client that comes back can
 * resume its master by session id (RFC 5246 section 7.4.1.2). Children do not need it: theirs is in
 * their generation, which no other entry can push out.
 *
 * The key of an entry has two parts: the session id, and the context of the credentials that made
 * it (CA, revocation lists, pins, names allowed, versions, ciphers; not the server's own
 * certificate, so that several servers can share a store). Under other rules it is not found. And a
 * session that is found must still pass: it holds the client's certificate, which is verified again
 * (names, dates, revocation) at each resumption.
 *
 * The first writer wins: the same key with other data is refused and counted. GnuTLS before 2.8.5
 * stored a session anew each time it was resumed, and children that were fetching the entry at that
 * moment failed (help-gnutls, October 2009).
 *
 * Bounded by entries and by bytes; the least recently used go first. Secrets are wiped. One lock:
 * only masters come here, and a look-up takes a microsecond of the millisecond of their handshake.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/key_file.h"

/* One entry may have that many bytes (a session of a client with a chain of 2 certificates: 2 KB).
 */
#define TLS_STORE_MAX_VALUE 32768

struct tls_store;
struct tls_store_redis;

struct tls_store_options {
    size_t max_entries;            /* 0: 10000 */
    size_t max_bytes;              /* 0: 32 MiB */
    struct tls_store_redis *redis; /* NULL: none. Borrowed: it outlives the store. */
};

struct tls_store_key {
    uint8_t context[32];
    uint8_t id[32]; /* GnuTLS's ids have 32 bytes */
};

/* Since the start, but for entries and bytes. */
struct tls_store_statistics {
    uint64_t entries, bytes; /* there now */
    uint64_t hits, misses;   /* looked up by masters */
    uint64_t stored;
    uint64_t expired; /* went because of their time */
    uint64_t evicted; /* went to make room */
    uint64_t refused; /* other data under the same key, too large, or expired before they came */
};

/* Owns: caller has one reference; credentials that use it have theirs. */
struct tls_store *tls_store_new(const struct tls_store_options *options);
struct tls_store *tls_store_ref(struct tls_store *store);
/* NULL is fine. Wiped with the last reference. Thread: any. */
void tls_store_unref(struct tls_store *store);
/* Thread: any. */
void tls_store_statistics(struct tls_store *store, struct tls_store_statistics *out);
/* NULL: none. */
struct tls_store_redis *tls_store_redis_of(const struct tls_store *store);

/* The rest is for tls/ and tests. expires_at: wall clock, seconds. */

/* Copies. True if the entry is there now with this data. Thread: any. */
bool tls_store_put(struct tls_store *store, const struct tls_store_key *key, const void *data,
                   size_t size, int64_t expires_at);
/* A copy in *data, with its expiry, or false. Owns: caller wipes and frees it. Thread: any. */
bool tls_store_get(struct tls_store *store, const struct tls_store_key *key, uint8_t **data,
                   size_t *size, int64_t *expires_at);
/* True if it would be found; counts nothing. Thread: any. */
bool tls_store_has(struct tls_store *store, const struct tls_store_key *key);
void tls_store_remove(struct tls_store *store, const struct tls_store_key *key);

/* A session outside of the process: encrypted and authenticated with AES-256-GCM, bound to its
 * context and session id.
 *
 *   version (1 byte: 1), key id (8), nonce (12), encrypted { expiry (8), session }, tag (16)
 *
 * The key id is the beginning of a hash of the key. The nonce is random: with 2^32 values of one
 * key the chance of a repetition is 2^-32 (NIST SP 800-38D section 8.3), so rotate before that. */

#define TLS_STORE_KEY_SIZE 32

/* With the first key. Owns: caller frees; *sealed_size bytes. */
uint8_t *tls_store_seal(const struct tls_key_file *keys, const struct tls_store_key *key,
                        const void *data, size_t size, int64_t expires_at, size_t *sealed_size);

/* False: too short or too long, another version, an unknown key, or not what we sealed under this
 * key of the store. Owns: caller wipes and frees *data. */
bool tls_store_unseal(const struct tls_key_file *keys, const struct tls_store_key *key,
                      const void *sealed, size_t sealed_size, uint8_t **data, size_t *size,
                      int64_t *expires_at);
