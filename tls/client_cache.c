#include "tls/client_cache.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/client_cache_private.h"
#include "tls/credentials_private.h"

#define DEFAULT_PEERS 256
/* A session holds the chain of the server: 2 KB with two certificates. */
#define TICKET_MAX 65536

struct tls_client_cache *tls_client_cache_new(size_t max_peers)
{
    struct tls_client_cache *cache = check_alloc(sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
    TAILQ_INIT(&cache->peers);
    cache->max_peers = max_peers ? max_peers : DEFAULT_PEERS;
    return cache;
}

struct tls_client_cache_key tls_client_cache_key(const struct tls_credentials *credentials,
                                                 const char *peer)
{
    struct tls_client_cache_key key;
    gnutls_hash_hd_t hash;
    check_made(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
    check_made(gnutls_hash(hash, credentials->fingerprint, sizeof credentials->fingerprint) == 0);
    check_made(gnutls_hash(hash, peer, strlen(peer)) == 0);
    gnutls_hash_deinit(hash, key.hash);
    return key;
}

static struct tls_client_peer *find(struct tls_client_cache *cache,
                                    const struct tls_client_cache_key *key)
{
    struct tls_client_peer *peer;
    TAILQ_FOREACH(peer, &cache->peers, by_use)
    {
        if (memcmp(&peer->key, key, sizeof *key) == 0)
            return peer;
    }
    return NULL;
}

static struct tls_ticket *remove_ticket(struct tls_client_cache *cache,
                                        struct tls_client_peer *peer, size_t index)
{
    struct tls_ticket *ticket = peer->tickets[index];
    peer->count--;
    memmove(&peer->tickets[index], &peer->tickets[index + 1],
            (peer->count - index) * sizeof *peer->tickets);
    cache->statistics.tickets--;
    return ticket;
}

static void drop_peer(struct tls_client_cache *cache, struct tls_client_peer *peer)
{
    while (peer->count)
        tls_ticket_free(remove_ticket(cache, peer, peer->count - 1));
    TAILQ_REMOVE(&cache->peers, peer, by_use);
    cache->statistics.peers--;
    free(peer);
}

static void drop_expired(struct tls_client_cache *cache, struct tls_client_peer *peer)
{
    int64_t now = time(NULL);
    for (size_t i = peer->count; i-- > 0;) {
        if (peer->tickets[i]->expires_at <= now) {
            tls_ticket_free(remove_ticket(cache, peer, i));
            cache->statistics.expired++;
        }
    }
}

struct tls_ticket *tls_client_cache_take(struct tls_client_cache *cache,
                                         const struct tls_client_cache_key *key)
{
    struct tls_ticket *ticket = NULL;
    pthread_mutex_lock(&cache->lock);
    struct tls_client_peer *peer = find(cache, key);
    if (peer) {
        drop_expired(cache, peer);
        struct tls_ticket *newest = peer->count ? peer->tickets[peer->count - 1] : NULL;
        if (newest && newest->is_reusable)
            ticket = tls_ticket_new(newest->fingerprint, newest->expires_at, true, newest->data,
                                    newest->data_size);
        else if (newest)
            ticket = remove_ticket(cache, peer, peer->count - 1);
        TAILQ_REMOVE(&cache->peers, peer, by_use);
        TAILQ_INSERT_HEAD(&cache->peers, peer, by_use);
        if (!peer->count)
            drop_peer(cache, peer);
    }
    cache->statistics.hits += ticket != NULL;
    cache->statistics.misses += ticket == NULL;
    pthread_mutex_unlock(&cache->lock);
    return ticket;
}

static struct tls_client_peer *add_peer(struct tls_client_cache *cache,
                                        const struct tls_client_cache_key *key)
{
    if (cache->statistics.peers >= cache->max_peers) {
        struct tls_client_peer *oldest = TAILQ_LAST(&cache->peers, tls_client_peers);
        cache->statistics.evicted += oldest->count;
        drop_peer(cache, oldest);
    }
    struct tls_client_peer *peer = check_alloc(sizeof *peer);
    peer->key = *key;
    cache->statistics.peers++;
    TAILQ_INSERT_HEAD(&cache->peers, peer, by_use);
    return peer;
}

/* A session of TLS 1.2 takes the place of whatever there was. */
static void make_room(struct tls_client_cache *cache, struct tls_client_peer *peer,
                      const struct tls_ticket *ticket)
{
    drop_expired(cache, peer);
    size_t most = ticket->is_reusable || (peer->count && peer->tickets[0]->is_reusable)
                      ? 0
                      : TLS_CLIENT_CACHE_PER_PEER - 1;
    while (peer->count > most) {
        tls_ticket_free(remove_ticket(cache, peer, 0));
        cache->statistics.evicted++;
    }
}

static bool is_acceptable(struct tls_ticket *ticket)
{
    int64_t now = time(NULL), longest = now + (ticket->is_reusable ? TLS_CLIENT_CACHE_MAX_12_S
                                                                   : TLS_CLIENT_CACHE_MAX_S);
    if (ticket->expires_at > longest)
        ticket->expires_at = longest;
    return ticket->expires_at > now && ticket->data_size <= TICKET_MAX;
}

void tls_client_cache_put(struct tls_client_cache *cache, const struct tls_client_cache_key *key,
                          struct tls_ticket *ticket)
{
    if (!ticket)
        return;
    pthread_mutex_lock(&cache->lock);
    if (is_acceptable(ticket)) {
        struct tls_client_peer *peer = find(cache, key);
        if (!peer)
            peer = add_peer(cache, key);
        make_room(cache, peer, ticket);
        peer->tickets[peer->count++] = ticket;
        cache->statistics.tickets++;
        cache->statistics.stored++;
        ticket = NULL;
    } else {
        cache->statistics.refused++;
    }
    pthread_mutex_unlock(&cache->lock);
    tls_ticket_free(ticket);
}

void tls_client_cache_forget(struct tls_client_cache *cache, const struct tls_client_cache_key *key)
{
    pthread_mutex_lock(&cache->lock);
    struct tls_client_peer *peer = find(cache, key);
    if (peer)
        drop_peer(cache, peer);
    pthread_mutex_unlock(&cache->lock);
}

void tls_client_cache_statistics(struct tls_client_cache *cache,
                                 struct tls_client_cache_statistics *out)
{
    pthread_mutex_lock(&cache->lock);
    *out = cache->statistics;
    pthread_mutex_unlock(&cache->lock);
}

void tls_client_cache_free(struct tls_client_cache *cache)
{
    if (!cache)
        return;
    for (struct tls_client_peer *peer; (peer = TAILQ_FIRST(&cache->peers));)
        drop_peer(cache, peer);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}
