/* Events of channels: how their sessions and leases go. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/worker/worker.h"

static void child_usable(struct link *link, uint16_t id)
{
    link->streams[id].child = CHILD_USABLE;
    link->children_started--;
    counter_add(&link->tunnel->counters->children_ready, 1);
    pool_add_idle(link->pool, id);
    if (++link->children_seen == link->children_initial)
        log_write(LOG_INFO, LINK_ABOUT(link), "%u streams ready, %.1f ms after the first packet",
                  link->children_initial, (double)(link_now(link) - link->begun_us) / 1e3);
}

static void child_ready(struct link *link, uint16_t id, bool resumed)
{
    struct link_stream *stream = &link->streams[id];
    struct counters *counters = link->tunnel->counters;
    if (stream->child == CHILD_STARTED)
        child_usable(link, id);
    stream->child = CHILD_READY;
    counter_add(resumed ? &counters->children_resumed : &counters->children_full, 1);
    handshakes_child(link->owner, resumed, ERR_OK);
    if (!resumed)
        log_write(LOG_WARNING, LINK_ABOUT(link, .stream = id),
                  "child session was not resumed: a full handshake took its place");
}

static void child_leased_by_peer(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    if (stream->lease == LEASE_OWN) {
        stream->lease = LEASE_BOTH;
        return;
    }
    pool_remove_idle(link->pool, id);
    stream->lease = LEASE_PEER;
}

/* Of LEASE_BOTH it is the peer's that has ended: our connection came back before, if at all. */
static void child_idle(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    bool own = stream->lease == LEASE_OWN;
    if (stream->lease == LEASE_BOTH) {
        stream->lease = LEASE_OWN;
        return;
    }
    stream->lease = LEASE_NONE;
    if (own)
        pool_return(link->pool, stream->service, id, true);
    else
        pool_add_idle(link->pool, id);
}

/* The stream is the peer's. When both opened it at once, that is told only after this. */
static void lease_returned(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    bool both = stream->lease == LEASE_BOTH;
    if (!both && stream->lease != LEASE_OWN)
        return;
    pool_return(link->pool, stream->service, id, false);
    stream->lease = both ? LEASE_PEER : LEASE_NONE;
}

static void connection_returned(struct link *link, uint16_t id, struct connection *connection)
{
    if (link->state == LINK_READY)
        lease_returned(link, id);
    connection->stream = 0;
    connection->link = NULL;
    link->owner->events->on_connection_back(link->owner, connection);
}

static void handle(struct link *link, const struct channel_report *report)
{
    uint16_t id = report->channel->stream;
    switch (report->event) {
    case CHANNEL_USABLE:
        child_usable(link, id);
        break;
    case CHANNEL_READY:
        child_ready(link, id, report->resumed);
        break;
    case CHANNEL_FAILED:
        link_child_failed(link, id, report->epoch, report->why, report->detail, false);
        break;
    case CHANNEL_LEASED:
        child_leased_by_peer(link, id);
        break;
    case CHANNEL_IDLE:
        child_idle(link, id);
        break;
    case CHANNEL_RETURNED:
        lease_returned(link, id);
        break;
    }
}

void link_report(const struct channel_report *report)
{
    struct link *link = link_of(report->channel);
    const struct link_stream *stream = &link->streams[report->channel->stream];
    if (report->connection)
        connection_returned(link, report->channel->stream, report->connection);
    else if (link->state != LINK_CLOSING && stream->child != CHILD_NONE &&
             stream->epoch == report->epoch)
        handle(link, report);
    if (link->state == LINK_READY)
        link_start_children(link);
}
