/* tls/client_cache.h: the sessions that a client keeps for the next association with a server:
 * tickets and sessions of all tunnels of the process, optionally in a file for the next process.
 *
 * An entry is found only for the same peer (address and name, as the caller tells peers apart)
 * under the same configuration: its key changes with the content of CA, revocation lists, pins, own
 * certificate, and with expected name, versions, ciphers, mode of the children. And the peer's
 * certificate, which is part of the session, is verified again at every resumption.
 *
 * Tickets of TLS 1.3 are used once (RFC 8446 appendix C.4): taking one removes it, so that two
 * associations never send the same; each new master brings another. A session of TLS 1.2 stays and
 * can be taken again. Per peer: one session of TLS 1.2, or up to TLS_CLIENT_CACHE_PER_PEER tickets,
 * oldest out first. (After curl's lib/vtls/vtls_scache.c.)
 *
 * Not for TLS_CHILDREN_PSK: nothing of those may outlive the association, and
 * tls_session_take_ticket gives none. Bounded; secrets are wiped. Thread: any, all functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tls/credentials.h"
#include "tls/generation.h"

#define TLS_CLIENT_CACHE_PER_PEER 2
/* However long the server says: seven days (RFC 8446 section 4.6.1), one for TLS 1.2. */
#define TLS_CLIENT_CACHE_MAX_S    604800
#define TLS_CLIENT_CACHE_MAX_12_S 86400

struct tls_client_cache;

struct tls_client_cache_key {
    uint8_t hash[32];
};

struct tls_client_cache_statistics {
    uint64_t peers, tickets; /* there now */
    uint64_t hits, misses;   /* of take */
    uint64_t stored, expired, evicted;
    uint64_t refused; /* expired, or too large, when they came */
};

/* max_peers: 0: 256; the least recently used goes first. Owns: caller. */
struct tls_client_cache *tls_client_cache_new(size_t max_peers);
/* Wiped. NULL is fine. When nobody uses it any more. */
void tls_client_cache_free(struct tls_client_cache *cache);

/* peer: text that is the same whenever the same server is meant, and else not. */
struct tls_client_cache_key tls_client_cache_key(const struct tls_credentials *credentials,
                                                 const char *peer);

/* The newest, for tls_session_new_master; NULL: none. Owns: caller. One that was not used goes back
 * with tls_client_cache_put; one that was given to a master whose handshake never began comes back
 * by tls_session_take_ticket. */
struct tls_ticket *tls_client_cache_take(struct tls_client_cache *cache,
                                         const struct tls_client_cache_key *key);
/* Keeps what tls_session_take_ticket gave. NULL is fine. Owns: the cache. */
void tls_client_cache_put(struct tls_client_cache *cache, const struct tls_client_cache_key *key,
                          struct tls_ticket *ticket);
/* All of one peer, after a resumption that failed: what else there is of it is as stale. */
void tls_client_cache_forget(struct tls_client_cache *cache,
                             const struct tls_client_cache_key *key);

void tls_client_cache_statistics(struct tls_client_cache *cache,
                                 struct tls_client_cache_statistics *out);

/* Writes all entries to path, mode 0600, whole or not at all (by way of path.new, and rename), and
 * down to the disk; of more than 16 MB the last used. The tickets are in two places then: save when
 * the process ends. ERR_OK, or ERR_TLS_CREDENTIALS with a sentence in why. Not on a worker. */
enum err tls_client_cache_save(struct tls_client_cache *cache, const char *path, char *why,
                               size_t why_size);
/* Adds the entries of the file and removes it, so that no ticket is used by two processes; also a
 * path.new of a process that was killed while it saved. Reads only a file of root's or ours that
 * nobody else may use, of this version and with the right checksum: ERR_TLS_CREDENTIALS with a
 * sentence otherwise, and nothing is added. No file: ERR_OK. The checksum is against accidents: an
 * attacker who can write the file can read the secrets in it as well. */
enum err tls_client_cache_load(struct tls_client_cache *cache, const char *path, char *why,
                               size_t why_size);
