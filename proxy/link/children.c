/* The children: starting and restarting their channels, and leasing their streams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/local/service.h"
#include "proxy/worker/worker.h"

/* Children that may fail before the association is given up; one is forgiven each second. More than
 * a burst of bad luck, few enough that a peer that resumes nothing is told apart at once. */
#define FAILURES_MAX   64
#define FORGIVENESS_US 1000000

/* Handshakes of children that are under way at once. One takes 20 KB at each end until it is over,
 * of an idle child's 3: thousands together are a peak that the heap keeps, and 1000 children were
 * ready a sixth later than by 64 at a time, out of the cache. A round trip must not leave the
 * processors idle: two make 5 in a millisecond. */
#define AT_ONCE_MIN    64
#define AT_ONCE_PER_MS 16

/* ---- sessions ---- */

/* Stream 1, which is leased first, is at home and needs no mail. */
static struct worker *worker_of(const struct tunnel_base *tunnel, uint16_t id)
{
    return &tunnel->workers[(tunnel->home->index + id - 1u) % tunnel->worker_count];
}

void link_start_child(struct link *link, uint16_t id, uint8_t epoch)
{
    struct link_stream *stream = &link->streams[id];
    struct tunnel_base *tunnel = link->tunnel;
    if (!stream->channel)
        stream->channel = channel_new(&link->group, worker_of(tunnel, id), id);
    link_send_forget(link, stream);
    stream->epoch = epoch;
    stream->child = CHILD_STARTED;
    link->children_started++;
    counter_add(&tunnel->counters->children_started, 1);
    struct channel_roots roots = {
        .credentials = tls_credentials_ref(link->credentials),
        .generation = tls_generation_ref(link->generation),
        .previous =
            link->previous_generation ? tls_generation_ref(link->previous_generation) : NULL,
    };
    channel_begin(stream->channel, epoch, &roots);
}

void link_start_children(struct link *link)
{
    if (link->state != LINK_READY)
        return;
    uint32_t wanted = pool_wanted(link->pool, link->children_started);
    if (!link_is_client(link)) {
        uint32_t waiting = pool_waiting(link->pool);
        if (waiting) {
            mux_control_want(link->control, waiting < UINT16_MAX ? (uint16_t)waiting : UINT16_MAX);
            link_control_flush(link);
        }
        return;
    }
    /* From an expired master nothing resumes: wait for the renewal rather than fail, because enough
     * failures would end the association and with it connections that are well. */
    if (link->generation_refused || tls_generation_expires_in(link->generation) <= 0) {
        link_renew_now(link);
        return;
    }
    /* The server repeats itself while it waits: those under way are meant for it, too. */
    uint32_t peer_wants = link->peer_wants;
    link->peer_wants = 0;
    if (peer_wants > link->children_started && peer_wants - link->children_started > wanted)
        wanted = peer_wants - link->children_started;
    uint32_t room = link->children_started < link->children_at_once
                        ? link->children_at_once - link->children_started
                        : 0;
    if (wanted > room)
        wanted = room; /* each that is through comes here again */
    for (; wanted && link->first_unused <= link->streams_max; link->first_unused++) {
        struct link_stream *stream = &link->streams[link->first_unused];
        if (stream->child != CHILD_NONE)
            continue;
        link_start_child(link, link->first_unused,
                         stream->channel ? (uint8_t)(stream->epoch + 1) : stream->epoch);
        wanted--;
    }
}

/* The stream has no session any more. */
static void forget_child(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    struct counters *counters = link->tunnel->counters;
    if (stream->child == CHILD_STARTED)
        link->children_started--;
    if (stream->child >= CHILD_USABLE)
        counter_sub(&counters->children_ready, 1);
    if (stream->lease == LEASE_OWN || stream->lease == LEASE_BOTH)
        pool_return(link->pool, stream->service, id, false);
    else if (link->pool)
        pool_remove_idle(link->pool, id);
    stream->lease = LEASE_NONE;
    stream->child = CHILD_NONE;
    if (id < link->first_unused)
        link->first_unused = id;
}

/* The server's tickets end earlier than we believe: it was told another ticket_lifetime, and
 * session ids of TLS 1.2 do not say how long they live. Whether this was noticed before: what else
 * is under way is refused as well, and says nothing new. A server that resumes nothing at all still
 * gets to FAILURES_MAX: each renewal, and so each other generation, counts. */
static bool is_known_to_be_refused(struct link *link, enum err why)
{
    bool was_known = link->generation_refused;
    if (!link_is_client(link) || link->state != LINK_READY || why != ERR_TLS_NOT_RESUMED)
        return false;
    link->generation_refused = true;
    return was_known;
}

/* False: too many, the link is closing. */
static bool count_failure(struct link *link, enum err why)
{
    counter_add(&link->tunnel->counters->children_failed, 1);
    if (is_known_to_be_refused(link, why))
        return true;
    uint64_t forgiven = (link_now(link) - link->failures_us) / FORGIVENESS_US;
    link->failures = forgiven > link->failures ? 0 : link->failures - (uint32_t)forgiven;
    link->failures_us += forgiven * FORGIVENESS_US;
    if (++link->failures <= FAILURES_MAX)
        return true;
    char detail[128];
    snprintf(detail, sizeof(detail), "the last one: %s", err_text(why));
    link_close(link, ERR_TOO_MANY_FAILURES, detail, true);
    return false;
}

void link_child_failed(struct link *link, uint16_t id, uint8_t epoch, enum err why,
                       const char *detail, bool told_by_peer)
{
    struct link_stream *stream = &link->streams[id];
    if (link->state == LINK_CLOSING || stream->child == CHILD_NONE || stream->epoch != epoch)
        return;
    log_write(LOG_WARNING, LINK_ABOUT(link, .stream = id), "child session failed: %s%s%s",
              err_text(why), *detail ? ": " : "", detail);
    if (told_by_peer) {
        channel_stop(stream->channel, why);
    } else {
        mux_control_child_failed(link->control, id, epoch, why);
        link_control_flush(link);
    }
    if (stream->child != CHILD_READY) {
        handshakes_failed(link->owner, why);
        handshakes_child(link->owner, false, why);
    }
    forget_child(link, id);
    if (count_failure(link, why))
        link_start_children(link);
}

void link_abandon_child(struct link *link, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    must(stream->child == CHILD_STARTED);
    channel_stop(stream->channel, ERR_TLS_CLOSED);
    link_send_forget(link, stream);
    stream->child = CHILD_NONE;
    link->children_started--;
}

/* The peer gave up the session that the stream has, and its words for it are still on their way. It
 * counts like any failure, or a peer could have handshakes made without end. False: too many. */
static bool replace_child(struct link *link, uint16_t id)
{
    forget_child(link, id);
    return count_failure(link, ERR_TLS_CLOSED);
}

void link_child_receive(struct link *link, struct message *message)
{
    if (link->state == LINK_MASTER) {
        link_early_keep(link, message);
        return;
    }
    struct link_stream *stream = &link->streams[message->stream];
    int8_t newer = (int8_t)(message->epoch - stream->epoch);
    bool begins = !link_is_client(link) && (newer > 0 || (!newer && !stream->channel));
    if (link->state != LINK_READY || newer < 0 || (newer > 0 && !begins)) {
        message_free(message);
        return;
    }
    if (begins) {
        if (stream->child != CHILD_NONE && !replace_child(link, message->stream)) {
            message_free(message);
            return;
        }
        link_start_child(link, message->stream, message->epoch);
    }
    if (!stream->channel) {
        message_free(message);
        return;
    }
    channel_feed(stream->channel, message);
}

/* ---- leases ---- */

static void lease(struct link *link, struct connection *connection, uint16_t id)
{
    struct link_stream *stream = &link->streams[id];
    stream->lease = LEASE_OWN;
    stream->service = connection->service->index;
    connection->link = link;
    connection->stream = id;
    channel_carry(stream->channel, connection);
}

static void set_pool_timer(struct link *link, uint64_t deadline)
{
    struct loop *loop = link->tunnel->home->loop;
    if (deadline == UINT64_MAX)
        loop_timer_cancel(loop, &link->pool_timer);
    else
        loop_timer_set(loop, &link->pool_timer, deadline);
}

static void on_pool_timer(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, pool_timer);
    set_pool_timer(link, pool_expire(link->pool, link_now(link)));
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

void link_carry(struct link *link, struct connection *connection)
{
    uint16_t id;
    connection->link = link;
    connection_set_peer(connection, link->identity, link->group.log_id);
    connection->wait.waiter.on_stream = on_stream;
    connection->wait.waiter.on_failed = on_wait_failed;
    /* What it has waited already counts. */
    uint64_t since = connection->wait.since_us ? connection->wait.since_us : link_now(link);
    enum err result =
        pool_lease(link->pool, connection->service->index, &connection->wait.waiter, since, &id);
    if (result == ERR_OK) {
        lease(link, connection, id);
    } else if (result == ERR_AGAIN) {
        counter_add(&link->tunnel->counters->connections_waiting, 1);
        link->owner->events->on_waiting(link->owner, connection);
        link_streams_waited_for(link);
        set_pool_timer(link, pool_expire(link->pool, link_now(link)));
    } else {
        connection_end(connection, result, NULL);
    }
    link_start_children(link);
}

void link_carry_cancel(struct connection *connection)
{
    pool_cancel(connection->link->pool, &connection->wait.waiter);
    counter_sub(&connection->link->tunnel->counters->connections_waiting, 1);
}

/* ---- begin and end ---- */

static uint32_t at_once(const struct link *link)
{
    uint64_t count = (uint64_t)link_paths_rtt(link) * AT_ONCE_PER_MS / 1000;
    return count < AT_ONCE_MIN ? AT_ONCE_MIN : count < UINT16_MAX ? (uint32_t)count : UINT16_MAX;
}

void link_children_begin(struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    struct pool_service_options *services =
        check_alloc((config->service_count + 1) * sizeof(*services));
    for (size_t i = 0; i < config->service_count; i++)
        services[i] = (struct pool_service_options){.min = config->services[i].streams.min,
                                                    .max = config->services[i].streams.max};
    link->children_initial =
        config->streams.initial < link->streams_max ? config->streams.initial : link->streams_max;
    const struct pool_options options = {
        .side = link_is_client(link) ? MUX_CLIENT : MUX_SERVER,
        .initial = link->children_initial,
        .max = link->streams_max,
        .waiting_max = config->waiting.max,
        .waiting_us = config->waiting.timeout_us,
        .services = services,
        .service_count = config->service_count,
    };
    link->pool = pool_new(&options);
    free(services);
    link->pool_timer.on_expire = on_pool_timer;
    link->first_unused = 1;
    link->children_at_once = at_once(link);
    link_early_settle(link);
    link_start_children(link);
}

void link_children_end(struct link *link)
{
    loop_timer_cancel(link->tunnel->home->loop, &link->pool_timer);
    message_queue_clear(&link->early);
    struct pool *pool = link->pool;
    link->pool = NULL;
    pool_free(pool);
    for (uint32_t i = 1; i < link->stream_count; i++)
        if (link->streams[i].child >= CHILD_USABLE)
            counter_sub(&link->tunnel->counters->children_ready, 1);
}
