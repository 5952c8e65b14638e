/* tls/client_cache.c: a client's tickets and sessions, in memory and in a file. */
#include "tls/client_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/credentials_private.h"
#include "tls/files.h"
#include "tls/generation_private.h"
#include "tls/wipe.h"

struct tls_client_peer {
    TAILQ_ENTRY(tls_client_peer) by_use;
    struct tls_client_cache_key key;
    struct tls_ticket *tickets[TLS_CLIENT_CACHE_PER_PEER]; /* oldest first */
    size_t count;
};

struct tls_client_cache {
    pthread_mutex_t lock; /* guards all below */
    size_t max_peers;
    TAILQ_HEAD(tls_client_peers, tls_client_peer) peers; /* the last used first */
    struct tls_client_cache_statistics statistics;
};

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

/* ---- the file, all numbers big-endian ----
 *
 *   magic (8 bytes), count (4), count times { key (32), fingerprint (32), expiry (8), reusable (1),
 *   size (4), session (size) }, SHA-256 of all before (32)
 */

static const uint8_t magic[8] = "HAWSERc1";

#define SUM_SIZE   32
#define ENTRY_SIZE (32 + TLS_FINGERPRINT_SIZE + 8 + 1 + 4)
/* 256 peers with two tickets of 20 KB, which is a lot. */
#define FILE_MAX ((size_t)16 << 20)

static size_t size_of_peer(const struct tls_client_peer *peer)
{
    size_t size = 0;
    for (size_t i = 0; i < peer->count; i++)
        size += ENTRY_SIZE + peer->tickets[i]->data_size;
    return size;
}

/* The peers that the file holds: as many as fit, counted from the one that was used last. */
struct extent {
    const struct tls_client_peer *first; /* the least recently used of them; NULL: none */
    size_t size;
    uint32_t tickets;
};

static struct extent extent_of(const struct tls_client_cache *cache)
{
    struct extent extent = {.size = sizeof magic + 4 + SUM_SIZE};
    const struct tls_client_peer *peer;
    TAILQ_FOREACH(peer, &cache->peers, by_use)
    {
        size_t more = size_of_peer(peer);
        if (more > FILE_MAX - extent.size)
            break;
        extent.first = peer;
        extent.size += more;
        extent.tickets += (uint32_t)peer->count;
    }
    return extent;
}

static void put_ticket(struct wire_writer *writer, const struct tls_client_peer *peer,
                       const struct tls_ticket *ticket)
{
    wire_put_bytes(writer, &peer->key, sizeof peer->key);
    wire_put_bytes(writer, ticket->fingerprint, sizeof ticket->fingerprint);
    wire_put_u64(writer, (uint64_t)ticket->expires_at);
    wire_put_u8(writer, ticket->is_reusable);
    wire_put_u32(writer, ticket->data_size);
    wire_put_bytes(writer, ticket->data, ticket->data_size);
}

/* From the least recently used on, so that reading leads to the same order. */
static gnutls_datum_t encode(struct tls_client_cache *cache)
{
    uint8_t sum[SUM_SIZE];
    pthread_mutex_lock(&cache->lock);
    struct extent extent = extent_of(cache);
    gnutls_datum_t bytes = {gnutls_malloc(extent.size), (unsigned)extent.size};
    check_made(bytes.data);
    struct wire_writer writer = wire_writer(bytes.data, bytes.size);
    wire_put_bytes(&writer, magic, sizeof magic);
    wire_put_u32(&writer, extent.tickets);
    for (const struct tls_client_peer *peer = extent.first; peer;
         peer = TAILQ_PREV(peer, tls_client_peers, by_use))
        for (size_t i = 0; i < peer->count; i++)
            put_ticket(&writer, peer, peer->tickets[i]);
    pthread_mutex_unlock(&cache->lock);
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.data, bytes.size - SUM_SIZE, sum) == 0);
    wire_put_bytes(&writer, sum, sizeof sum);
    must(!writer.overrun && writer.at == writer.end);
    return bytes;
}

static bool write_all(int fd, const gnutls_datum_t *bytes)
{
    size_t done = 0;
    while (done < bytes->size) {
        ssize_t put = write(fd, bytes->data + done, bytes->size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return fsync(fd) == 0;
}

/* The name under which the file is written before it takes its place. It is always the same, so
 * that what a process left that was killed meanwhile is found. Owns: caller, freed. */
static char *aside_of(const char *path)
{
    size_t length = strlen(path) + sizeof ".new";
    char *aside = check_alloc(length);
    snprintf(aside, length, "%s.new", path);
    return aside;
}

static enum err write_file(const char *path, const gnutls_datum_t *bytes, struct tls_reason why)
{
    char *aside = aside_of(path);
    enum err result = ERR_OK;
    unlink(aside);
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        result = tls_reason_set(why, "cannot make %s: %s", aside, strerror(errno));
        goto out;
    }
    bool written = write_all(fd, bytes);
    if (close(fd) < 0 || !written || rename(aside, path) < 0 || !tls_files_sync_folder(path)) {
        result = tls_reason_set(why, "cannot write %s: %s", path, strerror(errno));
        unlink(aside);
    }
out:
    free(aside);
    return result;
}

enum err tls_client_cache_save(struct tls_client_cache *cache, const char *path, char *why,
                               size_t why_size)
{
    gnutls_datum_t bytes = encode(cache);
    enum err result = write_file(path, &bytes, (struct tls_reason){.text = why, .size = why_size});
    tls_wipe_free(bytes.data, bytes.size);
    return result;
}

static bool is_intact(const gnutls_datum_t *bytes)
{
    uint8_t sum[SUM_SIZE];
    size_t size = bytes->size - SUM_SIZE;
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes->data, size, sum) == 0);
    return memcmp(sum, bytes->data + size, sizeof sum) == 0;
}

static bool add_ticket(struct tls_client_cache *cache, struct wire_reader *reader)
{
    struct tls_client_cache_key key;
    const uint8_t *hash = wire_get_bytes(reader, sizeof key),
                  *fingerprint = wire_get_bytes(reader, TLS_FINGERPRINT_SIZE);
    int64_t expires_at = (int64_t)wire_get_u64(reader);
    bool is_reusable = wire_get_u8(reader) != 0;
    size_t size = wire_get_u32(reader);
    const uint8_t *data = wire_get_bytes(reader, size);
    if (!data)
        return false;
    memcpy(&key, hash, sizeof key);
    tls_client_cache_put(cache, &key,
                         tls_ticket_new(fingerprint, expires_at, is_reusable, data, size));
    return true;
}

enum err tls_client_cache_load(struct tls_client_cache *cache, const char *path, char *why,
                               size_t why_size)
{
    struct tls_reason reason = {.text = why, .size = why_size};
    gnutls_datum_t bytes = {0};
    char *aside = aside_of(path);
    unlink(aside);
    free(aside);
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return ERR_OK;
    enum err result =
        tls_files_read_secret(path, FILE_MAX, O_NOFOLLOW, &bytes.data, &bytes.size, reason);
    if (result != ERR_OK)
        return result;
    if (bytes.size < sizeof magic + 4 + SUM_SIZE)
        result = tls_reason_set(reason, "%s is not a session file", path);
    else if (memcmp(bytes.data, magic, sizeof magic) != 0)
        result = tls_reason_set(reason, "%s is a session file of another version", path);
    else if (!is_intact(&bytes))
        result = tls_reason_set(reason, "%s is damaged", path);
    else if (unlink(path) < 0 || !tls_files_sync_folder(path))
        result = tls_reason_set(reason, "cannot remove %s: %s", path, strerror(errno));
    if (result == ERR_OK) {
        struct wire_reader reader = wire_reader(bytes.data, bytes.size - SUM_SIZE);
        wire_get_bytes(&reader, sizeof magic);
        for (uint32_t left = wire_get_u32(&reader); left && add_ticket(cache, &reader);)
            left--;
    }
    tls_wipe_free(bytes.data, bytes.size);
    return result;
}
