/* The pool of streams: sides, waiting, the services' shares. */
#include "mux/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

struct test_waiter {
    struct pool_waiter waiter;
    uint16_t stream;
    enum err why;
    unsigned calls, order;
};

static unsigned served;

static void on_stream(struct pool_waiter *self, uint16_t stream)
{
    struct test_waiter *w = container_of(self, struct test_waiter, waiter);
    w->stream = stream;
    w->calls++;
    w->order = ++served;
}

static void on_failed(struct pool_waiter *self, enum err why)
{
    struct test_waiter *w = container_of(self, struct test_waiter, waiter);
    w->why = why;
    w->calls++;
}

static struct test_waiter new_waiter(void)
{
    return (struct test_waiter){.waiter = {.on_stream = on_stream, .on_failed = on_failed}};
}

static struct pool *make(enum mux_side side, uint32_t max, const struct pool_service_options *map,
                         size_t count)
{
    struct pool_options options = {
        .side = side,
        .initial = 4,
        .max = max,
        .waiting_max = 3,
        .waiting_us = 1000,
        .services = map,
        .service_count = count,
    };
    return pool_new(&options);
}

static const struct pool_service_options no_map[2] = {{0, 0}, {0, 0}};

static void test_sides(void)
{
    uint16_t stream;
    struct test_waiter w = new_waiter();
    struct pool *client = make(MUX_CLIENT, 100, no_map, 2);
    struct pool *server = make(MUX_SERVER, 100, no_map, 2);
    static const uint16_t ids[] = {50, 7, 99};
    for (int i = 0; i < 3; i++) {
        pool_add_idle(client, ids[i]);
        pool_add_idle(server, ids[i]);
    }
    ok(!pool_lease(client, 0, &w.waiter, 0, &stream) && stream == 7, "the client takes the lowest");
    ok(!pool_lease(server, 0, &w.waiter, 0, &stream) && stream == 99, "the server the highest");
    ok(pool_idle(client) == 2 && pool_leased(client) == 1, "counted");
    pool_remove_idle(client, 50);
    pool_remove_idle(client, 50);
    pool_remove_idle(client, 7);
    ok(pool_idle(client) == 1, "only an idle one is removed, once");
    pool_free(client);
    pool_free(server);
    pool_free(NULL);
}

static void test_waiting(void)
{
    struct pool *pool = make(MUX_CLIENT, 100, no_map, 2);
    struct test_waiter w[4] = {new_waiter(), new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream = 0;
    served = 0;
    for (uint64_t i = 0; i < 3; i++)
        ok(pool_lease(pool, i % 2, &w[i].waiter, i, &stream) == ERR_AGAIN, "%d waits", (int)i);
    ok(pool_lease(pool, 0, &w[3].waiter, 3, &stream) == ERR_QUEUE_FULL, "no more than waiting_max");
    pool_cancel(pool, &w[1].waiter);
    pool_add_idle(pool, 5);
    pool_add_idle(pool, 4);
    ok(w[0].order == 1 && w[0].stream == 5 && w[2].order == 2 && w[2].stream == 4,
       "served in the order in which they came");
    ok(!w[1].calls && !pool_waiting(pool), "not the one that went away");
    ok(pool_lease(pool, 0, &w[1].waiter, 4, &stream) == ERR_AGAIN, "again none is idle");
    pool_return(pool, 0, 5, true);
    ok(w[1].stream == 5 && pool_idle(pool) == 0, "a stream that comes back serves the next");
    pool_return(pool, 0, 4, false);
    ok(pool_idle(pool) == 0 && pool_leased(pool) == 1, "a dead one does not");
    pool_free(pool);
}

static void test_time(void)
{
    struct pool *pool = make(MUX_CLIENT, 100, no_map, 2);
    struct test_waiter w[3] = {new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream;
    ok(pool_expire(pool, 5) == UINT64_MAX, "no deadline when nobody waits");
    pool_lease(pool, 1, &w[0].waiter, 100, &stream);
    pool_lease(pool, 0, &w[1].waiter, 200, &stream);
    ok(pool_expire(pool, 1099) == 1100 && !w[0].calls, "the oldest's deadline");
    ok(pool_expire(pool, 1100) == 1200 && w[0].why == ERR_QUEUE_TIMEOUT, "its time is over");
    pool_lease(pool, 0, &w[2].waiter, 1150, &stream);
    pool_free(pool);
    ok(w[1].why == ERR_TUNNEL_DOWN && w[2].why == ERR_TUNNEL_DOWN && w[2].calls == 1,
       "the rest hear that the tunnel is down");
}

static void test_map(void)
{
    static const struct pool_service_options map[] = {{2, 3}, {0, 0}, {0, 1}};
    struct pool *pool = make(MUX_CLIENT, 100, map, 3);
    struct test_waiter w[3] = {new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream;
    for (uint16_t id = 1; id <= 3; id++)
        pool_add_idle(pool, id);
    ok(!pool_lease(pool, 1, &w[0].waiter, 0, &stream), "one of three is for all");
    ok(pool_lease(pool, 1, &w[0].waiter, 0, &stream) == ERR_AGAIN, "two are kept for service 0");
    ok(!pool_lease(pool, 0, &w[1].waiter, 0, &stream) &&
           !pool_lease(pool, 0, &w[1].waiter, 0, &stream),
       "which gets them, whoever waits");
    pool_add_idle(pool, 4);
    ok(w[0].stream == 4, "with its min in use, the next is for all");
    ok(pool_lease(pool, 0, &w[1].waiter, 0, &stream) == ERR_AGAIN, "its third waits");
    ok(pool_lease(pool, 0, &w[2].waiter, 0, &stream) == ERR_SERVICE_BUSY,
       "a fourth is too many, while the third waits");
    ok(pool_lease(pool, 2, &w[2].waiter, 0, &stream) == ERR_AGAIN, "service 2 waits for one");
    pool_return(pool, 0, 2, true);
    ok(!w[1].calls == !w[2].calls || w[1].stream == 2, "service 0 is below its min: its waiter");
    pool_return(pool, 1, 4, true);
    ok(w[2].stream == 4, "then service 2");
    ok(pool_lease(pool, 2, &w[2].waiter, 0, &stream) == ERR_SERVICE_BUSY, "and no second for it");
    pool_free(pool);
}

/* A service whose max is the pool's waits for a stream as one without a map does. */
static void test_max_of_pool(void)
{
    static const struct pool_service_options map[] = {{0, 2}, {0, 1}};
    struct pool *pool = make(MUX_CLIENT, 2, map, 2);
    struct test_waiter w = new_waiter();
    uint16_t stream;
    for (uint16_t id = 1; id <= 2; id++) {
        pool_add_idle(pool, id);
        pool_lease(pool, 0, &w.waiter, 0, &stream);
    }
    ok(pool_lease(pool, 0, &w.waiter, 0, &stream) == ERR_AGAIN, "the whole pool is no limit");
    pool_free(pool);
}

static void test_wanted(void)
{
    struct pool *pool = make(MUX_CLIENT, 20, no_map, 2);
    struct test_waiter w = new_waiter();
    uint16_t stream;
    ok(pool_wanted(pool, 0) == 4 && pool_wanted(pool, 3) == 1 && pool_wanted(pool, 9) == 0,
       "initial, less those under way");
    for (uint16_t id = 1; id <= 4; id++)
        pool_add_idle(pool, id);
    ok(pool_wanted(pool, 0) == 0, "enough");
    for (int i = 0; i < 4; i++)
        pool_lease(pool, 0, &w.waiter, 0, &stream);
    ok(pool_wanted(pool, 0) == 1, "a quarter of those in use, ahead of need");
    pool_lease(pool, 0, &w.waiter, 0, &stream);
    ok(pool_wanted(pool, 0) == 2 && pool_wanted(pool, 1) == 1, "and one for each waiter");
    for (uint16_t id = 5; id <= 19; id++) {
        pool_add_idle(pool, id);
        if (id > 5)
            pool_lease(pool, 0, &w.waiter, 0, &stream);
    }
    ok(pool_leased(pool) == 19 && pool_wanted(pool, 0) == 1 && pool_wanted(pool, 1) == 0,
       "never beyond max");
    pool_free(pool);
    static const struct pool_service_options map[] = {{6, 0}, {0, 0}};
    pool = make(MUX_CLIENT, 20, map, 2);
    ok(pool_wanted(pool, 0) == 6, "as many as are kept for the services");
    for (uint16_t id = 1; id <= 6; id++)
        pool_add_idle(pool, id);
    pool_lease(pool, 1, &w.waiter, 0, &stream);
    ok(pool_wanted(pool, 0) == 1, "one more for a waiter who may not touch them");
    pool_free(pool);
}

static void test_dismissed(void)
{
    struct pool *pool = make(MUX_CLIENT, 20, no_map, 2);
    struct test_waiter w[3] = {new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream;
    for (int i = 0; i < 3; i++)
        pool_lease(pool, (size_t)i % 2, &w[i].waiter, 0, &stream);
    pool_dismiss(pool);
    ok(w[0].why == ERR_TUNNEL_DOWN && w[1].why == ERR_TUNNEL_DOWN && w[2].why == ERR_TUNNEL_DOWN,
       "all waiters are dismissed, of each service");
    pool_add_idle(pool, 4);
    ok(w[0].calls + w[1].calls + w[2].calls == 3 && pool_idle(pool) == 1 && !pool_waiting(pool),
       "once, and a stream that comes then stays idle");
    pool_free(pool);
}

static void test_service_dismissed(void)
{
    struct pool *pool = make(MUX_CLIENT, 20, no_map, 2);
    struct test_waiter w[3] = {new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream;
    for (int i = 0; i < 3; i++)
        pool_lease(pool, (size_t)i % 2, &w[i].waiter, 0, &stream);
    pool_dismiss_service(pool, 0);
    ok(w[0].why == ERR_TUNNEL_DOWN && w[2].why == ERR_TUNNEL_DOWN && w[1].calls == 0 &&
           pool_waiting(pool) == 1,
       "the waiters of one service are dismissed, that of another waits on");
    pool_free(pool);
}

/* A waiter that gives its stream back inside on_stream, as an owner whose open fails does. */
static struct pool *reentered;

static void on_stream_return(struct pool_waiter *self, uint16_t stream)
{
    on_stream(self, stream);
    pool_return(reentered, 0, stream, true);
}

static void test_reentered(void)
{
    reentered = make(MUX_CLIENT, 20, no_map, 2);
    struct test_waiter w[3] = {new_waiter(), new_waiter(), new_waiter()};
    uint16_t stream;
    for (int i = 0; i < 3; i++) {
        w[i].waiter.on_stream = on_stream_return;
        pool_lease(reentered, 0, &w[i].waiter, 0, &stream);
    }
    pool_add_idle(reentered, 9);
    ok(w[0].calls == 1 && w[1].calls == 1 && w[2].calls == 1, "each is served once");
    ok(pool_idle(reentered) == 1 && pool_leased(reentered) == 0, "and the stream is idle at last");
    pool_free(reentered);
}

int main(void)
{
    test_sides();
    test_waiting();
    test_time();
    test_map();
    test_max_of_pool();
    test_wanted();
    test_dismissed();
    test_service_dismissed();
    test_reentered();
    return tap_done();
}
