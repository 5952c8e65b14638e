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

struct tls_store {
    atomic_uint references;
    size_t max_entries, max_bytes;
    size_t bucket_count; /* a power of 2 */
    struct tls_store_redis *redis;
    pthread_mutex_t lock; /* guards all below */
    struct entry **buckets;
    TAILQ_HEAD(by_use, entry) by_use; /* the last used first */
    struct tls_store_statistics statistics;
};

struct tls_store *tls_store_new(const struct tls_store_options *options)
{
    struct tls_store *store = check_alloc(sizeof *store);
    atomic_init(&store->references, 1);
    store->redis = options->redis;
    store->max_entries = options->max_entries ? options->max_entries : DEFAULT_ENTRIES;
    store->max_bytes = options->max_bytes ? options->max_bytes : DEFAULT_BYTES;
    for (store->bucket_count = 1; store->bucket_count < store->max_entries;)
        store->bucket_count *= 2;
    store->buckets = check_alloc(store->bucket_count * sizeof *store->buckets);
    pthread_mutex_init(&store->lock, NULL);
    TAILQ_INIT(&store->by_use);
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

/* Servers make ids at random, and only ids that servers made get in: their bytes are a hash. */
static struct entry **bucket_of(struct tls_store *store, const struct tls_store_key *key)
{
    uint32_t hash;
    memcpy(&hash, key->id, sizeof hash);
    return &store->buckets[hash & (store->bucket_count - 1)];
}

/* The link that leads to the entry; to NULL when there is none. */
static struct entry **find(struct tls_store *store, const struct tls_store_key *key)
{
    struct entry **link = bucket_of(store, key);
    while (*link && memcmp(&(*link)->key, key, sizeof *key) != 0)
        link = &(*link)->chained;
    return link;
}

static void discard(struct tls_store *store, struct entry **link)
{
    struct entry *entry = *link;
    *link = entry->chained;
    TAILQ_REMOVE(&store->by_use, entry, by_use);
    store->statistics.entries--;
    store->statistics.bytes -= entry->size;
    tls_wipe_free(entry, sizeof *entry + entry->size);
}

static bool discard_if_expired(struct tls_store *store, struct entry **link, int64_t now)
{
    if (!*link || (*link)->expires_at > now)
        return false;
    discard(store, link);
    store->statistics.expired++;
    return true;
}

static void make_room(struct tls_store *store, size_t size, int64_t now)
{
    struct entry *oldest;
    while ((oldest = TAILQ_LAST(&store->by_use, by_use)) &&
           (store->statistics.entries >= store->max_entries ||
            store->statistics.bytes + size > store->max_bytes)) {
        struct entry **link = find(store, &oldest->key);
        if (discard_if_expired(store, link, now))
            continue;
        discard(store, link);
        store->statistics.evicted++;
    }
}

static void insert(struct tls_store *store, const struct tls_store_key *key, const void *data,
                   size_t size, int64_t expires_at)
{
    struct entry **bucket = bucket_of(store, key);
    struct entry *entry = check_alloc(sizeof *entry + size);
    entry->key = *key;
    entry->expires_at = expires_at;
    entry->size = size;
    memcpy(entry->data, data, size);
    entry->chained = *bucket;
    *bucket = entry;
    TAILQ_INSERT_HEAD(&store->by_use, entry, by_use);
    store->statistics.entries++;
    store->statistics.bytes += size;
    store->statistics.stored++;
}

bool tls_store_put(struct tls_store *store, const struct tls_store_key *key, const void *data,
                   size_t size, int64_t expires_at)
{
    int64_t now = time(NULL);
    bool is_there = false;
    pthread_mutex_lock(&store->lock);
    discard_if_expired(store, find(store, key), now);
    const struct entry *entry = *find(store, key);
    if (entry) {
        is_there = entry->size == size && memcmp(entry->data, data, size) == 0;
    } else if (size && size <= TLS_STORE_MAX_VALUE && size <= store->max_bytes &&
               expires_at > now) {
        make_room(store, size, now);
        insert(store, key, data, size, expires_at);
        is_there = true;
    }
    store->statistics.refused += !is_there;
    pthread_mutex_unlock(&store->lock);
    return is_there;
}

bool tls_store_get(struct tls_store *store, const struct tls_store_key *key, uint8_t **data,
                   size_t *size, int64_t *expires_at)
{
    pthread_mutex_lock(&store->lock);
    struct entry **link = find(store, key);
    struct entry *entry = discard_if_expired(store, link, time(NULL)) ? NULL : *link;
    if (entry) {
        TAILQ_REMOVE(&store->by_use, entry, by_use);
        TAILQ_INSERT_HEAD(&store->by_use, entry, by_use);
        *data = check_alloc(entry->size);
        *size = entry->size;
        *expires_at = entry->expires_at;
        memcpy(*data, entry->data, entry->size);
    }
    store->statistics.hits += entry != NULL;
    store->statistics.misses += entry == NULL;
    pthread_mutex_unlock(&store->lock);
    return entry != NULL;
}

bool tls_store_has(struct tls_store *store, const struct tls_store_key *key)
{
    pthread_mutex_lock(&store->lock);
    const struct entry *entry = *find(store, key);
    bool is_there = entry && entry->expires_at > time(NULL);
    pthread_mutex_unlock(&store->lock);
    return is_there;
}

void tls_store_remove(struct tls_store *store, const struct tls_store_key *key)
{
    pthread_mutex_lock(&store->lock);
    struct entry **link = find(store, key);
    if (*link)
        discard(store, link);
    pthread_mutex_unlock(&store->lock);
}

void tls_store_statistics(struct tls_store *store, struct tls_store_statistics *out)
{
    pthread_mutex_lock(&store->lock);
    *out = store->statistics;
    pthread_mutex_unlock(&store->lock);
}

void tls_store_unref(struct tls_store *store)
{
    if (!store || atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) != 1)
        return;
    for (struct entry *entry; (entry = TAILQ_FIRST(&store->by_use));)
        discard(store, find(store, &entry->key));
    free(store->buckets);
    pthread_mutex_destroy(&store->lock);
    free(store);
}
