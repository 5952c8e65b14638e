/* tls/store_redis.c: the session store that servers share. */
#include "tls/store_redis.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/store.h"
#include "tls/wipe.h"

#define DEFAULT_TIMEOUT_MS 50
#define DEFAULT_QUEUED     1024
#define BACKOFF_MIN_US     100000
#define BACKOFF_MAX_US     5000000
/* Of a reply: the longest value that we store has half of it. */
#define REPLY_MAX 65536
/* A prefix, the hex digits of a SHA-256, NUL. */
#define NAME_MAX_SIZE 80

/* A value on its way to Redis. */
struct write {
    struct tls_helper_task task;
    struct tls_store_redis *redis;
    struct tls_store_key key;
    int64_t expires_at;
    size_t size;
    uint8_t data[];
};

struct tls_store_redis {
    char *host, *password, *key_path;
    uint16_t port;
    uint32_t timeout_us, max_queued;
    struct tls_helper *helper;

    pthread_mutex_t lock; /* of keys and statistics */
    struct tls_key_file keys;
    struct tls_store_redis_statistics statistics;

    redisContext *context; /* the helper's own, from here on; NULL: not connected */
    uint64_t retry_at;     /* µs, monotonic: before that there is no new attempt */
    uint64_t backoff;
    unsigned seed;
    atomic_bool is_connected; /* there is a context; for other threads */
};

static void disconnect(struct tls_store_redis *redis)
{
    if (redis->context)
        redisFree(redis->context);
    redis->context = NULL;
    redis->is_connected = false;
}

/* The next attempt: later each time, and not with all other servers at the same moment. */
static void back_off(struct tls_store_redis *redis)
{
    disconnect(redis);
    redis->backoff = redis->backoff ? redis->backoff * 2 : BACKOFF_MIN_US;
    if (redis->backoff > BACKOFF_MAX_US)
        redis->backoff = BACKOFF_MAX_US;
    redis->retry_at =
        clock_us() + redis->backoff / 2 + (uint64_t)rand_r(&redis->seed) % (redis->backoff / 2);
}

static struct timeval left_until(uint64_t deadline)
{
    uint64_t now = clock_us(), left = deadline > now ? deadline - now : 1;
    return (struct timeval){.tv_sec = (time_t)(left / 1000000),
                            .tv_usec = (suseconds_t)(left % 1000000)};
}

static bool set_time(struct tls_store_redis *redis, uint64_t deadline)
{
    return clock_us() < deadline &&
           redisSetTimeout(redis->context, left_until(deadline)) == REDIS_OK;
}

/* True if it may still become an answer to one of our commands: none of those is an array, which
 * hiredis would make room for before anything of it is there. */
static bool is_plausible(const redisReader *reader)
{
    return reader->len <= REPLY_MAX &&
           (reader->pos >= reader->len || !strchr("*%~>|", reader->buf[reader->pos]));
}

/* The answer to the command that was appended, or NULL. redisCommand would wait anew for each piece
 * of it, and keep however much comes: a Redis that drips could hold us up for ever. */
static redisReply *reply_by(struct tls_store_redis *redis, uint64_t deadline)
{
    redisContext *context = redis->context;
    void *reply = NULL;
    int is_sent = 0;
    while (!is_sent)
        if (!set_time(redis, deadline) || redisBufferWrite(context, &is_sent) != REDIS_OK)
            return NULL;
    while (redisGetReplyFromReader(context, &reply) == REDIS_OK && !reply)
        if (!set_time(redis, deadline) || redisBufferRead(context) != REDIS_OK ||
            !is_plausible(context->reader))
            return NULL;
    return reply;
}

static bool log_in(struct tls_store_redis *redis, uint64_t deadline)
{
    if (!redis->password)
        return true;
    redisAppendCommand(redis->context, "AUTH %s", redis->password);
    redisReply *reply = reply_by(redis, deadline);
    bool accepted = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return accepted;
}

static bool connect_to(struct tls_store_redis *redis, uint64_t deadline)
{
    if (redis->context)
        return true;
    if (clock_us() < redis->retry_at)
        return false;
    struct timeval left = left_until(deadline);
    redis->context = redis->host[0] == '/'
                         ? redisConnectUnixWithTimeout(redis->host, left)
                         : redisConnectWithTimeout(redis->host, redis->port, left);
    if (!redis->context || redis->context->err || !log_in(redis, deadline)) {
        back_off(redis);
        return false;
    }
    redis->backoff = 0;
    redis->is_connected = true;
    return true;
}

/* "hawser:1:" says whose value it is, and in which format. */
static const char *name_of(const struct tls_store_key *key, char name[static NAME_MAX_SIZE])
{
    static const char prefix[] = "hawser:1:";
    uint8_t hash[32];
    gnutls_datum_t bytes = {hash, sizeof hash};
    size_t size = NAME_MAX_SIZE - strlen(prefix);
    check_made(gnutls_hash_fast(GNUTLS_DIG_SHA256, key, sizeof *key, hash) == 0);
    must(gnutls_hex_encode(&bytes, stpcpy(name, prefix), &size) == 0);
    return name;
}

static void complete(struct tls_store_redis *redis, struct tls_store_query *query,
                     const redisReply *reply, bool was_connected)
{
    pthread_mutex_lock(&redis->lock);
    struct tls_store_redis_statistics *statistics = &redis->statistics;
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        (*(was_connected && !reply ? &statistics->timeouts : &statistics->unavailable))++;
    } else if (reply->type != REDIS_REPLY_STRING) {
        query->answer = TLS_STORE_MISS;
        statistics->misses++;
    } else if (tls_store_unseal(&redis->keys, &query->key, reply->str, reply->len, &query->data,
                                &query->size, &query->expires_at)) {
        query->answer = TLS_STORE_HIT;
        statistics->hits++;
    } else {
        query->answer = TLS_STORE_MISS;
        statistics->not_accepted++;
    }
    pthread_mutex_unlock(&redis->lock);
}

static void run_query(struct tls_helper_task *task)
{
    struct tls_store_query *query = container_of(task, struct tls_store_query, task);
    struct tls_store_redis *redis = query->redis;
    char name[NAME_MAX_SIZE];
    redisReply *reply = NULL;
    bool connected = clock_us() < query->deadline && connect_to(redis, query->deadline);
    if (connected) {
        redisAppendCommand(redis->context, "GET %s", name_of(&query->key, name));
        reply = reply_by(redis, query->deadline);
        if (!reply)
            back_off(redis);
    }
    complete(redis, query, reply, connected || clock_us() >= query->deadline);
    freeReplyObject(reply);
}

static void on_query_done(struct tls_helper_task *task)
{
    struct tls_store_query *query = container_of(task, struct tls_store_query, task);
    query->on_answer(query);
}

static void drop_query(struct tls_helper_task *task)
{
    struct tls_store_query *query = container_of(task, struct tls_store_query, task);
    tls_wipe_free(query->data, query->size);
    free(query);
}

/* Without a connection nothing is kept for later: after a long outage it would only delay what is
 * new. */
static void run_write(struct tls_helper_task *task)
{
    const struct write *write = container_of(task, struct write, task);
    struct tls_store_redis *redis = write->redis;
    char name[NAME_MAX_SIZE];
    int64_t left_s = write->expires_at - time(NULL);
    redisReply *reply = NULL;
    uint64_t deadline = clock_us() + redis->timeout_us;
    if (left_s > 0 && connect_to(redis, deadline)) {
        size_t size;
        pthread_mutex_lock(&redis->lock);
        uint8_t *sealed = tls_store_seal(&redis->keys, &write->key, write->data, write->size,
                                         write->expires_at, &size);
        pthread_mutex_unlock(&redis->lock);
        redisAppendCommand(redis->context, "SET %s %b NX EX %lld", name_of(&write->key, name),
                           sealed, size, (long long)left_s);
        free(sealed);
        reply = reply_by(redis, deadline);
        if (!reply)
            back_off(redis);
    }
    bool stored = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    pthread_mutex_lock(&redis->lock);
    redis->statistics.stored += stored;
    redis->statistics.dropped += !stored;
    pthread_mutex_unlock(&redis->lock);
}

static void drop_write(struct tls_helper_task *task)
{
    struct write *write = container_of(task, struct write, task);
    tls_wipe_free(write, sizeof *write + write->size);
}

static void destroy(struct tls_store_redis *redis)
{
    tls_helper_free(redis->helper);
    disconnect(redis);
    tls_key_file_clear(&redis->keys);
    pthread_mutex_destroy(&redis->lock);
    tls_wipe_free(redis->password, redis->password ? strlen(redis->password) : 0);
    free(redis->key_path);
    free(redis->host);
    free(redis);
}

static enum err check_host(const char *host, char *why, size_t why_size)
{
    struct in6_addr ignored;
    if (host[0] == '/' || inet_pton(AF_INET, host, &ignored) == 1 ||
        inet_pton(AF_INET6, host, &ignored) == 1)
        return ERR_OK;
    snprintf(why, why_size, "\"%s\" is neither an IP address nor the path of a socket", host);
    return ERR_TLS_CREDENTIALS;
}

enum err tls_store_redis_new(const struct tls_store_redis_options *options,
                             struct tls_store_redis **out, char *why, size_t why_size)
{
    struct tls_store_redis *redis = check_alloc(sizeof *redis);
    pthread_mutex_init(&redis->lock, NULL);
    redis->helper = tls_helper_new("session-store");
    redis->host = check_strdup(options->host);
    redis->password = check_strdup(options->password);
    redis->key_path = check_strdup(options->keys);
    redis->port = options->port;
    redis->timeout_us = (options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS) * 1000;
    redis->max_queued = options->max_queued ? options->max_queued : DEFAULT_QUEUED;
    redis->seed = (unsigned)clock_us();
    *out = NULL;
    enum err result = check_host(options->host, why, why_size);
    if (result == ERR_OK)
        result = tls_store_redis_reload(redis, why, why_size);
    if (result == ERR_OK)
        *out = redis;
    else
        destroy(redis);
    return result;
}

void tls_store_redis_free(struct tls_store_redis *redis)
{
    if (redis)
        destroy(redis);
}

enum err tls_store_redis_reload(struct tls_store_redis *redis, char *why, size_t why_size)
{
    struct tls_key_file file;
    enum err result = tls_key_file_read(redis->key_path, TLS_STORE_KEY_SIZE, &file, why, why_size);
    if (result == ERR_OK) {
        pthread_mutex_lock(&redis->lock);
        redis->keys = file;
        pthread_mutex_unlock(&redis->lock);
    }
    tls_key_file_clear(&file);
    return result;
}

static void count(struct tls_store_redis *redis, uint64_t *counter)
{
    pthread_mutex_lock(&redis->lock);
    ++*counter;
    pthread_mutex_unlock(&redis->lock);
}

/* Questions first: somebody waits for them. */
void tls_store_redis_ask(struct tls_store_redis *redis, struct tls_store_query *query)
{
    query->redis = redis;
    query->answer = TLS_STORE_NO_ANSWER;
    query->data = NULL;
    query->size = 0;
    query->deadline = clock_us() + redis->timeout_us;
    query->task = (struct tls_helper_task){.run = run_query,
                                           .on_done = on_query_done,
                                           .on_dropped = drop_query,
                                           .reply_to = query->reply_to,
                                           .is_urgent = true};
    if (tls_helper_begin(redis->helper, &query->task, redis->max_queued))
        return;
    count(redis, &redis->statistics.unavailable);
    tls_helper_answer(&query->task);
}

bool tls_store_redis_cancel(struct tls_store_redis *redis, struct tls_store_query *query)
{
    return tls_helper_cancel(redis->helper, &query->task) == TLS_HELPER_QUEUED;
}

void tls_store_redis_put(struct tls_store_redis *redis, const struct tls_store_key *key,
                         const void *data, size_t size, int64_t expires_at)
{
    struct write *write = check_alloc(sizeof *write + size);
    write->task = (struct tls_helper_task){.run = run_write, .on_dropped = drop_write};
    write->redis = redis;
    write->key = *key;
    write->expires_at = expires_at;
    write->size = size;
    memcpy(write->data, data, size);
    if (tls_helper_begin(redis->helper, &write->task, redis->max_queued))
        return;
    count(redis, &redis->statistics.dropped);
    drop_write(&write->task);
}

void tls_store_redis_statistics(struct tls_store_redis *redis,
                                struct tls_store_redis_statistics *out)
{
    pthread_mutex_lock(&redis->lock);
    *out = redis->statistics;
    out->is_connected = redis->is_connected;
    pthread_mutex_unlock(&redis->lock);
}
