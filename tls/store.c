/* tls/store.c: a server's memory of TLS 1.2 sessions. */
#include "tls/store.h"

#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/check.h"
#include "tls/wipe.h"

#define DEFAULT_ENTRIES 10000
#define DEFAULT_BYTES   (32u << 20)

struct entry {
    struct entry *chained; /* same bucket */
    TAILQ_ENTRY(entry) by_use;
    struct tls_store_key key;
    int64_t expires_at;
    size_t size;
    uint8_t data[];
};

struct shard {
    pthread_mutex_t lock; /* guards all below */
    struct entry **buckets;
    TAILQ_HEAD(by_use, entry) by_use; /* the last used first */
    struct tls_store_statistics statistics;
};

struct tls_store {
    atomic_uint references;
    size_t bucket_count; /* of each shard: a power of 2 */
    size_t shard_entries, shard_bytes;
    struct tls_store_redis *redis;
    struct shard shards[TLS_STORE_SHARDS];
};

static size_t round_up(size_t total, size_t fallback)
{
    return ((total ? total : fallback) + TLS_STORE_SHARDS - 1) / TLS_STORE_SHARDS;
}

struct tls_store *tls_store_new(const struct tls_store_options *options)
{
    struct tls_store *store = check_alloc(sizeof *store);
    atomic_init(&store->references, 1);
    store->redis = options->redis;
    store->shard_entries = round_up(options->max_entries, DEFAULT_ENTRIES);
    store->shard_bytes = round_up(options->max_bytes, DEFAULT_BYTES);
    for (store->bucket_count = 1; store->bucket_count < store->shard_entries;)
        store->bucket_count *= 2;
    for (size_t i = 0; i < TLS_STORE_SHARDS; i++) {
        pthread_mutex_init(&store->shards[i].lock, NULL);
        TAILQ_INIT(&store->shards[i].by_use);
        store->shards[i].buckets =
            check_alloc(store->bucket_count * sizeof *store->shards[i].buckets);
    }
    return store;
}

struct tls_store *tls_store_ref(struct tls_store *store)
{
    atomic_fetch_add_explicit(&store->references, 1, memory_order_relaxed);
    return store;
}

struct tls_store_redis *tls_store_redis_of(const struct tls_store *store)
{
    return store->redis;
}

/* Servers make ids at random, and only what servers made gets in: its bytes are a hash already. */
static struct shard *shard_of(struct tls_store *store, const struct tls_store_key *key)
{
    return &store->shards[key->id[0] % TLS_STORE_SHARDS];
}

static struct entry **bucket_of(const struct tls_store *store, struct shard *shard,
                                const struct tls_store_key *key)
{
    uint32_t hash;
    memcpy(&hash, key->id + 1, sizeof hash);
    return &shard->buckets[hash & (store->bucket_count - 1)];
}

/* The link that leads to the entry; to NULL when there is none. */
static struct entry **find(const struct tls_store *store, struct shard *shard,
                           const struct tls_store_key *key)
{
    struct entry **link = bucket_of(store, shard, key);
    while (*link && memcmp(&(*link)->key, key, sizeof *key) != 0)
        link = &(*link)->chained;
    return link;
}

static void discard(struct shard *shard, struct entry **link)
{
    struct entry *entry = *link;
    *link = entry->chained;
    TAILQ_REMOVE(&shard->by_use, entry, by_use);
    shard->statistics.entries--;
    shard->statistics.bytes -= entry->size;
    tls_wipe_free(entry, sizeof *entry + entry->size);
}

static bool discard_if_expired(struct shard *shard, struct entry **link, int64_t now)
{
    if (!*link || (*link)->expires_at > now)
        return false;
    discard(shard, link);
    shard->statistics.expired++;
    return true;
}

static void make_room(struct tls_store *store, struct shard *shard, size_t size, int64_t now)
{
    struct entry *oldest;
    while ((oldest = TAILQ_LAST(&shard->by_use, by_use)) &&
           (shard->statistics.entries >= store->shard_entries ||
            shard->statistics.bytes + size > store->shard_bytes)) {
        struct entry **link = find(store, shard, &oldest->key);
        if (discard_if_expired(shard, link, now))
            continue;
        discard(shard, link);
        shard->statistics.evicted++;
    }
}

static void insert(struct tls_store *store, struct shard *shard, const struct tls_store_key *key,
                   const void *data, size_t size, int64_t expires_at)
{
    struct entry **bucket = bucket_of(store, shard, key);
    struct entry *entry = check_alloc(sizeof *entry + size);
    entry->key = *key;
    entry->expires_at = expires_at;
    entry->size = size;
    memcpy(entry->data, data, size);
    entry->chained = *bucket;
    *bucket = entry;
    TAILQ_INSERT_HEAD(&shard->by_use, entry, by_use);
    shard->statistics.entries++;
    shard->statistics.bytes += size;
    shard->statistics.stored++;
}

bool tls_store_put(struct tls_store *store, const struct tls_store_key *key, const void *data,
                   size_t size, int64_t expires_at)
{
    struct shard *shard = shard_of(store, key);
    int64_t now = time(NULL);
    bool is_there = false;
    pthread_mutex_lock(&shard->lock);
    struct entry **link = find(store, shard, key);
    discard_if_expired(shard, link, now);
    struct entry *entry = *find(store, shard, key);
    if (entry) {
        is_there = entry->size == size && memcmp(entry->data, data, size) == 0;
    } else if (size && size <= TLS_STORE_MAX_VALUE && size <= store->shard_bytes &&
               expires_at > now) {
        make_room(store, shard, size, now);
        insert(store, shard, key, data, size, expires_at);
        is_there = true;
    }
    shard->statistics.refused += !is_there;
    pthread_mutex_unlock(&shard->lock);
    return is_there;
}

bool tls_store_get(struct tls_store *store, const struct tls_store_key *key, uint8_t **data,
                   size_t *size, int64_t *expires_at)
{
    struct shard *shard = shard_of(store, key);
    pthread_mutex_lock(&shard->lock);
    struct entry **link = find(store, shard, key);
    struct entry *entry = discard_if_expired(shard, link, time(NULL)) ? NULL : *link;
    if (entry) {
        TAILQ_REMOVE(&shard->by_use, entry, by_use);
        TAILQ_INSERT_HEAD(&shard->by_use, entry, by_use);
        *data = check_alloc(entry->size);
        *size = entry->size;
        *expires_at = entry->expires_at;
        memcpy(*data, entry->data, entry->size);
    }
    shard->statistics.hits += entry != NULL;
    shard->statistics.misses += entry == NULL;
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL;
}

bool tls_store_has(struct tls_store *store, const struct tls_store_key *key)
{
    struct shard *shard = shard_of(store, key);
    pthread_mutex_lock(&shard->lock);
    struct entry *entry = *find(store, shard, key);
    bool is_there = entry && entry->expires_at > time(NULL);
    pthread_mutex_unlock(&shard->lock);
    return is_there;
}

void tls_store_remove(struct tls_store *store, const struct tls_store_key *key)
{
    struct shard *shard = shard_of(store, key);
    pthread_mutex_lock(&shard->lock);
    struct entry **link = find(store, shard, key);
    if (*link)
        discard(shard, link);
    pthread_mutex_unlock(&shard->lock);
}

void tls_store_statistics(struct tls_store *store, struct tls_store_statistics *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < TLS_STORE_SHARDS; i++) {
        struct shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        out->entries += shard->statistics.entries;
        out->bytes += shard->statistics.bytes;
        out->hits += shard->statistics.hits;
        out->misses += shard->statistics.misses;
        out->stored += shard->statistics.stored;
        out->expired += shard->statistics.expired;
        out->evicted += shard->statistics.evicted;
        out->refused += shard->statistics.refused;
        pthread_mutex_unlock(&shard->lock);
    }
}

void tls_store_unref(struct tls_store *store)
{
    if (!store || atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < TLS_STORE_SHARDS; i++) {
        struct shard *shard = &store->shards[i];
        for (struct entry *entry; (entry = TAILQ_FIRST(&shard->by_use));)
            discard(shard, find(store, shard, &entry->key));
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    free(store);
}
