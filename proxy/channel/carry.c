/* A lease: the mux stream and the connection are joined. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/channel/channel_private.h"
#include "proxy/local/linger.h"
#include "proxy/local/quota.h"
#include "proxy/local/service.h"

static struct channel *of_mux(struct mux_stream_events *events)
{
    return container_of(events, struct channel, mux_events);
}

static struct channel *of_connection(struct connection_events *events)
{
    return container_of(events, struct channel, connection_events);
}

/* Only on_idle ends it well: a peer that resets or refuses "because" of CLOSED must not truncate.
 */
static void end_connection(struct channel *channel, enum err why, const char *detail)
{
    struct connection *connection = channel->connection;
    channel->connection = NULL;
    if (connection)
        linger_end(connection, why == ERR_CLOSED ? ERR_REMOTE_RESET : why, detail);
}

/* ---- what the mux stream tells ---- */

static void on_bound(struct mux_stream_events *events)
{
    struct channel *channel = of_mux(events);
    loop_timer_cancel(channel->worker->loop, &channel->timer);
    channel_report_ready(channel, tls_session_is_resumed(channel->session));
}

/* Why the peer's wish for this service cannot be granted; ERR_OK if it can. */
static enum err refusal(const struct channel *channel, const struct service *service)
{
    if (atomic_load(&channel->group->tunnel->draining))
        return ERR_DRAINING;
    if (!service)
        return ERR_SERVICE_UNKNOWN;
    const struct config_service *rules = atomic_load(&service->rules);
    if (rules->allow.count &&
        !tls_identity_matches(tls_session_identity(channel->session),
                              (const char *const *)rules->allow.list, rules->allow.count))
        return ERR_SERVICE_DENIED;
    if (linger_is_full(channel->worker))
        return ERR_SERVICE_BUSY;
    /* The peer's credit for this lease is taken already. */
    if (!mux_budget_has(channel->group->budget, 0, BUDGET_ALL))
        return ERR_MEMORY_FULL;
    struct quota *quota = channel->group->quota;
    return quota && !quota_connection_begin(quota, false) ? ERR_PEER_LIMIT : ERR_OK;
}

static const char *refusal_text(struct channel *channel, const struct mux_open *open, enum err why,
                                char *text, size_t size)
{
    char who[512];
    if (why == ERR_PEER_LIMIT) {
        snprintf(text, size, "client limit reached (identity.max_connections = %u)",
                 channel->group->quota->limits->max_connections);
        return text;
    }
    if (why == ERR_MEMORY_FULL)
        return mux_budget_has(channel->group->tunnel->budget, 0, BUDGET_ALL)
                   ? "memory limit of the client reached (identity.memory)"
                   : "memory limit reached (memory_limit)";
    if (why != ERR_SERVICE_DENIED)
        return err_text(why);
    tls_identity_describe(tls_session_identity(channel->session), who, sizeof who);
    snprintf(text, size, "service \"%s\" does not allow %s", open->service, who);
    return text;
}

/* A limit is told of once a minute, because each connection may meet it. */
static bool tells(struct channel *channel, enum err why, uint64_t *left_out)
{
    struct channel_group *group = channel->group;
    *left_out = 0;
    if (why != ERR_MEMORY_FULL && why != ERR_PEER_LIMIT)
        return true;
    counter_add(why == ERR_MEMORY_FULL ? &group->tunnel->counters->limit_memory
                                       : &group->tunnel->counters->limit_connections,
                1);
    return log_minute_allows(why == ERR_MEMORY_FULL ? &group->tunnel->memory_told
                                                    : &group->quota->connections_told,
                             loop_now(channel->worker->loop), left_out);
}

static void refuse(struct channel *channel, const struct mux_open *open, enum err why)
{
    struct tunnel_base *tunnel = channel->group->tunnel;
    char text[640];
    counter_add(&tunnel->counters->connections_refused, 1);
    if (why == ERR_SERVICE_DENIED)
        counter_add(&tunnel->counters->services_denied, 1);
    uint64_t left_out;
    char more[64] = "";
    if (!tells(channel, why, &left_out)) {
        mux_stream_refuse(channel->mux, why, err_text(why));
        return;
    }
    if (left_out)
        snprintf(more, sizeof more, " (and %llu more before)", (unsigned long long)left_out);
    log_write(LOG_WARNING,
              LOG_ABOUT(.tunnel = tunnel->config->name, .service = open->service,
                        .peer = tls_session_peer(channel->session),
                        .association = channel->group->log_id, .claims = open->client,
                        .stream = channel->stream, .connection = open->connection),
              "connection refused: %s%s", refusal_text(channel, open, why, text, sizeof text),
              more);
    mux_stream_refuse(channel->mux, why, err_text(why));
}

static void on_open(struct mux_stream_events *events, const struct mux_open *open)
{
    struct channel *channel = of_mux(events);
    struct service *service =
        channel->group->tunnel->find_target(channel->group->tunnel, open->service);
    enum err why = refusal(channel, service);
    channel_report(channel, CHANNEL_LEASED, ERR_OK, NULL);
    channel->rekeys = channel->group->tunnel->config->tls.rekey.on_lease;
    channel_pump(channel);
    if (why != ERR_OK) {
        refuse(channel, open, why);
        return;
    }
    struct connection *connection = connection_new(service, -1, open->connection, open->client,
                                                   loop_now(channel->worker->loop));
    connection->stream = channel->stream;
    connection_set_peer(connection, tls_session_identity(channel->session), channel->group->log_id);
    connection_set_quota(connection, channel->group->quota);
    channel->connection = connection;
    connection_connect(connection, channel->worker, &channel->connection_events);
}

static void on_accept(struct mux_stream_events *events)
{
    channel_pump(of_mux(events)); /* a server may send now */
}

static void on_refuse(struct mux_stream_events *events, enum err why, const char *text)
{
    (void)text; /* says what the code says; not authenticated words for the log are not needed */
    struct channel *channel = of_mux(events);
    if (channel->connection)
        channel->connection->about.refused_by_peer = true;
    end_connection(channel, why, NULL);
}

static void on_lost_race(struct mux_stream_events *events)
{
    struct channel *channel = of_mux(events);
    struct connection *connection = channel->connection;
    channel->connection = NULL;
    if (connection) {
        connection_unwatch(connection);
        connection_set_quota(connection, NULL);
    }
    channel_report_returned(channel, ERR_OPEN_RACE, connection);
}

static void on_data(struct mux_stream_events *events, const uint8_t *data, size_t length)
{
    struct channel *channel = of_mux(events);
    size_t gone = length;
    if (channel->connection)
        gone =
            connection_deliver(channel->connection, data, length,
                               length < GATHER_SMALL || (tls_session_has_input(channel->session) &&
                                                         tls_session_hold(channel->session)));
    if (gone)
        mux_stream_consumed(channel->mux, gone);
}

static void on_fin(struct mux_stream_events *events)
{
    struct channel *channel = of_mux(events);
    channel_carry_push(channel);
    /* Most often the lease ends in this turn and close() sends the FIN: see channel_carry_settle.
     */
    channel->peer_finished = true;
    channel_pump(channel);
}

void channel_carry_push(struct channel *channel)
{
    size_t gone = channel->connection ? connection_push(channel->connection) : 0;
    if (gone)
        mux_stream_consumed(channel->mux, gone);
}

void channel_carry_settle(struct channel *channel)
{
    if (channel->peer_finished && channel->connection)
        connection_finish(channel->connection);
    channel->peer_finished = false;
}

static void on_reset(struct mux_stream_events *events, enum err why)
{
    channel_carry_settle(of_mux(events)); /* a FIN before it */
    /* A reset that is local to the peer is remote to us. */
    end_connection(of_mux(events), why == ERR_LOCAL_RESET ? ERR_REMOTE_RESET : why, NULL);
}

static size_t on_fill(struct mux_stream_events *events, uint8_t *to, size_t room, bool *end)
{
    struct channel *channel = of_mux(events);
    *end = false;
    if (!channel->connection || channel->connection->socket.fd < 0)
        return 0;
    return connection_fill(channel->connection, to, room, end);
}

static void on_idle(struct mux_stream_events *events)
{
    struct channel *channel = of_mux(events);
    struct connection *connection = channel->connection;
    channel->connection = NULL;
    channel->peer_finished = false;
    if (connection)
        linger_end(connection, ERR_CLOSED, NULL);
    channel_report(channel, CHANNEL_IDLE, ERR_OK, NULL);
}

/* ---- what the connection tells ---- */

static void on_connected(struct connection_events *events, enum err result, const char *why)
{
    struct channel *channel = of_connection(events);
    channel_pump(channel);
    if (result != ERR_OK) {
        /* The peer gets the class alone: names, addresses and paths are this end's own. */
        mux_stream_refuse(channel->mux, result, err_text(result));
        end_connection(channel, result, why);
        return;
    }
    mux_stream_accept(channel->mux);
    mux_stream_readable(channel->mux);
    connection_flush(channel->connection);
}

static void on_readable(struct connection_events *events)
{
    struct channel *channel = of_connection(events);
    mux_stream_readable(channel->mux);
    channel_pump(channel);
}

static void on_written(struct connection_events *events, size_t length)
{
    struct channel *channel = of_connection(events);
    mux_stream_consumed(channel->mux, length);
    if (mux_stream_wants_drain(channel->mux))
        channel_pump(channel);
}

static void on_local_reset(struct connection_events *events)
{
    struct channel *channel = of_connection(events);
    mux_stream_reset(channel->mux, ERR_LOCAL_RESET);
    end_connection(channel, ERR_LOCAL_RESET, NULL);
    channel_pump(channel);
}

void channel_carry_init(struct channel *channel)
{
    channel->mux_events = (struct mux_stream_events){.on_bound = on_bound,
                                                     .on_open = on_open,
                                                     .on_accept = on_accept,
                                                     .on_refuse = on_refuse,
                                                     .on_lost_race = on_lost_race,
                                                     .on_data = on_data,
                                                     .on_fin = on_fin,
                                                     .on_reset = on_reset,
                                                     .on_fill = on_fill,
                                                     .on_idle = on_idle};
    channel->connection_events = (struct connection_events){.on_connected = on_connected,
                                                            .on_readable = on_readable,
                                                            .on_written = on_written,
                                                            .on_reset = on_local_reset};
}

void channel_carry_begin(struct channel *channel, struct connection *connection)
{
    const struct mux_open open = {.connection = connection->id,
                                  .service = connection->service->config->name,
                                  .client = connection->about.client};
    enum err result =
        channel->mux && !channel->connection ? mux_stream_open(channel->mux, &open) : ERR_AGAIN;
    if (result != ERR_OK) {
        /* The peer leased it, or the session died, before the link knew. */
        channel_report_returned(channel, result, connection);
        return;
    }
    connection->stream = channel->stream;
    if (channel->group->quota)
        quota_connection_begin(channel->group->quota, true);
    connection_set_quota(connection, channel->group->quota);
    channel->connection = connection;
    channel->rekeys = channel->group->tunnel->config->tls.rekey.on_lease;
    if (connection_watch(connection, channel->worker, &channel->connection_events) != ERR_OK) {
        const char *why = strerrordesc_np(errno);
        mux_stream_reset(channel->mux, ERR_NO_DESCRIPTORS);
        end_connection(channel, ERR_NO_DESCRIPTORS, why);
    } else {
        mux_stream_readable(channel->mux);
    }
    channel_pump(channel);
}
