/* The streams of an association: leases, shares of services, waiters. */
#include "mux/pool.h"

#include <stdlib.h>

#include "base/check.h"
#include "mux/pool_idle.h"

struct pool_service {
    struct pool_service_options map;
    uint32_t leased, waiting;
    TAILQ_HEAD(pool_waiters, pool_waiter) waiters; /* oldest first: in order of their deadlines */
};

struct pool {
    struct pool_options options;
    struct pool_idle idle;
    uint32_t leased, waiting;
    uint32_t reserve; /* sum over the services of what they have less than their min */
    struct pool_service services[];
};

static uint32_t missing(const struct pool_service *service)
{
    return service->leased < service->map.min ? service->map.min - service->leased : 0;
}

struct pool *pool_new(const struct pool_options *options)
{
    struct pool *pool = check_alloc(sizeof *pool + options->service_count * sizeof *pool->services);
    pool->options = *options;
    pool->options.services = NULL;
    pool_idle_init(&pool->idle, options->max);
    for (size_t i = 0; i < options->service_count; i++) {
        pool->services[i].map = options->services[i];
        TAILQ_INIT(&pool->services[i].waiters);
        pool->reserve += missing(&pool->services[i]);
    }
    return pool;
}

static void unlink_waiter(struct pool *pool, struct pool_waiter *waiter)
{
    struct pool_service *service = &pool->services[waiter->service];
    TAILQ_REMOVE(&service->waiters, waiter, others);
    service->waiting--;
    pool->waiting--;
}

void pool_dismiss_service(struct pool *pool, size_t index)
{
    struct pool_waiter *waiter;
    must(index < pool->options.service_count);
    while ((waiter = TAILQ_FIRST(&pool->services[index].waiters))) {
        unlink_waiter(pool, waiter);
        waiter->on_failed(waiter, ERR_TUNNEL_DOWN);
    }
}

void pool_dismiss(struct pool *pool)
{
    for (size_t i = 0; i < pool->options.service_count; i++)
        pool_dismiss_service(pool, i);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pool_dismiss(pool);
    pool_idle_fini(&pool->idle);
    free(pool);
}

/* Within its min a service may have any idle stream; beyond, one that is not kept for another. */
static bool may_lease(const struct pool *pool, const struct pool_service *service)
{
    return pool->idle.count > 0 && (missing(service) || pool->idle.count > pool->reserve);
}

static uint16_t take(struct pool *pool, struct pool_service *service)
{
    uint16_t stream = pool->options.side == MUX_CLIENT ? pool_idle_lowest(&pool->idle)
                                                       : pool_idle_highest(&pool->idle);
    pool_idle_remove(&pool->idle, stream);
    pool->reserve -= missing(service);
    service->leased++;
    pool->reserve += missing(service);
    pool->leased++;
    return stream;
}

/* The one that has waited longest: of those that may have a stream, or of all. NULL: none. */
static struct pool_waiter *oldest_waiter(const struct pool *pool, bool may_have_stream)
{
    struct pool_waiter *oldest = NULL;
    for (size_t i = 0; pool->waiting && i < pool->options.service_count; i++) {
        const struct pool_service *service = &pool->services[i];
        struct pool_waiter *waiter = TAILQ_FIRST(&service->waiters);
        if (waiter && (!may_have_stream || may_lease(pool, service)) &&
            (!oldest || waiter->deadline_us < oldest->deadline_us))
            oldest = waiter;
    }
    return oldest;
}

/* A waiter may call back, so nothing is kept across on_stream. */
static void serve_waiters(struct pool *pool)
{
    while (pool->waiting && pool->idle.count) {
        struct pool_waiter *waiter = oldest_waiter(pool, true);
        if (!waiter)
            return;
        unlink_waiter(pool, waiter);
        uint16_t stream = take(pool, &pool->services[waiter->service]);
        waiter->on_stream(waiter, stream);
    }
}

void pool_add_idle(struct pool *pool, uint16_t stream)
{
    if (pool_idle_add(&pool->idle, stream))
        serve_waiters(pool);
}

void pool_remove_idle(struct pool *pool, uint16_t stream)
{
    pool_idle_remove(&pool->idle, stream);
}

/* A max as large as the pool is no limit of its own: then the queue's limits hold. */
static bool is_busy(const struct pool *pool, const struct pool_service *service)
{
    uint32_t max = service->map.max;
    return max && max < pool->options.max && service->leased + service->waiting >= max;
}

enum err pool_lease(struct pool *pool, size_t index, struct pool_waiter *waiter, uint64_t now_us,
                    uint16_t *stream)
{
    must(index < pool->options.service_count);
    struct pool_service *service = &pool->services[index];
    if (is_busy(pool, service))
        return ERR_SERVICE_BUSY;
    if (!service->waiting && may_lease(pool, service)) {
        *stream = take(pool, service);
        return ERR_OK;
    }
    if (pool->waiting >= pool->options.waiting_max)
        return ERR_QUEUE_FULL;
    waiter->service = index;
    waiter->deadline_us = now_us + pool->options.waiting_us;
    TAILQ_INSERT_TAIL(&service->waiters, waiter, others);
    service->waiting++;
    pool->waiting++;
    return ERR_AGAIN;
}

void pool_return(struct pool *pool, size_t index, uint16_t stream, bool idle)
{
    must(index < pool->options.service_count);
    struct pool_service *service = &pool->services[index];
    must(service->leased > 0);
    pool->reserve -= missing(service);
    service->leased--;
    pool->reserve += missing(service);
    pool->leased--;
    if (idle)
        pool_idle_add(&pool->idle, stream);
    serve_waiters(pool);
}

void pool_cancel(struct pool *pool, struct pool_waiter *waiter)
{
    unlink_waiter(pool, waiter);
}

/* The number of idle streams to have: a quarter of those in use, or those kept for the services if
 * they are more, and one for each waiter (which may not use those kept for others). */
static uint32_t idle_wanted(const struct pool *pool)
{
    uint32_t ahead = (pool->leased + 3) / 4;
    return (ahead > pool->reserve ? ahead : pool->reserve) + pool->waiting;
}

uint32_t pool_wanted(const struct pool *pool, uint32_t under_way)
{
    uint32_t coming = pool->idle.count + under_way;
    uint32_t all = coming + pool->leased;
    uint32_t wanted = idle_wanted(pool) > coming ? idle_wanted(pool) - coming : 0;
    if (pool->options.initial > all && pool->options.initial - all > wanted)
        wanted = pool->options.initial - all;
    uint32_t left = pool->options.max > all ? pool->options.max - all : 0;
    return wanted < left ? wanted : left;
}

uint64_t pool_expire(struct pool *pool, uint64_t now_us)
{
    struct pool_waiter *waiter;
    while ((waiter = oldest_waiter(pool, false)) && waiter->deadline_us <= now_us) {
        unlink_waiter(pool, waiter);
        waiter->on_failed(waiter, ERR_QUEUE_TIMEOUT);
    }
    return waiter ? waiter->deadline_us : UINT64_MAX;
}

uint32_t pool_idle(const struct pool *pool)
{
    return pool->idle.count;
}

uint32_t pool_leased(const struct pool *pool)
{
    return pool->leased;
}

uint32_t pool_waiting(const struct pool *pool)
{
    return pool->waiting;
}
