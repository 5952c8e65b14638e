/* Leases: connections get streams of the pool, or wait for one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "proxy/local/service.h"

static void lease(struct link *link, struct connection *connection, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    stream->lease = LEASE_OWN;
    stream->service = connection->service->index;
    connection->link = link;
    connection->stream = id;
    channel_carry(stream->channel, connection);
}

static void set_timer(struct link *link, uint64_t deadline)
{
    struct loop *loop = link_loop(link);
    if (deadline == UINT64_MAX)
        loop_timer_cancel(loop, &link->leases.timer);
    else
        loop_timer_set(loop, &link->leases.timer, deadline);
}

static void on_timer(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, leases.timer);
    set_timer(link, pool_expire(link->leases.pool, link_now(link)));
}

static void on_stream(struct pool_waiter *waiter, uint16_t id)
{
    struct connection *connection = container_of(waiter, struct connection, wait.waiter);
    struct link_owner *owner = connection->link->owner;
    counter_sub(&owner->tunnel->counters->connections_waiting, 1);
    owner->events->on_waited(owner, connection);
    lease(connection->link, connection, id);
}

static void on_wait_failed(struct pool_waiter *waiter, enum err why)
{
    struct connection *connection = container_of(waiter, struct connection, wait.waiter);
    struct link_owner *owner = connection->link->owner;
    counter_sub(&owner->tunnel->counters->connections_waiting, 1);
    connection->link = NULL;
    if (why == ERR_TUNNEL_DOWN)
        owner->events->on_connection_back(owner, connection);
    else
        connection_end(connection, why, NULL);
}

/* The option that sets the limit which the connection meets; NULL: none. */
static const char *limit_text(const struct connection *connection, enum err why, char *text,
                              size_t size)
{
    if (why == ERR_SERVICE_BUSY)
        snprintf(text, size, "streams.max = %u", connection->service->config->streams.max);
    else if (why == ERR_QUEUE_FULL)
        snprintf(text, size, "waiting.max = %u", connection->link->tunnel->config->waiting.max);
    else
        return NULL;
    return text;
}

void link_carry(struct link *link, struct connection *connection)
{
    uint16_t id;
    worker_assert(link->tunnel->home);
    connection->link = link;
    connection_set_peer(connection, link->peer.identity, link->group.log_id);
    connection->wait.waiter.on_stream = on_stream;
    connection->wait.waiter.on_failed = on_wait_failed;
    /* The time that it has waited already counts. */
    uint64_t since = connection->wait.since_us ? connection->wait.since_us : link_now(link);
    enum err result = pool_lease(link->leases.pool, connection->service->index,
                                 &connection->wait.waiter, since, &id);
    if (result == ERR_OK) {
        lease(link, connection, id);
    } else if (result == ERR_AGAIN) {
        counter_add(&link->tunnel->counters->connections_waiting, 1);
        link->owner->events->on_waiting(link->owner, connection);
        link_streams_waited_for(link);
        set_timer(link, pool_expire(link->leases.pool, link_now(link)));
    } else {
        char limit[48];
        connection_end(connection, result, limit_text(connection, result, limit, sizeof limit));
    }
    link_children_start(link);
}

void link_carry_cancel(struct connection *connection)
{
    pool_cancel(connection->link->leases.pool, &connection->wait.waiter);
    counter_sub(&connection->link->tunnel->counters->connections_waiting, 1);
}

/* ---- the peer's leases ---- */

void link_leases_by_peer(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    if (stream->lease == LEASE_OWN) {
        stream->lease = LEASE_BOTH;
        return;
    }
    pool_remove_idle(link->leases.pool, id);
    stream->lease = LEASE_PEER;
}

/* Of LEASE_BOTH it is the peer's that has ended: our connection came back before, if at all. */
void link_leases_idle(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    bool own = stream->lease == LEASE_OWN;
    if (stream->lease == LEASE_BOTH) {
        stream->lease = LEASE_OWN;
        return;
    }
    stream->lease = LEASE_NONE;
    if (own)
        pool_return(link->leases.pool, stream->service, id, true);
    else
        pool_add_idle(link->leases.pool, id);
}

/* The stream is the peer's. When both opened it at once, that is told only after this. */
static void end_lease(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams.list[id];
    bool both = stream->lease == LEASE_BOTH;
    if (!both && stream->lease != LEASE_OWN)
        return;
    pool_return(link->leases.pool, stream->service, id, false);
    stream->lease = both ? LEASE_PEER : LEASE_NONE;
}

void link_leases_returned(struct link *link, uint16_t id, struct connection *connection)
{
    if (link->state == LINK_READY)
        end_lease(link, id);
    if (!connection)
        return;
    connection->stream = 0;
    connection->link = NULL;
    link->owner->events->on_connection_back(link->owner, connection);
}

/* ---- begin and end ---- */

void link_leases_begin(struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    struct pool_service_options *services =
        check_alloc((config->service_count + 1) * sizeof *services);
    for (size_t i = 0; i < config->service_count; i++)
        services[i] = (struct pool_service_options){.min = config->services[i].streams.min,
                                                    .max = config->services[i].streams.max};
    const struct pool_options options = {
        .side = link_is_client(link) ? MUX_CLIENT : MUX_SERVER,
        .initial = link->children.initial,
        .max = link->streams.max,
        .waiting_max = config->waiting.max,
        .waiting_us = config->waiting.timeout_us,
        .services = services,
        .service_count = config->service_count,
    };
    link->leases.pool = pool_new(&options);
    free(services);
    link->leases.timer.on_expire = on_timer;
}

void link_leases_end(struct link *link)
{
    struct pool *pool = link->leases.pool;
    loop_timer_cancel(link_loop(link), &link->leases.timer);
    link->leases.pool = NULL;
    pool_free(pool);
}
