/* Renewals of the master: when a client begins one, how often a server takes part, and the state
 * that children resume from. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"

/* Messages of a renewal that may overtake its RENEW frame: a ClientHello is one. */
#define RENEWAL_EARLY_MAX 4

/* A renewal is a full handshake, 2 ms of a processor. A client makes one each two thirds of a
 * ticket's life, and tries again after a second: one a second, and eight that come at once. */
#define RENEWALS_AT_ONCE 8
#define RENEWAL_US       1000000

/* ---- client ---- */

static void schedule_renewal(struct link *link);

static void on_renew_time(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, masters.renew_timer);
    if (link->state == LINK_MASTER) {
        schedule_renewal(link);
        return;
    }
    if (link->state != LINK_READY)
        return;
    uint16_t stream = (uint16_t)(link->streams.max + 1);
    uint8_t epoch = (uint8_t)(link->streams.list[stream].epoch + 1);
    mux_control_renew(link->control.mux, stream, epoch);
    link_control_flush(link);
    link_master_begin(link, &link->masters.renewal, stream, epoch, false);
    link_master_advance(&link->masters.renewal);
}

/* At two thirds of what is left: early enough for several more attempts. */
static void schedule_renewal(struct link *link)
{
    struct loop *loop = link_loop(link);
    int64_t left = tls_generation_expires_in(link->masters.generation);
    uint64_t delay = left > 1 ? (uint64_t)left * 2000000 / 3 : 1000000;
    link->masters.renew_timer.on_expire = on_renew_time;
    link->masters.renew_us = loop_now(loop) + delay;
    loop_timer_set(loop, &link->masters.renew_timer, link->masters.renew_us);
}

/* The timer counts monotonic time, tickets live by the wall clock, and that may jump. A renewal
 * that has just failed is tried again within a second anyway. */
void link_renew_now(struct link *link)
{
    struct loop *loop = link_loop(link);
    if (loop_timer_is_set(&link->masters.renew_timer) &&
        link->masters.renew_us > loop_now(loop) + 1000000)
        loop_timer_set(loop, &link->masters.renew_timer, 0);
}

void link_renewal_failed(struct link *link, enum err why, const char *detail)
{
    log_write(LOG_WARNING, LINK_ABOUT(link), "renewal of the master session failed: %s: %s",
              err_text(why), detail);
    link_master_end(&link->masters.renewal);
    if (link_is_client(link))
        schedule_renewal(link);
}

void link_renewal_adopt(struct link *link, struct tls_generation *generation,
                        struct tls_credentials *credentials)
{
    tls_generation_unref(link->masters.previous_generation);
    link->masters.previous_generation = link->masters.generation;
    link->masters.generation = generation;
    link->masters.generation_refused = false;
    tls_credentials_unref(link->masters.credentials);
    link->masters.credentials = tls_credentials_ref(credentials);
    if (!link_is_client(link))
        return;
    schedule_renewal(link);
    if (credentials != link->owner->credentials) /* reloaded during the handshake */
        link_renew_now(link);
}

/* ---- server ---- */

/* Of a renewal whose RENEW is still on its way. One of an older renewal is late, and must not take
 * the place. */
static bool is_early(const struct link *link, const struct message *message)
{
    return !link_is_client(link) && link->streams.max && message->stream == link->streams.max + 1 &&
           (int8_t)(message->epoch - link->masters.renewal.epoch) > 0;
}

void link_renewal_receive(struct link *link, struct message *message)
{
    struct link_masters *masters = &link->masters;
    if (link_master_feed(&masters->renewal, message))
        return;
    if (is_early(link, message) && masters->early.count < RENEWAL_EARLY_MAX)
        message_queue_push(&masters->early, message);
    else
        message_free(message);
}

static void begin_renewal(struct link *link)
{
    link->masters.renewals_us += RENEWAL_US;
    loop_timer_cancel(link_loop(link), &link->masters.next.timer);
    link_master_begin(link, &link->masters.renewal, link->masters.next.stream,
                      link->masters.next.epoch, false);
    /* Only what there is now: a message of a newer epoch goes back to the queue. */
    for (size_t left = link->masters.early.count; left; left--)
        link_renewal_receive(link, message_queue_pop(&link->masters.early));
}

static void on_renewal_time(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, masters.next.timer);
    if (link->state != LINK_CLOSING)
        begin_renewal(link);
}

/* Drops what came for a renewal that this one replaces, and that has not had its time. */
static void drop_older(struct link *link, uint8_t epoch)
{
    for (size_t left = link->masters.early.count; left; left--) {
        struct message *message = message_queue_pop(&link->masters.early);
        if ((int8_t)(message->epoch - epoch) < 0)
            message_free(message);
        else
            message_queue_push(&link->masters.early, message);
    }
}

/* A bucket of RENEWALS_AT_ONCE: renewals_us is when it will be full again. */
void link_renewal_asked(struct link *link, uint16_t stream, uint8_t epoch)
{
    struct loop *loop = link_loop(link);
    uint64_t now = loop_now(loop);
    if (link->masters.renewals_us < now)
        link->masters.renewals_us = now;
    link->masters.next.stream = stream;
    link->masters.next.epoch = epoch;
    link->masters.next.timer.on_expire = on_renewal_time;
    drop_older(link, epoch);
    uint64_t full = now + RENEWALS_AT_ONCE * RENEWAL_US;
    if (link->masters.renewals_us + RENEWAL_US <= full)
        begin_renewal(link);
    else /* a newer one takes the place of one that waits */
        loop_timer_set(loop, &link->masters.next.timer,
                       now + link->masters.renewals_us + RENEWAL_US - full);
}

void link_renewal_end(struct link *link)
{
    struct loop *loop = link_loop(link);
    loop_timer_cancel(loop, &link->masters.renew_timer);
    loop_timer_cancel(loop, &link->masters.next.timer);
    link_master_end(&link->masters.first);
    link_master_end(&link->masters.renewal);
    message_queue_clear(&link->masters.early);
    tls_generation_unref(link->masters.generation);
    tls_generation_unref(link->masters.previous_generation);
    link->masters.generation = link->masters.previous_generation = NULL;
    tls_credentials_unref(link->masters.credentials);
    link->masters.credentials = NULL;
    tls_identity_unref(link->peer.identity);
    link->peer.identity = NULL;
}
