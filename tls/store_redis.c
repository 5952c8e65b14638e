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
#include "base/thread.h"
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
    STAILQ_ENTRY(write) others;
    struct tls_store_key key;
    int64_t expires_at;
    size_t size;
    uint8_t data[];
};

struct tls_store_redis {
    char *host, *password, *key_path;
    uint16_t port;
    uint32_t timeout_us, max_queued;
    pthread_t thread;

    pthread_mutex_t lock; /* of all below, but for the last group */
    pthread_cond_t asked;
    TAILQ_HEAD(store_queries, tls_store_query) queries; /* not begun */
    STAILQ_HEAD(writes, write) writes;
    uint32_t query_count, write_count;
    struct tls_key_file keys;
    struct tls_store_redis_statistics statistics;
    bool closing;

    redisContext *context; /* the thread's own, from here on; NULL: not connected */
    uint64_t retry_at;     /* µs, monotonic: before that there is no new attempt */
    uint64_t backoff;
    unsigned seed;
    atomic_bool is_connected; /* there is a context; for other threads */
};

static void deliver_answer(struct mail *mail)
{
    struct tls_store_query *query = container_of(mail, struct tls_store_query, mail);
    query->on_answer(query);
}

/* Under the lock, so that a question that was taken back is not posted. */
static void answer_locked(struct tls_store_query *query)
{
    if (query->is_abandoned) {
        tls_wipe_free(query->data, query->size);
        free(query);
        return;
    }
    query->mail.deliver = deliver_answer;
    mailbox_post(query->reply_to, &query->mail);
}

/* Out of the queue. */
static void take_locked(struct tls_store_redis *redis, struct tls_store_query *query)
{
    TAILQ_REMOVE(&redis->queries, query, others);
    query->is_waiting = false;
    redis->query_count--;
}

static void free_write(struct write *write)
{
    tls_wipe_free(write, sizeof *write + write->size);
}

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
    query->answer = TLS_STORE_NO_ANSWER;
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
    answer_locked(query);
    pthread_mutex_unlock(&redis->lock);
}

static void answer(struct tls_store_redis *redis, struct tls_store_query *query)
{
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

static void store_value(struct tls_store_redis *redis, const struct write *write)
{
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

/* Questions first: somebody waits for them. Without a connection nothing is kept for later: after a
 * long outage it would only delay what is new. */
static void *serve(void *argument)
{
    struct tls_store_redis *redis = argument;
    pthread_mutex_lock(&redis->lock);
    while (!redis->closing) {
        struct tls_store_query *query = TAILQ_FIRST(&redis->queries);
        struct write *write = STAILQ_FIRST(&redis->writes);
        if (query) {
            take_locked(redis, query);
            pthread_mutex_unlock(&redis->lock);
            answer(redis, query);
            pthread_mutex_lock(&redis->lock);
        } else if (write) {
            STAILQ_REMOVE_HEAD(&redis->writes, others);
            redis->write_count--;
            pthread_mutex_unlock(&redis->lock);
            store_value(redis, write);
            free_write(write);
            pthread_mutex_lock(&redis->lock);
        } else {
            pthread_cond_wait(&redis->asked, &redis->lock);
        }
    }
    pthread_mutex_unlock(&redis->lock);
    disconnect(redis);
    return NULL;
}

static void destroy(struct tls_store_redis *redis)
{
    tls_key_file_clear(&redis->keys);
    pthread_cond_destroy(&redis->asked);
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
    pthread_cond_init(&redis->asked, NULL);
    redis->host = check_strdup(options->host);
    redis->password = check_strdup(options->password);
    redis->key_path = check_strdup(options->keys);
    redis->port = options->port;
    redis->timeout_us = (options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS) * 1000;
    redis->max_queued = options->max_queued ? options->max_queued : DEFAULT_QUEUED;
    TAILQ_INIT(&redis->queries);
    STAILQ_INIT(&redis->writes);
    redis->seed = (unsigned)clock_us();
    *out = NULL;
    enum err result = check_host(options->host, why, why_size);
    if (result == ERR_OK)
        result = tls_store_redis_reload(redis, why, why_size);
    int error = result == ERR_OK ? thread_start(&redis->thread, "session-store", serve, redis) : 0;
    if (error) {
        snprintf(why, why_size, "cannot start the thread of the session store: %s",
                 strerrordesc_np(error));
        result = ERR_TLS_CREDENTIALS;
    }
    if (result == ERR_OK)
        *out = redis;
    else
        destroy(redis);
    return result;
}

void tls_store_redis_free(struct tls_store_redis *redis)
{
    if (!redis)
        return;
    pthread_mutex_lock(&redis->lock);
    redis->closing = true;
    for (struct tls_store_query *query; (query = TAILQ_FIRST(&redis->queries));) {
        take_locked(redis, query);
        query->answer = TLS_STORE_NO_ANSWER;
        answer_locked(query);
    }
    for (struct write *write; (write = STAILQ_FIRST(&redis->writes));) {
        STAILQ_REMOVE_HEAD(&redis->writes, others);
        free_write(write);
    }
    pthread_cond_signal(&redis->asked);
    pthread_mutex_unlock(&redis->lock);
    thread_join(redis->thread);
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

void tls_store_redis_ask(struct tls_store_redis *redis, struct tls_store_query *query)
{
    query->is_abandoned = query->is_waiting = false;
    query->data = NULL;
    query->size = 0;
    query->deadline = clock_us() + redis->timeout_us;
    pthread_mutex_lock(&redis->lock);
    if (redis->query_count >= redis->max_queued) {
        redis->statistics.unavailable++;
        query->answer = TLS_STORE_NO_ANSWER;
        answer_locked(query);
    } else {
        TAILQ_INSERT_TAIL(&redis->queries, query, others);
        query->is_waiting = true;
        redis->query_count++;
        pthread_cond_signal(&redis->asked);
    }
    pthread_mutex_unlock(&redis->lock);
}

bool tls_store_redis_cancel(struct tls_store_redis *redis, struct tls_store_query *query)
{
    pthread_mutex_lock(&redis->lock);
    bool waits = query->is_waiting;
    if (waits)
        take_locked(redis, query);
    else
        query->is_abandoned = true;
    pthread_mutex_unlock(&redis->lock);
    return waits;
}

void tls_store_redis_put(struct tls_store_redis *redis, const struct tls_store_key *key,
                         const void *data, size_t size, int64_t expires_at)
{
    struct write *write = check_alloc(sizeof *write + size);
    write->key = *key;
    write->expires_at = expires_at;
    write->size = size;
    memcpy(write->data, data, size);
    pthread_mutex_lock(&redis->lock);
    bool has_room = redis->write_count < redis->max_queued;
    if (has_room) {
        STAILQ_INSERT_TAIL(&redis->writes, write, others);
        redis->write_count++;
        pthread_cond_signal(&redis->asked);
    } else {
        redis->statistics.dropped++;
    }
    pthread_mutex_unlock(&redis->lock);
    if (!has_room)
        free_write(write);
}

void tls_store_redis_statistics(struct tls_store_redis *redis,
                                struct tls_store_redis_statistics *out)
{
    pthread_mutex_lock(&redis->lock);
    *out = redis->statistics;
    out->is_connected = redis->is_connected;
    pthread_mutex_unlock(&redis->lock);
}
