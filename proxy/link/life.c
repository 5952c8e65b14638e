/* The end of a link, from any state: its association first, its channels on all workers, then
 * itself. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "proxy/local/quota.h"

/* A graceful end that takes longer becomes an abort. */
#define CLOSE_TIMEOUT_US 5000000

static void about(const struct link *link, enum log_level level, const char *what, enum err why,
                  const char *detail)
{
    if (link->life.is_quiet)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s: %s%s%s", what, err_text(why), detail && *detail ? ": " : "",
             detail ? detail : "");
    if (link->transport.own && !link->life.was_ready && level == LOG_WARNING)
        link->owner->events->on_failed(link->owner, LINK_ABOUT(link), text);
    else if (link->transport.own || link->life.was_ready || unverified_may_log(link->owner))
        log_write(level, LINK_ABOUT(link), "%s", text);
}

/* ---- channels first, on all workers, then the link ---- */

static void on_gone(struct loop_task *task)
{
    struct link *link = container_of(task, struct link, life.gone_task);
    for (uint32_t i = 0; i < link->streams.count; i++)
        channel_free(link->streams.list[i].channel);
    transport_free(link->transport.own);
    if (link->previous)
        link->previous->next = link->next;
    else
        link->owner->links = link->next;
    if (link->next)
        link->next->previous = link->previous;
    link->owner->events->on_gone(link->owner, link);
    quota_unref(link->group.quota);
    free(link->streams.list);
    free(link->peer.offered);
    free(link->group.shares);
    free(link->life.shares);
    free(link);
}

static void on_share_stopped(struct mail *mail)
{
    struct link *link = container_of(mail, struct link_share, stopped)->link;
    if (--link->life.shares_left == 0)
        loop_task_queue(link_loop(link), &link->life.gone_task);
}

static void on_share_stop(struct mail *mail)
{
    struct link_share *share = container_of(mail, struct link_share, stop);
    struct link *link = share->link;
    for (uint32_t i = 1; i < link->streams.count; i++) {
        struct channel *channel = link->streams.list[i].channel;
        if (!channel || channel->worker != share->worker)
            continue;
        channel_finish(channel, ERR_TUNNEL_DOWN, link->life.detail);
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
    loop_timer_cancel(link_loop(link), &link->life.close_timer);
    if (link->life.was_ready)
        counter_sub(&tunnel->counters->associations_up, 1);
    link_paths_end(link);
    link_send_clear(link);
    link_control_end(link);
    link_renewal_end(link);
    link_leases_end(link);
    link_children_end(link);
    link->life.shares_left = tunnel->worker_count;
    for (unsigned i = 0; i < tunnel->worker_count; i++)
        worker_post(&tunnel->workers[i], &link->life.shares[i].stop);
}

void link_life_init(struct link *link)
{
    struct tunnel_base *tunnel = link->tunnel;
    link->life.begun_us = link->children.failures_us = link_now(link);
    link->life.gone_task.on_run = on_gone;
    link->life.shares = check_alloc(tunnel->worker_count * sizeof *link->life.shares);
    for (unsigned i = 0; i < tunnel->worker_count; i++)
        link->life.shares[i] = (struct link_share){.link = link,
                                                   .worker = &tunnel->workers[i],
                                                   .stop.deliver = on_share_stop,
                                                   .stopped.deliver = on_share_stopped};
}

void link_life_down(struct link *link, enum err reason, const char *detail)
{
    link->transport.association = NULL;
    if (link->state != LINK_CLOSING) {
        link->life.reason = reason;
        snprintf(link->life.detail, sizeof link->life.detail, "%s%s%s", err_text(reason),
                 *detail ? ": " : "", detail);
        about(link, LOG_WARNING, link->life.was_ready ? "association ended" : "no association",
              reason, detail);
        if (link->life.was_ready)
            counter_add(&link->tunnel->counters->associations_lost, 1);
    }
    dismantle(link);
}

/* ---- on request ---- */

static void on_close_timeout(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, life.close_timer);
    if (link->transport.association)
        association_close(link->transport.association, ASSOCIATION_ABORT,
                          "no answer to the shutdown");
}

void link_close(struct link *link, enum err why, const char *detail, bool graceful)
{
    worker_assert(link->tunnel->home);
    if (link->state == LINK_CLOSING) {
        if (!graceful && link->transport.association)
            association_close(link->transport.association, ASSOCIATION_ABORT, link->life.detail);
        return;
    }
    bool was_ready = link->life.was_ready;
    link->life.reason = why;
    snprintf(link->life.detail, sizeof link->life.detail, "%s%s%s", err_text(why),
             detail && *detail ? ": " : "", detail ? detail : "");
    about(link, why == ERR_LOCAL_SHUTDOWN ? LOG_INFO : LOG_WARNING,
          was_ready ? "association ended" : "no association", why, detail);
    if (was_ready && why != ERR_LOCAL_SHUTDOWN)
        counter_add(&link->tunnel->counters->associations_lost, 1);
    link->state = LINK_CLOSING;
    unverified_leave(link);
    link_place_give_back(link);
    if (!link->transport.association)
        return; /* on_down is on its way */
    link->life.close_timer.on_expire = on_close_timeout;
    loop_timer_set(link_loop(link), &link->life.close_timer,
                   loop_now(link_loop(link)) + CLOSE_TIMEOUT_US);
    /* The end of the last connections may wait; after an error it is worth nothing. */
    link->sending.shut_when_sent = graceful && why == ERR_LOCAL_SHUTDOWN;
    bool shuts_later = link->sending.shut_when_sent;
    if (graceful)
        link_send_now(link);
    if (shuts_later)
        return;
    association_close(link->transport.association,
                      graceful ? ASSOCIATION_SHUTDOWN : ASSOCIATION_ABORT, link->life.detail);
}

void link_drain(struct link *link)
{
    worker_assert(link->tunnel->home);
    if (link->state != LINK_READY)
        return;
    mux_control_goaway(link->control.mux, ERR_DRAINING);
    link_control_flush(link);
    pool_dismiss(link->leases.pool); /* rule C7: no more leases */
}
