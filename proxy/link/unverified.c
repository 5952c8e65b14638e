/* Associations whose peers have not proved who they are: lines about them, and their number. */
#include <inttypes.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"

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
    self->lines.per_minute = transport_part(sharing, UNVERIFIED_LINES, 1);
    self->links.most = transport_part(sharing, UNVERIFIED_MAX, 1);
    self->links.most_of_source =
        transport_part(sharing, UNVERIFIED_OF_SOURCE, UNVERIFIED_OF_SOURCE_LEAST);
    self->links.most_held = transport_part(sharing, UNVERIFIED_EARLY_ALL, UNVERIFIED_EARLY_LEAST);
    newcomers_init(&self->links);
}

struct link *unverified_enter(struct link *link, const char **why)
{
    struct newcomers *links = &link->owner->unverified.links;
    struct newcomer *oldest = newcomers_oldest_of(links, &link->peer.address);
    *why = "made room for newer ones of this source";
    if (!oldest && links->count >= links->most) {
        *why = "made room for newer peers";
        oldest = newcomers_oldest(links);
    }
    newcomers_enter(links, &link->peer.unverified, &link->peer.address, 0);
    return oldest ? container_of(oldest, struct link, peer.unverified) : NULL;
}

bool unverified_may_keep(struct link *link, size_t bytes)
{
    struct newcomers *links = &link->owner->unverified.links;
    struct newcomer *one = &link->peer.unverified;
    if (!newcomers_may_hold(links, one, bytes, UNVERIFIED_EARLY_LEAST))
        return false;
    newcomers_hold(links, one, one->held + bytes);
    return true;
}

void unverified_leave(struct link *link)
{
    newcomers_leave(&link->owner->unverified.links, &link->peer.unverified);
}
