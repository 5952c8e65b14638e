/* Connections that wait: parked while no association is up, or queued in the pool of one. Both
 * together wait no longer than waiting.timeout, and their sockets are watched meanwhile: a client
 * that has gone gives its place up. */
#include "base/check.h"
#include "proxy/link/link.h"
#include "proxy/local/connection.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* ---- the list, those that wait longest first ---- */

static void unlink_parked(struct tunnel *tunnel, struct connection *connection)
{
    TAILQ_REMOVE(&tunnel->parked, connection, wait.others);
    connection->wait.parked = false;
    tunnel->parked_count--;
    counter_sub(&tunnel->counters.connections_waiting, 1);
}

/* Those that come back from a pool have waited longer than those that came here first. */
static void link_parked(struct tunnel *tunnel, struct connection *connection)
{
    struct connection *before = TAILQ_LAST(&tunnel->parked, parked_connections);
    while (before && before->wait.since_us > connection->wait.since_us)
        before = TAILQ_PREV(before, parked_connections, wait.others);
    if (before)
        TAILQ_INSERT_AFTER(&tunnel->parked, before, connection, wait.others);
    else
        TAILQ_INSERT_HEAD(&tunnel->parked, connection, wait.others);
    connection->wait.parked = true;
    tunnel->parked_count++;
    counter_add(&tunnel->counters.connections_waiting, 1);
}

static void set_timer(struct tunnel *tunnel)
{
    const struct connection *first = TAILQ_FIRST(&tunnel->parked);
    if (first)
        loop_timer_set(tunnel->home->loop, &tunnel->parked_timer,
                       first->wait.since_us + tunnel->config->waiting.timeout_us);
    else
        loop_timer_cancel(tunnel->home->loop, &tunnel->parked_timer);
}

/* Then it was not for what those wanted that wait. */
static bool is_up(const struct tunnel *tunnel)
{
    for (const struct link *link = tunnel->owner.links; link; link = link->next)
        if (link->state == LINK_READY)
            return true;
    return false;
}

static void on_timer(struct loop_timer *timer)
{
    struct tunnel *tunnel = container_of(timer, struct tunnel, parked_timer);
    uint64_t limit = tunnel->config->waiting.timeout_us;
    struct connection *first;
    while ((first = TAILQ_FIRST(&tunnel->parked)) &&
           first->wait.since_us + limit <= tunnel_now(tunnel)) {
        unlink_parked(tunnel, first);
        if (is_up(tunnel))
            connection_end(first, ERR_SERVICE_ABSENT, NULL);
        else
            connection_end(first, ERR_TUNNEL_DOWN, tunnel->why_down);
    }
    set_timer(tunnel);
}

void tunnel_waiting_init(struct tunnel *tunnel)
{
    TAILQ_INIT(&tunnel->parked);
    tunnel->parked_timer.on_expire = on_timer;
}

/* ---- watching ---- */

static void on_reset(struct connection_events *events);

/* What the client sends, and its FIN, wait in the socket for the stream; where a reset follows them
 * they still do, but not for an association. */
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
    struct tunnel *tunnel = tunnel_service_of(connection)->tunnel;
    if (connection->wait.parked) {
        unlink_parked(tunnel, connection);
        set_timer(tunnel);
    } else {
        link_carry_cancel(connection);
    }
    connection_end(connection, ERR_LOCAL_RESET, "while it waited");
}

void tunnel_waiting_begin(struct tunnel *tunnel, struct connection *connection)
{
    connection->wait.events = (struct connection_events){
        .on_readable = on_readable, .on_written = on_written, .on_reset = on_reset};
    if (!connection->wait.since_us)
        connection->wait.since_us = tunnel_now(tunnel);
    /* When the system refuses, it waits unwatched. */
    if (!connection->events)
        connection_watch(connection, tunnel->home, &connection->wait.events);
}

void tunnel_waiting_end(struct connection *connection)
{
    if (connection->events == &connection->wait.events)
        connection_unwatch(connection);
}

/* ---- in and out ---- */

void tunnel_waiting_park(struct tunnel *tunnel, struct connection *connection)
{
    if (tunnel->parked_count >= tunnel->config->waiting.max) {
        connection_end(connection, ERR_QUEUE_FULL, NULL);
        return;
    }
    if (connection->io.reset) {
        connection_end(connection, ERR_LOCAL_RESET, "while it waited");
        return;
    }
    tunnel_waiting_begin(tunnel, connection);
    link_parked(tunnel, connection);
    if (TAILQ_FIRST(&tunnel->parked) == connection)
        set_timer(tunnel);
}

struct connection *tunnel_waiting_unpark(struct tunnel *tunnel)
{
    struct connection *first = TAILQ_FIRST(&tunnel->parked);
    if (first) {
        unlink_parked(tunnel, first);
        tunnel_waiting_end(first);
    }
    set_timer(tunnel);
    return first;
}

/* link_carry ends or takes the one that it is given, and no other. */
void tunnel_waiting_release(struct tunnel *tunnel)
{
    struct connection *next;
    for (struct connection *parked = TAILQ_FIRST(&tunnel->parked); parked; parked = next) {
        struct link *link = tunnel_services_carrier(tunnel_service_of(parked));
        next = TAILQ_NEXT(parked, wait.others);
        if (!link)
            continue;
        unlink_parked(tunnel, parked);
        tunnel_waiting_end(parked);
        link_carry(link, parked);
    }
    set_timer(tunnel);
}
