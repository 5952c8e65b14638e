/* Ends connections after their last bytes have been taken. */
#include "proxy/local/linger.h"

#include <stdlib.h>

#include "base/check.h"
#include "proxy/local/connection.h"
#include "proxy/worker/worker.h"

/* A reset comes no sooner behind the last data: a client that is still sending would find it in its
 * next write, and many look no further; curl then says nothing of the answer that it has. Nothing
 * announces an acknowledgement either: it is looked for at that time, and twice as long each time.
 */
#define LOOK_FIRST_US 20000
#define LOOK_MOST_US  160000

struct lingering {
    struct connection *connection;
    struct connection_events events;
    struct loop_timer timer; /* of a reset: when to look next */
    enum err why;
    char *detail;
    size_t bytes;  /* of its backlog */
    size_t left;   /* that were untaken at the last look */
    uint64_t look; /* us between this look and the next */
    uint64_t idle; /* us without progress */
    LIST_ENTRY(lingering) others;
};

static void end(struct lingering *l, enum err why)
{
    struct worker *worker = l->connection->worker;
    loop_timer_cancel(worker->loop, &l->timer);
    LIST_REMOVE(l, others);
    worker->lingering_bytes -= l->bytes;
    connection_end(l->connection, why, l->detail);
    free(l->detail);
    free(l);
}

static struct lingering *of(struct connection_events *events)
{
    return container_of(events, struct lingering, events);
}

static void look_in(struct lingering *l, uint64_t us)
{
    struct loop *loop = l->connection->worker->loop;
    l->look = us;
    loop_timer_set(loop, &l->timer, loop_now(loop) + us);
}

static void on_look(struct loop_timer *timer)
{
    struct lingering *l = container_of(timer, struct lingering, timer);
    size_t left = connection_untaken(l->connection);
    l->idle = left < l->left ? 0 : l->idle + l->look;
    l->left = left;
    if (!left || l->idle >= l->connection->worker->reset_timeout_us)
        end(l, l->why);
    else
        look_in(l, 2 * l->look < LOOK_MOST_US ? 2 * l->look : LOOK_MOST_US);
}

static void on_written(struct connection_events *events, size_t length)
{
    struct lingering *l = of(events);
    l->connection->worker->lingering_bytes -= length;
    l->bytes -= length;
    if (!connection_is_written(l->connection))
        return;
    if (l->why == ERR_CLOSED)
        end(l, ERR_CLOSED);
    else
        look_in(l, LOOK_FIRST_US);
}

/* Nobody needs the bytes that it sends; but it may be a RST. */
static void on_readable(struct connection_events *events)
{
    struct lingering *l = of(events);
    if (l->connection->io.write_failed)
        look_in(l, 0); /* not now: its caller goes on */
}

static void on_reset(struct connection_events *events)
{
    struct lingering *l = of(events);
    end(l, l->why == ERR_CLOSED ? ERR_LOCAL_RESET : l->why);
}

static void on_connected(struct connection_events *events, enum err result, const char *why)
{
    struct lingering *l = of(events);
    (void)why; /* it had ended before */
    if (result == ERR_OK)
        connection_flush(l->connection);
    else
        end(l, l->why);
}

static void add(struct connection *c, enum err why, const char *detail)
{
    struct worker *worker = c->worker;
    struct lingering *l = check_alloc(sizeof *l);
    *l = (struct lingering){.connection = c,
                            .events = {.on_connected = on_connected,
                                       .on_written = on_written,
                                       .on_readable = on_readable,
                                       .on_reset = on_reset},
                            .timer.on_expire = on_look,
                            .why = why,
                            .detail = detail ? check_strdup(detail) : NULL,
                            .left = connection_untaken(c)};
    c->events = &l->events;
    for (const struct message *piece = c->backlog.first; piece; piece = piece->next)
        l->bytes += piece->length - piece->offset;
    worker->lingering_bytes += l->bytes;
    connection_hold(c, l->bytes); /* the lease gives its window back */
    LIST_INSERT_HEAD(&worker->lingering, l, others);
    if (why != ERR_CLOSED)
        look_in(l, LOOK_FIRST_US);
}

/* True: its reader may not have seen the last bytes yet. */
static bool was_written_now(const struct connection *c)
{
    return c->counts.bytes_in && loop_now(c->worker->loop) - c->counts.written_us < LOOK_FIRST_US;
}

static bool may_wait(struct connection *c, enum err why)
{
    if (!c->worker || c->io.write_failed || (c->socket.fd < 0 && !c->dial))
        return false;
    connection_push(c);
    if (why == ERR_CLOSED)
        return !connection_is_written(c);
    return !linger_is_full(c->worker) && !c->io.write_failed &&
           (was_written_now(c) || connection_untaken(c) > 0);
}

void linger_end(struct connection *c, enum err why, const char *detail)
{
    c->events = NULL; /* its user has done with it */
    if (may_wait(c, why))
        add(c, why, detail);
    else
        connection_end(c, why, detail);
}

bool linger_is_full(const struct worker *worker)
{
    worker_assert(worker);
    return worker->lingering_bytes >= LINGER_MAX;
}

void linger_end_all(struct worker *worker, enum err why)
{
    worker_assert(worker);
    for (struct lingering *l; (l = LIST_FIRST(&worker->lingering));)
        end(l, l->why == ERR_CLOSED ? why : l->why);
}
