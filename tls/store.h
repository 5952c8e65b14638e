/* tls/store.h: sessions of TLS 1.2 that a server remembers, so that a client that comes back can
 * resume its master by session id (RFC 5246 section 7.4.1.2). Children need it not: what they are
 * resumed from is in their generation, which no other entry can push out.
 *
 * The key of an entry has two parts, the session id and the context of the
 * credentials that made it (CA, revocation lists, pins, names allowed, versions, ciphers; not the
 * server's own certificate, so that several servers can share a store). A session is found only
 * under the very same context: a tunnel with other rules, or the same tunnel after a change of its
 * rules, does not see it. And what is found still has to pass: the client's certificate is part of
 * the session, and is verified again (names, dates, revocation) whenever one is resumed.
 *
 * The first writer wins: the same key with other data is refused and counted. GnuTLS before 2.8.5
 * stored a session anew each time it was resumed, and children that were fetching the entry at that
 * moment failed (help-gnutls, October 2009).
 *
 * Bounded by entries and by bytes; the least recently used go first. Secrets are wiped. Sharded: a
 * look-up holds one of TLS_STORE_SHARDS locks, and under it calls nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_STORE_SHARDS 16
/* One entry may have that many bytes (a session of a client with a chain of 2 certificates: 2 KB).
 */
#define TLS_STORE_MAX_VALUE 32768

struct tls_store;
struct tls_store_redis;

struct tls_store_options {
    size_t max_entries;            /* 0: 10000; rounded up to a multiple of TLS_STORE_SHARDS */
    size_t max_bytes;              /* 0: 32 MiB; the same */
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
