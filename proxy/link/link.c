#include "proxy/link/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/owner.h"
#include "proxy/local/quota.h"
#include "proxy/worker/worker.h"

/* A graceful end that takes longer becomes an abort. */
#define CLOSE_TIMEOUT_US 5000000

static struct loop *loop_of(const struct link *link)
{
    return link->tunnel->home->loop;
}

static void about(const struct link *link, enum log_level level, const char *what, enum err why,
                  const char *detail)
{
    if (link->is_quiet)
        return;
    char text[512];
    snprintf(text, sizeof(text), "%s: %s%s%s", what, err_text(why), detail && *detail ? ": " : "",
             detail ? detail : "");
    if (link->own_transport && !link->was_ready && level == LOG_WARNING)
        link->owner->events->on_failed(link->owner, LINK_ABOUT(link), text);
    else if (link->own_transport || link->was_ready || unverified_may_log(link->owner))
        log_write(level, LINK_ABOUT(link), "%s", text);
}

/* ---- the end: channels first, on all workers, then the link ---- */

static void on_gone(struct loop_task *task)
{
    struct link *link = container_of(task, struct link, gone_task);
    for (uint32_t i = 0; i < link->stream_count; i++)
        channel_free(link->streams[i].channel);
    transport_free(link->own_transport);
    if (link->previous)
        link->previous->next = link->next;
    else
        link->owner->links = link->next;
    if (link->next)
        link->next->previous = link->previous;
    link->owner->events->on_gone(link->owner, link);
    quota_unref(link->group.quota);
    free(link->streams);
    free(link->offered);
    free(link->group.shares);
    free(link->shares);
    free(link);
}

static void on_share_stopped(struct mail *mail)
{
    struct link *link = container_of(mail, struct link_share, stopped)->link;
    if (--link->shares_left == 0)
        loop_task_queue(loop_of(link), &link->gone_task);
}

static void on_share_stop(struct mail *mail)
{
    struct link_share *share = container_of(mail, struct link_share, stop);
    struct link *link = share->link;
    for (uint32_t i = 1; i < link->stream_count; i++) {
        struct channel *channel = link->streams[i].channel;
        if (!channel || channel->worker != share->worker)
            continue;
        channel_finish(channel, ERR_TUNNEL_DOWN, link->detail);
    }
    worker_post(link->tunnel->home, &share->stopped);
}

/* After the association is gone: nothing is sent or received any more. */
static void dismantle(struct link *link)
{
    struct tunnel_base *tunnel = link->tunnel;
    link->state = LINK_CLOSING;
    unverified_leave(link);
    link_place_give_back(link);
    link_place_leave(link);
    loop_timer_cancel(loop_of(link), &link->close_timer);
    if (link->was_ready)
        counter_sub(&tunnel->counters->associations_up, 1);
    link_paths_end(link);
    link_send_clear(link);
    link_master_end(link);
    link_children_end(link);
    link->shares_left = tunnel->worker_count;
    for (unsigned i = 0; i < tunnel->worker_count; i++)
        worker_post(&tunnel->workers[i], &link->shares[i].stop);
}

/* ---- what the transport tells ---- */

static struct link *of_events(struct association_events *events)
{
    return container_of(events, struct link, events);
}

/* The master's ClientHello leaves a round trip before the association is up. */
static void on_answer(struct association_events *events)
{
    struct link *link = of_events(events);
    if (link->state != LINK_CONNECTING || link->streams)
        return;
    link_streams_open(link, link->wanted);
    link_master_begin(link);
    link_send_now(link);
}

static void on_up(struct association_events *events, uint16_t streams)
{
    struct link *link = of_events(events);
    if (link->state != LINK_CONNECTING)
        return;
    if (link->own_transport)
        link->owner->events->on_up(link->owner, link);
    link->granted = link->streams && streams > link->wanted ? link->wanted : streams;
    link->state = LINK_MASTER;
    if (!link->streams)
        link_streams_open(link, link->own_transport ? streams : 1);
    link_paths_up(link);
    if (streams < 3) {
        link_close(link, ERR_CONTROL_PROTOCOL, "the peer grants fewer than 3 SCTP streams", false);
        return;
    }
    if (!link->master.link)
        link_master_begin(link);
}

static void on_message(struct association_events *events, struct message *message)
{
    struct link *link = of_events(events);
    if (link->state == LINK_CLOSING || message->stream >= link->granted)
        message_free(message);
    else
        link_receive(link, message);
}

static void on_writable(struct association_events *events)
{
    struct link *link = of_events(events);
    loop_task_queue(loop_of(link), &link->send_task);
}

static void on_down(struct association_events *events, enum err reason, const char *detail)
{
    struct link *link = of_events(events);
    link->association = NULL;
    if (link->state != LINK_CLOSING) {
        link->reason = reason;
        snprintf(link->detail, sizeof(link->detail), "%s%s%s", err_text(reason),
                 *detail ? ": " : "", detail);
        about(link, LOG_WARNING, link->was_ready ? "association ended" : "no association", reason,
              detail);
        if (link->was_ready)
            counter_add(&link->tunnel->counters->associations_lost, 1);
    }
    dismantle(link);
}

/* ---- the beginning ---- */

static const struct channel_sink sink = {.put = link_put,
                                         .want = link_want,
                                         .hold = link_hold,
                                         .step = link_step,
                                         .report = link_report};

static struct link *link_new(struct link_owner *owner, const struct transport_ops *ops,
                             const struct address *peer)
{
    struct tunnel_base *tunnel = owner->tunnel;
    struct link *link = check_alloc(sizeof(*link));
    link->owner = owner;
    link->tunnel = tunnel;
    link->ops = ops;
    link->state = LINK_CONNECTING;
    link->begun_us = link->failures_us = link_now(link);
    link->events = (struct association_events){
        .on_up = on_up, .on_message = on_message, .on_writable = on_writable, .on_down = on_down};
    link->peer_address = *peer;
    address_format(peer, link->peer_text);
    link->gone_task.on_run = on_gone;
    link_send_init(link);
    link_paths_init(link);
    link->group.sink = &sink;
    link->group.tunnel = tunnel;
    link->group.shares = check_alloc(tunnel->worker_count * sizeof(*link->group.shares));
    link->shares = check_alloc(tunnel->worker_count * sizeof(*link->shares));
    for (unsigned i = 0; i < tunnel->worker_count; i++)
        link->shares[i] = (struct link_share){.link = link,
                                              .worker = &tunnel->workers[i],
                                              .stop.deliver = on_share_stop,
                                              .stopped.deliver = on_share_stopped};
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
    transport_free(link->own_transport);
    free(link->group.shares);
    free(link->shares);
    free(link);
}

struct link *link_connect(struct link_owner *owner, const struct link_route *route, char *why,
                          size_t why_size)
{
    struct link *link = link_new(owner, route->ops, &route->remotes[0]);
    link->wanted = route->options.streams;
    link->events.on_answer = on_answer;
    enum err result = transport_open(route->ops, loop_of(link), route->locals, route->local_count,
                                     &route->options, NULL, &link->own_transport, why, why_size);
    if (result == ERR_OK) {
        result = association_connect(link->own_transport, route->remotes, route->remote_count,
                                     &link->events, &link->association);
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
    link->association = association;
    unverified_enter(link);
    return &link->events;
}

void link_became_ready(struct link *link)
{
    struct counters *counters = link->tunnel->counters;
    char limits[128];
    link->state = LINK_READY;
    link->was_ready = true;
    link->ready_us = loop_now(loop_of(link));
    loop_timer_cancel(loop_of(link), &link->master.timer);
    counter_add(&counters->associations_up, 1);
    counter_add(&counters->associations_total, 1);
    char who[1024];
    tls_identity_describe(link->identity, who, sizeof(who));
    const struct log_field identity = {.name = "identity", .text = who};
    log_write_fields(
        LOG_INFO, LINK_ABOUT(link), &identity, 1,
        "association up with %s over %s: %s, %s, master session %s, up to %u streams, %s",
        link->peer_text, link->ops->name, link->tls_version, link->tls_cipher,
        link->master_resumed ? "resumed" : "by full handshake", link->streams_max,
        link_streams_describe(link, limits, sizeof(limits)));
    link_children_begin(link);
    link->owner->events->on_ready(link->owner, link);
}

static void on_close_timeout(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, close_timer);
    if (link->association)
        association_close(link->association, ASSOCIATION_ABORT, "no answer to the shutdown");
}

void link_close(struct link *link, enum err why, const char *detail, bool graceful)
{
    if (link->state == LINK_CLOSING) {
        if (!graceful && link->association)
            association_close(link->association, ASSOCIATION_ABORT, link->detail);
        return;
    }
    bool was_ready = link->was_ready;
    link->reason = why;
    snprintf(link->detail, sizeof(link->detail), "%s%s%s", err_text(why),
             detail && *detail ? ": " : "", detail ? detail : "");
    about(link, why == ERR_LOCAL_SHUTDOWN ? LOG_INFO : LOG_WARNING,
          was_ready ? "association ended" : "no association", why, detail);
    if (was_ready && why != ERR_LOCAL_SHUTDOWN)
        counter_add(&link->tunnel->counters->associations_lost, 1);
    link->state = LINK_CLOSING;
    unverified_leave(link);
    link_place_give_back(link);
    if (!link->association)
        return; /* on_down is on its way */
    link->close_timer.on_expire = on_close_timeout;
    loop_timer_set(loop_of(link), &link->close_timer, loop_now(loop_of(link)) + CLOSE_TIMEOUT_US);
    /* The end of the last connections may wait; after an error it is worth nothing. */
    link->shut_when_sent = graceful && why == ERR_LOCAL_SHUTDOWN;
    bool shuts_later = link->shut_when_sent;
    if (graceful)
        link_send_now(link);
    if (shuts_later)
        return;
    association_close(link->association, graceful ? ASSOCIATION_SHUTDOWN : ASSOCIATION_ABORT,
                      link->detail);
}

void link_drain(struct link *link)
{
    if (link->state != LINK_READY)
        return;
    mux_control_goaway(link->control, ERR_DRAINING);
    link_control_flush(link);
    pool_dismiss(link->pool); /* rule C7: no more leases */
}
