/* The life of a link, and the one place that wires its parts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/wire.h"
#include "proxy/link/link_private.h"
#include "proxy/local/quota.h"

/* Both ends derive it from the first master; BIND of every child carries it. */
#define ASSOCIATION_LABEL "EXPORTER-hawser-association"

/* ---- what comes ---- */

/* Unless result is ERR_OK, too many children have failed, the last one because of why. */
static void count(struct link *link, enum err result, enum err why)
{
    char detail[128];
    if (result == ERR_OK)
        return;
    snprintf(detail, sizeof detail, "the last one: %s", err_text(why));
    link_close(link, result, detail, true);
}

static void receive(struct link *link, struct message *message)
{
    if (message->stream == 0) {
        if (!link_place_keeps(link) || !link_master_feed(&link->masters.first, message))
            message_free(message);
    } else if (link->streams.max && message->stream > link->streams.max) {
        link_renewal_receive(link, message);
    } else if (link->state == LINK_MASTER) {
        link_early_keep(link, message);
    } else {
        count(link, link_children_receive(link, message), ERR_TLS_CLOSED);
    }
}

/* SCTP's key cannot be changed, unless result is ERR_OK. */
static void check_auth(struct link *link, enum err result)
{
    if (result != ERR_OK)
        link_close(link, result, "SCTP's key cannot be changed", false);
}

/* ---- events of the transport ---- */

static struct link *of_events(struct association_events *events)
{
    return container_of(events, struct link, transport.events);
}

static void begin_master(struct link *link)
{
    struct link_master *master = &link->masters.first;
    link_master_begin(link, master, 0, 0, link_is_client(link));
    if (link_is_client(link))
        link_master_advance(master);
}

/* The master's ClientHello leaves a round trip before the association is up. */
static void on_answer(struct association_events *events)
{
    struct link *link = of_events(events);
    if (link->state != LINK_CONNECTING || link->streams.list)
        return;
    link_streams_open(link, link->streams.wanted);
    begin_master(link);
    link_send_now(link);
}

static void on_up(struct association_events *events, uint16_t streams)
{
    struct link *link = of_events(events);
    if (link->state != LINK_CONNECTING)
        return;
    if (link->transport.own)
        link->owner->events->on_up(link->owner, link);
    link->streams.granted =
        link->streams.list && streams > link->streams.wanted ? link->streams.wanted : streams;
    link->state = LINK_MASTER;
    if (!link->streams.list)
        link_streams_open(link, link->transport.own ? streams : 1);
    link_paths_up(link);
    if (streams < 3) {
        link_close(link, ERR_CONTROL_PROTOCOL, "the peer grants fewer than 3 SCTP streams", false);
        return;
    }
    if (!link->masters.first.link)
        begin_master(link);
}

static void on_message(struct association_events *events, struct message *message)
{
    struct link *link = of_events(events);
    if (link->state == LINK_CLOSING || message->stream >= link->streams.granted)
        message_free(message);
    else
        receive(link, message);
}

static void on_path(struct association_events *events, const struct path_status *path)
{
    struct link *link = of_events(events);
    if (link->state == LINK_CONNECTING || link->state == LINK_CLOSING)
        return;
    link_paths_change(link, path);
    link_place_paths(link);
}

static void on_auth_settled(struct association_events *events, uint16_t key)
{
    struct link *link = of_events(events);
    if (link->state != LINK_CLOSING)
        check_auth(link, link_auth_settled(link, key));
}

static void on_writable(struct association_events *events)
{
    struct link *link = of_events(events);
    loop_task_queue(link_loop(link), &link->sending.task);
}

static void on_down(struct association_events *events, enum err reason, const char *detail)
{
    link_life_down(of_events(events), reason, detail);
}

/* ---- events of the control channel ---- */

static struct link *of_control(struct mux_control_events *events)
{
    return container_of(events, struct link, control.events);
}

static void on_hello(struct mux_control_events *events, const struct mux_hello *hello)
{
    struct link *link = of_control(events);
    const struct config_tunnel *config = link->tunnel->config;
    if (link->streams.granted < 3) {
        link_close(link, ERR_CONTROL_PROTOCOL, "the peer allows no streams", true);
        return;
    }
    link_streams_agree(link, hello->streams_max);
    link_streams_limit(link, link_place_streams(link, link->streams.max));
    if (config->role == CONFIG_SERVER) {
        link->group.window_promised =
            credit_promised(link->tunnel->budget, link->streams.max, config->window.initial);
        mux_control_promise(link->control.mux, link->streams.max, link->group.window_promised);
    }
    link->group.peer_window = hello->window_initial;
    /* A full HELLO may have left some out (rule C3). */
    link->owner->events->on_services(link->owner, link, hello->services, hello->service_count,
                                     hello->service_count < MUX_SERVICES_MAX);
}

static void on_want(struct mux_control_events *events, uint16_t count)
{
    struct link *link = of_control(events);
    link->children.peer_wants = count;
    if (link->state == LINK_READY)
        link_children_start(link);
}

static void on_child_failed(struct mux_control_events *events, uint16_t stream, uint8_t epoch,
                            enum err why)
{
    struct link *link = of_control(events);
    if (stream && stream <= link->streams.max)
        count(link, link_children_failed(link, stream, epoch, why, "told by the far end", true),
              why);
}

static void on_renew(struct mux_control_events *events, uint16_t stream, uint8_t epoch)
{
    struct link *link = of_control(events);
    if (stream == link->streams.max + 1)
        link_renewal_asked(link, stream, epoch);
    else
        link_close(link, ERR_CONTROL_PROTOCOL, "renewal on a stream that is not for it", true);
}

static void on_pong(struct mux_control_events *events, uint64_t token)
{
    link_place_answered(of_control(events), token);
}

static void on_goaway(struct mux_control_events *events, enum err why)
{
    struct link *link = of_control(events);
    if (why == ERR_DRAINING)
        log_write(LOG_INFO, LINK_ABOUT(link),
                  "far end is shutting down; it takes no new connections");
    else
        log_write(LOG_INFO, LINK_ABOUT(link), "far end takes no new connections: %s",
                  err_text(why));
    link_place_drains(link);
    link->peer.is_leaving = true;
    /* Connections that wait would be refused: they wait for the next association. */
    if (link->leases.pool)
        pool_dismiss(link->leases.pool);
}

static void on_auth_ready(struct mux_control_events *events, uint16_t key)
{
    check_auth(of_control(events), link_auth_peer_ready(of_control(events), key));
}

static void on_peer_auth_settled(struct mux_control_events *events, uint16_t key)
{
    check_auth(of_control(events), link_auth_peer_settled(of_control(events), key));
}

static void begin_control(struct link *link)
{
    link->control.events = (struct mux_control_events){.on_hello = on_hello,
                                                       .on_want = on_want,
                                                       .on_child_failed = on_child_failed,
                                                       .on_renew = on_renew,
                                                       .on_pong = on_pong,
                                                       .on_goaway = on_goaway,
                                                       .on_auth_ready = on_auth_ready,
                                                       .on_auth_settled = on_peer_auth_settled};
    link_control_begin(link);
}

/* ---- events of the parts ---- */

static void became_ready(struct link *link)
{
    struct counters *counters = link->tunnel->counters;
    char limits[128];
    link->state = LINK_READY;
    link->life.was_ready = true;
    link->life.ready_us = loop_now(link_loop(link));
    loop_timer_cancel(link_loop(link), &link->masters.first.timer);
    counter_add(&counters->associations_up, 1);
    counter_add(&counters->associations_total, 1);
    char who[1024];
    tls_identity_describe(link->peer.identity, who, sizeof who);
    const struct log_field identity = {.name = "identity", .text = who};
    log_write_fields(
        LOG_INFO, LINK_ABOUT(link), &identity, 1,
        "association up with %s over %s: %s, %s, master session %s, up to %u streams, %s",
        link->peer.text, link->transport.ops->name, link->peer.tls_version, link->peer.tls_cipher,
        link->peer.is_resumed ? "resumed" : "by full handshake", link->streams.max,
        link_streams_describe(link, limits, sizeof limits));
    link_children_begin(link);
    link_leases_begin(link);
    link_early_settle(link);
    for (struct message *message; (message = message_queue_pop(&link->children.early));)
        receive(link, message);
    link_children_start(link);
    link->owner->events->on_ready(link->owner, link);
}

static void first_verified(struct link *link)
{
    const struct link_master *master = &link->masters.first;
    struct tls_session *session = master->session;
    struct counters *counters = link->tunnel->counters;
    bool resumed = tls_session_is_resumed(session);
    counter_add(resumed ? &counters->masters_resumed : &counters->masters_full, 1);
    if (master->offered && !resumed) { /* the server has no use for the others either */
        counter_add(&counters->masters_not_resumed, 1);
        link_master_forget_tickets(master);
    }
    unverified_leave(link);
    if (link->streams.count < link->streams.granted)
        link_streams_open(link, link->streams.granted);
    snprintf(link->peer.name, sizeof link->peer.name, "%s", tls_session_peer(session));
    link->peer.tls_version = tls_session_version(session);
    link->peer.tls_cipher = tls_session_cipher(session);
    link->peer.is_resumed = resumed;
    if (link->transport.association)
        association_trust(link->transport.association);
    if (tls_session_export(session, ASSOCIATION_LABEL, link->group.association_id,
                           sizeof link->group.association_id) != ERR_OK) {
        link_close(link, ERR_TLS_MASTER, "no exporter", true);
        return;
    }
    struct wire_reader r =
        wire_reader(link->group.association_id, sizeof link->group.association_id);
    link->group.log_id = wire_get_u64(&r);
    link->group.budget = link->tunnel->budget;
    if (link_is_client(link))
        begin_control(link);
    else
        link_place_take(link);
}

static void on_verified(struct link *link, struct link_master *master)
{
    const struct tls_identity *identity = tls_session_identity(master->session);
    tls_identity_unref(link->peer.identity);
    link->peer.identity = tls_identity_ref(identity);
    if (master == &link->masters.first) {
        first_verified(link);
    } else if (strcmp(tls_session_peer(master->session), link->peer.name) != 0) {
        /* Connections of the old master live on. */
        link_close(link, ERR_TLS_PEER_NAME, "the renewed master session is another peer's", true);
        return;
    } else {
        link->owner->events->on_identity(link->owner, link);
    }
    if (link->control.mux)
        check_auth(link, link_auth_verified(link, master));
}

static void on_place(struct link *link, bool waited)
{
    begin_control(link);
    if (!waited)
        return;
    check_auth(link, link_auth_verified(link, &link->masters.first));
    link_master_advance(&link->masters.first);
}

static void on_generation(struct link *link, struct link_master *master,
                          struct tls_generation *generation)
{
    link_renewal_adopt(link, generation, master->credentials);
    if (master == &link->masters.first)
        return;
    counter_add(&link->tunnel->counters->masters_renewed, 1);
    log_write(LOG_INFO, LINK_ABOUT(link), "master session renewed");
    loop_timer_cancel(link_loop(link), &master->timer);
    link_children_start(link);
}

static void on_read(struct link *link)
{
    if (link->state != LINK_MASTER)
        return;
    if (link->streams.max && link->masters.generation)
        became_ready(link);
    else
        link_early_begin(link);
}

static void on_master_failed(struct link *link, struct link_master *master, enum err why,
                             const char *detail)
{
    counter_add(&link->tunnel->counters->masters_failed, 1);
    handshakes_failed(link->owner, why);
    if (master == &link->masters.first)
        link_close(link, why, detail, true);
    else
        link_renewal_failed(link, why, detail);
}

static const struct link_wiring wiring = {
    .on_failed = link_close,
    .on_room = link_control_flush,
    .on_place = on_place,
    .on_verified = on_verified,
    .on_generation = on_generation,
    .on_read = on_read,
    .on_master_failed = on_master_failed,
};

/* ---- events of the channels ---- */

/* Reports of an earlier session come late. */
static bool is_present(const struct link *link, const struct channel_report *report)
{
    const struct link_stream *stream = &link->streams.list[report->channel->stream];
    return link->state != LINK_CLOSING && stream->child != CHILD_NONE &&
           stream->epoch == report->epoch;
}

static void on_report(const struct channel_report *report)
{
    struct link *link = link_of(report->channel);
    uint16_t id = report->channel->stream;
    if (report->connection) /* it comes back in any case */
        link_leases_returned(link, id, report->connection);
    else if (is_present(link, report))
        switch (report->event) {
        case CHANNEL_USABLE:
            link_children_usable(link, id);
            break;
        case CHANNEL_READY:
            link_children_ready(link, id, report->resumed);
            break;
        case CHANNEL_FAILED:
            count(link,
                  link_children_failed(link, id, report->epoch, report->why, report->detail, false),
                  report->why);
            break;
        case CHANNEL_LEASED:
            link_leases_by_peer(link, id);
            break;
        case CHANNEL_IDLE:
            link_leases_idle(link, id);
            break;
        case CHANNEL_RETURNED:
            link_leases_returned(link, id, NULL);
            break;
        }
    if (link->state == LINK_READY)
        link_children_start(link);
}

/* ---- the beginning ---- */

static const struct channel_sink sink = {.put = link_send_put,
                                         .want = link_send_want,
                                         .hold = link_send_hold,
                                         .step = link_send_step,
                                         .report = on_report};

static struct link *link_new(struct link_owner *owner, const struct transport_ops *ops,
                             const struct address *peer)
{
    struct tunnel_base *tunnel = owner->tunnel;
    struct link *link = check_alloc(sizeof *link);
    link->owner = owner;
    link->tunnel = tunnel;
    link->transport.ops = ops;
    link->state = LINK_CONNECTING;
    link->transport.events = (struct association_events){.on_up = on_up,
                                                         .on_message = on_message,
                                                         .on_writable = on_writable,
                                                         .on_down = on_down,
                                                         .on_path = on_path,
                                                         .on_auth_settled = on_auth_settled};
    link->peer.address = *peer;
    address_format(peer, link->peer.text);
    link_send_init(link);
    link_paths_init(link);
    link->wiring = &wiring;
    link->group.sink = &sink;
    link->group.tunnel = tunnel;
    link->group.shares = check_alloc(tunnel->worker_count * sizeof *link->group.shares);
    link_life_init(link);
    link->next = owner->links;
    if (link->next)
        link->next->previous = link;
    owner->links = link;
    return link;
}

static void link_discard(struct link *link)
{
    link->owner->links = link->next;
    if (link->next)
        link->next->previous = NULL;
    transport_free(link->transport.own);
    free(link->group.shares);
    free(link->life.shares);
    free(link);
}

struct link *link_connect(struct link_owner *owner, const struct link_route *route, char *why,
                          size_t why_size)
{
    struct link *link = link_new(owner, route->ops, &route->remotes[0]);
    link->streams.wanted = route->options.streams;
    link->transport.events.on_answer = on_answer;
    enum err result = transport_open(route->ops, link_loop(link), route->locals, route->local_count,
                                     &route->options, NULL, &link->transport.own, why, why_size);
    if (result == ERR_OK) {
        result = association_connect(link->transport.own, route->remotes, route->remote_count,
                                     &link->transport.events, &link->transport.association);
        if (result == ERR_TRANSPORT_ADDRESS)
            snprintf(why, why_size, "no address of local is of the family of one of remote");
        else if (result != ERR_OK)
            snprintf(why, why_size, "%s: %m", err_text(result));
    }
    if (result == ERR_OK)
        return link;
    link_discard(link);
    return NULL;
}

struct association_events *link_accept(struct link_owner *owner, struct association *association,
                                       const struct address *peer)
{
    struct link *link = link_new(owner, association->ops, peer);
    link->transport.association = association;
    const char *why;
    struct link *oldest = unverified_enter(link, &why);
    if (oldest)
        link_close(oldest, ERR_TLS_TIMEOUT, why, false);
    return &link->transport.events;
}
