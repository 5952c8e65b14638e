#include "proxy/link/unverified.h"

#include <inttypes.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/worker/worker.h"

#define MINUTE_US 60000000

static struct loop *loop_of(const struct link_owner *owner)
{
    return owner->tunnel->home->loop;
}

static void on_minute(struct loop_timer *timer)
{
    struct link_owner *owner = container_of(timer, struct link_owner, unverified.minute);
    uint64_t left_out;
    if (log_limit_allows(&owner->unverified.lines, loop_now(loop_of(owner)), &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.tunnel = owner->tunnel->config->name),
                  "%" PRIu64 " more associations ended before the peer had proved who it is; lines "
                  "about them were left out",
                  left_out);
}

bool unverified_may_log(struct link_owner *owner)
{
    struct unverified *unverified = &owner->unverified;
    uint64_t left_out;
    if (!loop_timer_is_set(&unverified->minute) &&
        log_limit_allows(&unverified->lines, loop_now(loop_of(owner)), &left_out))
        return true;
    if (loop_timer_is_set(&unverified->minute)) {
        unverified->lines.left_out++; /* the timer tells */
        return false;
    }
    unverified->minute.on_expire = on_minute;
    loop_timer_set(loop_of(owner), &unverified->minute, unverified->lines.begun_us + MINUTE_US);
    return false;
}

void unverified_end(struct link_owner *owner)
{
    loop_timer_cancel(loop_of(owner), &owner->unverified.minute);
}

/* ---- how many ---- */

void unverified_init(struct unverified *self, const struct sctp_sharing *sharing)
{
    TAILQ_INIT(&self->links);
    must(getrandom(&self->seed, sizeof(self->seed), 0) == sizeof(self->seed));
    self->lines.per_minute = transport_part(sharing, UNVERIFIED_LINES, 1);
    self->most_early = transport_part(sharing, UNVERIFIED_EARLY_ALL, UNVERIFIED_EARLY_LEAST);
    self->most = transport_part(sharing, UNVERIFIED_MAX, 1);
    self->most_of_source =
        transport_part(sharing, UNVERIFIED_OF_SOURCE, UNVERIFIED_OF_SOURCE_LEAST);
}

static struct link *oldest_of(const struct unverified *self, uint16_t source)
{
    struct link *link;
    TAILQ_FOREACH(link, &self->links, unverified.link)
    {
        if (link->unverified.source == source)
            break;
    }
    return link;
}

void unverified_enter(struct link *link)
{
    struct unverified *self = &link->owner->unverified;
    struct unverified_entry *entry = &link->unverified;
    entry->source = (uint16_t)address_place(&link->peer_address, self->seed, UNVERIFIED_SOURCES);
    if (self->of_source[entry->source] >= self->most_of_source)
        link_close(oldest_of(self, entry->source), ERR_TLS_TIMEOUT,
                   "made room for newer ones of this source", false);
    else if (self->count >= self->most)
        link_close(TAILQ_FIRST(&self->links), ERR_TLS_TIMEOUT, "made room for newer peers", false);
    entry->is_in = true;
    TAILQ_INSERT_TAIL(&self->links, link, unverified.link);
    self->of_source[entry->source]++;
    self->count++;
}

bool unverified_may_keep(struct link *link, size_t bytes)
{
    struct unverified *self = &link->owner->unverified;
    struct unverified_entry *entry = &link->unverified;
    if (!entry->is_in)
        return true;
    if (entry->early + bytes > UNVERIFIED_EARLY_LEAST && self->early + bytes > self->most_early)
        return false;
    entry->early += bytes;
    self->early += bytes;
    return true;
}

void unverified_leave(struct link *link)
{
    struct unverified *self = &link->owner->unverified;
    struct unverified_entry *entry = &link->unverified;
    if (!entry->is_in)
        return;
    TAILQ_REMOVE(&self->links, link, unverified.link);
    self->of_source[entry->source]--;
    self->count--;
    self->early -= entry->early;
    entry->early = 0;
    entry->is_in = false;
}
