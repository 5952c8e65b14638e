/* Connections that wait, parked here or queued in the pool of a link. */
#include "proxy/tunnel/waiting.h"

#include "base/check.h"
#include "proxy/link/link.h"
#include "proxy/local/connection.h"
#include "proxy/tunnel/services.h"
#include "proxy/worker/worker.h"

static struct loop *loop_of(const struct waiting *self)
{
    return self->owner->tunnel->home->loop;
}

/* ---- the list, those that wait longest first ---- */

static void unlink_parked(struct waiting *self, struct connection *connection)
{
    TAILQ_REMOVE(&self->parked, connection, wait.others);
    connection->wait.parked = false;
    self->count--;
    counter_sub(&self->owner->tunnel->counters->connections_waiting, 1);
}

/* Those that come back from a pool have waited longer than those that came here first. */
static void link_parked(struct waiting *self, struct connection *connection)
{
    struct connection *before = TAILQ_LAST(&self->parked, waiting_parked);
    while (before && before->wait.since_us > connection->wait.since_us)
        before = TAILQ_PREV(before, waiting_parked, wait.others);
    if (before)
        TAILQ_INSERT_AFTER(&self->parked, before, connection, wait.others);
    else
        TAILQ_INSERT_HEAD(&self->parked, connection, wait.others);
    connection->wait.parked = true;
    self->count++;
    counter_add(&self->owner->tunnel->counters->connections_waiting, 1);
}

static void set_timer(struct waiting *self)
{
    const struct connection *first = TAILQ_FIRST(&self->parked);
    if (first)
        loop_timer_set(loop_of(self), &self->timer,
                       first->wait.since_us + self->owner->tunnel->config->waiting.timeout_us);
    else
        loop_timer_cancel(loop_of(self), &self->timer);
}

/* Then it was not for what those wanted that wait. */
static bool is_up(const struct waiting *self)
{
    for (const struct link *link = self->owner->links; link; link = link->next)
        if (link->state == LINK_READY)
            return true;
    return false;
}

static void on_timer(struct loop_timer *timer)
{
    struct waiting *self = container_of(timer, struct waiting, timer);
    uint64_t limit = self->owner->tunnel->config->waiting.timeout_us;
    struct connection *first;
    while ((first = TAILQ_FIRST(&self->parked)) &&
           first->wait.since_us + limit <= loop_now(loop_of(self))) {
        unlink_parked(self, first);
        if (is_up(self))
            connection_end(first, ERR_SERVICE_ABSENT, NULL);
        else
            connection_end(first, ERR_TUNNEL_DOWN, self->why_down);
    }
    set_timer(self);
}

void waiting_init(struct waiting *self, struct link_owner *owner, const char *why_down)
{
    self->owner = owner;
    self->why_down = why_down;
    TAILQ_INIT(&self->parked);
    self->timer.on_expire = on_timer;
}

/* ---- watching ---- */

static void on_reset(struct connection_events *events);

/* The client's bytes and FIN wait in the socket for the stream. They also do if a reset follows
 * them, but not for an association. */
static void on_readable(struct connection_events *events)
{
    struct connection *connection = container_of(events, struct connection, wait.events);
    if (connection->wait.parked ? connection->io.reset : connection_is_over(connection))
        on_reset(events);
}

static void on_written(struct connection_events *events, size_t length)
{
    (void)events;
    (void)length;
}

static void on_reset(struct connection_events *events)
{
    struct connection *connection = container_of(events, struct connection, wait.events);
    struct waiting *self = services_of(connection)->all->waiting;
    if (connection->wait.parked) {
        unlink_parked(self, connection);
        set_timer(self);
    } else {
        link_carry_cancel(connection);
    }
    connection_end(connection, ERR_LOCAL_RESET, "while it waited");
}

void waiting_begin(struct waiting *self, struct connection *connection)
{
    connection->wait.events = (struct connection_events){
        .on_readable = on_readable, .on_written = on_written, .on_reset = on_reset};
    if (!connection->wait.since_us)
        connection->wait.since_us = loop_now(loop_of(self));
    /* When the system refuses, it waits unwatched. */
    if (!connection->events)
        connection_watch(connection, self->owner->tunnel->home, &connection->wait.events);
}

void waiting_end(struct connection *connection)
{
    if (connection->events == &connection->wait.events)
        connection_unwatch(connection);
}

/* ---- in and out ---- */

void waiting_park(struct waiting *self, struct connection *connection)
{
    if (self->count >= self->owner->tunnel->config->waiting.max) {
        connection_end(connection, ERR_QUEUE_FULL, NULL);
        return;
    }
    if (connection->io.reset) {
        connection_end(connection, ERR_LOCAL_RESET, "while it waited");
        return;
    }
    waiting_begin(self, connection);
    link_parked(self, connection);
    if (TAILQ_FIRST(&self->parked) == connection)
        set_timer(self);
}

struct connection *waiting_unpark(struct waiting *self)
{
    struct connection *first = TAILQ_FIRST(&self->parked);
    if (first) {
        unlink_parked(self, first);
        waiting_end(first);
    }
    set_timer(self);
    return first;
}

/* link_carry ends or takes the one that it is given, and no other. */
void waiting_release(struct waiting *self)
{
    struct connection *next;
    for (struct connection *parked = TAILQ_FIRST(&self->parked); parked; parked = next) {
        struct link *link = services_link(services_of(parked));
        next = TAILQ_NEXT(parked, wait.others);
        if (!link)
            continue;
        unlink_parked(self, parked);
        waiting_end(parked);
        link_carry(link, parked);
    }
    set_timer(self);
}
