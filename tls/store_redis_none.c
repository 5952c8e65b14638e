/* Stands in for tls/store_redis.c where Hawser is built without hiredis (make WITH_REDIS=0). */
#include "tls/store_redis.h"

#include <stdio.h>

#include "base/check.h"

enum err tls_store_redis_new(const struct tls_store_redis_options *options,
                             struct tls_store_redis **out, char *why, size_t why_size)
{
    (void)options;
    *out = NULL;
    snprintf(why, why_size, "this hawser is built without Redis");
    return ERR_TLS_CREDENTIALS;
}

void tls_store_redis_free(struct tls_store_redis *redis)
{
    must(!redis);
}

/* The rest needs a store, and there is none. */

enum err tls_store_redis_reload(struct tls_store_redis *redis, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    must(redis);
    return ERR_TLS_CREDENTIALS;
}

void tls_store_redis_ask(struct tls_store_redis *redis, struct tls_store_query *query)
{
    (void)query;
    must(redis);
}

bool tls_store_redis_cancel(struct tls_store_redis *redis, struct tls_store_query *query)
{
    (void)query;
    must(redis);
    return true;
}

void tls_store_redis_put(struct tls_store_redis *redis, const struct tls_store_key *key,
                         const void *data, size_t size, int64_t expires_at)
{
    (void)key, (void)data, (void)size, (void)expires_at;
    must(redis);
}

void tls_store_redis_statistics(struct tls_store_redis *redis,
                                struct tls_store_redis_statistics *out)
{
    (void)out;
    must(redis);
}
