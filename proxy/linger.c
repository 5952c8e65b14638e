#include "proxy/linger.h"

#include "base/check.h"
#include "proxy/connection.h"
#include "proxy/worker.h"

static void end(struct connection *c, enum err why)
{
    struct worker *worker = c->worker;
    if (c->list_previous)
        c->list_previous->list_next = c->list_next;
    else
        worker->lingering = c->list_next;
    if (c->list_next)
        c->list_next->list_previous = c->list_previous;
    worker->lingering_bytes -= c->linger_bytes;
    connection_end(c, why, NULL);
}

static struct connection *of(struct connection_events *events)
{
    return container_of(events, struct connection, linger_events);
}

static void on_written(struct connection_events *events, size_t length)
{
    struct connection *c = of(events);
    c->worker->lingering_bytes -= length;
    c->linger_bytes -= length;
    if (connection_is_written(c))
        end(c, ERR_CLOSED);
}

static void on_readable(struct connection_events *events)
{
    (void)events; /* its FIN came long ago; a RST comes as on_reset */
}

static void on_reset(struct connection_events *events)
{
    end(of(events), ERR_LOCAL_RESET);
}

void linger_add(struct connection *c)
{
    struct worker *worker = c->worker;
    c->linger_events = (struct connection_events){
        .on_written = on_written, .on_readable = on_readable, .on_reset = on_reset};
    c->events = &c->linger_events;
    c->linger_bytes = 0;
    for (const struct message *piece = c->backlog.first; piece; piece = piece->next)
        c->linger_bytes += piece->length - piece->offset;
    worker->lingering_bytes += c->linger_bytes;
    c->list_previous = NULL;
    c->list_next = worker->lingering;
    if (c->list_next)
        c->list_next->list_previous = c;
    worker->lingering = c;
}

bool linger_is_full(const struct worker *worker)
{
    return worker->lingering_bytes >= LINGER_MAX;
}

void linger_end_all(struct worker *worker, enum err why)
{
    while (worker->lingering)
        end(worker->lingering, why);
}
