/* mux/pool.h: the streams of one association from the leaser's view: the idle ones, the
 * services' shares of them, those who wait for one, and the number of children to start. Pure code:
 * time comes in as µs. Thread: the association's home.
 *
 * Low ids are leased first by the client, high ones by the server: active streams cost SCTP, and
 * the two sides meet (and race) only when the pool is nearly empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "mux/stream.h"

struct pool;

/* One service's share: kept for it, at most. min 0 and max 0 (or max no less than the pool's): no
 * map, it uses what is free. A service that holds fewer than its min may take any idle stream;
 * beyond it, only what is not kept for others. The sum of all min has to be below pool_options.max:
 * the configuration's matter. */
struct pool_service_options {
    uint32_t min, max;
};

struct pool_options {
    enum mux_side side;
    uint32_t initial;                            /* children made ready at start */
    uint32_t max;                                /* streams in all: ids 1..max */
    uint32_t waiting_max;                        /* connections that may wait, of all services */
    uint64_t waiting_us;                         /* time that one may wait */
    const struct pool_service_options *services; /* copied */
    size_t service_count;
};

/* A connection that waits for a stream. Embedded in the owner's struct. */
struct pool_waiter {
    /* A stream is leased to it. */
    void (*on_stream)(struct pool_waiter *self, uint16_t stream);
    /* It waited in vain: ERR_QUEUE_TIMEOUT, or ERR_TUNNEL_DOWN from pool_free and pool_dismiss. */
    void (*on_failed)(struct pool_waiter *self, enum err why);
    TAILQ_ENTRY(pool_waiter) others; /* private, as all below */
    size_t service;
    uint64_t deadline_us;
};

/* Owns: caller, pool_free. */
struct pool *pool_new(const struct pool_options *options);
/* Every waiter gets on_failed(ERR_TUNNEL_DOWN). NULL is fine. */
void pool_free(struct pool *pool);
/* The same, and the pool lives on. on_failed must not queue there again. */
void pool_dismiss(struct pool *pool);

/* The same for those of one service. */
void pool_dismiss_service(struct pool *pool, size_t service);

/* A child is ready (BIND done) or came back from a lease by the peer. */
void pool_add_idle(struct pool *pool, uint16_t stream);
/* The peer leased it, or its child died while idle: it is no longer ours to lease. A no-op if it is
 * not idle. */
void pool_remove_idle(struct pool *pool, uint16_t stream);

/* Leases a stream to service: at once (ERR_OK, *stream), or queues the waiter (ERR_AGAIN), or
 * fails: ERR_QUEUE_FULL, ERR_SERVICE_BUSY (its map's max). */
enum err pool_lease(struct pool *pool, size_t service, struct pool_waiter *waiter, uint64_t now_us,
                    uint16_t *stream);
/* The lease is over: idle again (goes to the first waiter that may have it), or gone for good
 * (its child died). */
void pool_return(struct pool *pool, size_t service, uint16_t stream, bool idle);
/* The waiter's connection went away first. */
void pool_cancel(struct pool *pool, struct pool_waiter *waiter);

/* Client: how many children to start now, counting those under way: initial at first, then ahead
 * of need (a quarter of those in use or what the services' min keep, and one for each waiter),
 * never beyond max. Streams that the peer has leased are not known here: the caller also stops when
 * it has no free stream id left. */
uint32_t pool_wanted(const struct pool *pool, uint32_t under_way);
/* Gives up waiters whose time is over; returns the next deadline in µs, UINT64_MAX: none. */
uint64_t pool_expire(struct pool *pool, uint64_t now_us);

uint32_t pool_idle(const struct pool *pool);
uint32_t pool_leased(const struct pool *pool);
uint32_t pool_waiting(const struct pool *pool);
