/* A channel tells its link: at once when it is at home, else by mail. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proxy/channel/channel_private.h"

/* Below this much on its way a starved channel goes on: half, so that one wake moves many records.
 */
#define UNSENT_LOW (CHANNEL_UNSENT_MAX / 2)

/* ---- reports: always by mail, because a channel reports in the middle of its work ---- */

static void deliver_report(struct mail *mail)
{
    struct channel_report *report = container_of(mail, struct channel_report, mail);
    report->channel->group->sink->report(report);
    free(report);
}

static struct channel_report *report_new(struct channel *channel, enum channel_event event,
                                         enum err why, const char *detail)
{
    size_t length = detail ? strlen(detail) : 0;
    struct channel_report *report = check_alloc(sizeof *report + length + 1);
    report->mail.deliver = deliver_report;
    report->channel = channel;
    report->event = event;
    report->epoch = channel->epoch;
    report->why = why;
    if (length)
        memcpy(report->detail, detail, length);
    return report;
}

static void post(struct channel *channel, struct mail *mail)
{
    worker_post(channel->group->tunnel->home, mail);
}

void channel_report(struct channel *channel, enum channel_event event, enum err why,
                    const char *detail)
{
    post(channel, &report_new(channel, event, why, detail)->mail);
}

void channel_report_ready(struct channel *channel, bool resumed)
{
    struct channel_report *report = report_new(channel, CHANNEL_READY, ERR_OK, NULL);
    report->resumed = resumed;
    post(channel, &report->mail);
}

void channel_report_returned(struct channel *channel, enum err why, struct connection *connection)
{
    struct channel_report *report = report_new(channel, CHANNEL_RETURNED, why, NULL);
    report->connection = connection;
    post(channel, &report->mail);
}

/* ---- records ---- */

static void deliver_put(struct mail *mail)
{
    struct message *message = container_of(mail, struct message, mail);
    struct channel *channel = message->owner;
    channel->group->sink->put(channel, message);
}

void channel_put(struct channel *channel, struct message *message)
{
    message->stream = channel->stream;
    message->epoch = channel->epoch;
    atomic_fetch_add_explicit(&channel->flow.unsent, (int32_t)message->length,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&channel->group->queued, message->length, memory_order_relaxed);
    if (channel->produced && !*channel->produced) {
        *channel->produced = message;
    } else if (channel_is_at_home(channel)) {
        channel->group->sink->put(channel, message);
    } else {
        message->owner = channel;
        message->mail.deliver = deliver_put;
        post(channel, &message->mail);
    }
}

/* ---- room ---- */

static void deliver_hold(struct mail *mail)
{
    struct channel *channel = container_of(mail, struct channel, flow.hold);
    channel->group->sink->hold(channel);
}

bool channel_has_room(struct channel *channel)
{
    struct channel_flow *flow = &channel->flow;
    size_t queued = atomic_load_explicit(&channel->group->queued, memory_order_relaxed);
    bool is_full = queued >= CHANNEL_QUEUE_FULL;
    if (is_full && channel_is_at_home(channel)) {
        channel->group->sink->want(channel);
        return false;
    }
    if (queued >= CHANNEL_QUEUE_HELD) {
        if (!atomic_exchange(&flow->held, true)) { /* else the home may be reading the mail now */
            flow->hold.deliver = deliver_hold;
            post(channel, &flow->hold);
        }
        return false;
    }
    if (atomic_load(&flow->unsent) < (is_full ? 1 : CHANNEL_UNSENT_MAX))
        return true;
    atomic_store(&flow->starved, true);
    /* It may have fallen between the two lines above, before anybody saw us starve. */
    return atomic_load(&flow->unsent) < (is_full ? 1 : UNSENT_LOW) &&
           atomic_exchange(&flow->starved, false);
}

/* ---- the answers ---- */

void channel_wake(struct channel *channel)
{
    if (!atomic_exchange(&channel->flow.wake_posted, true))
        worker_post(channel->worker, &channel->flow.wake);
}

void channel_sent(struct channel *channel, uint32_t length)
{
    int32_t before = atomic_fetch_sub(&channel->flow.unsent, (int32_t)length);
    if (before - (int32_t)length < UNSENT_LOW && atomic_exchange(&channel->flow.starved, false))
        channel_wake(channel);
}
