#include "proxy/unverified.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

#define MINUTE_US 60000000

static struct loop *loop_of(const struct tunnel *tunnel)
{
    return tunnel->home->loop;
}

static void on_minute(struct loop_timer *timer)
{
    struct tunnel *tunnel = container_of(timer, struct tunnel, unverified.minute);
    uint64_t left_out;
    if (log_limit_allows(&tunnel->unverified.lines, loop_now(loop_of(tunnel)), &left_out))
        log_write(LOG_WARNING, LOG_ABOUT(.tunnel = tunnel->config->name),
                  "%" PRIu64 " more associations ended before the peer had proved who it is; lines "
                  "about them were left out",
                  left_out);
}

bool unverified_may_log(struct tunnel *tunnel)
{
    struct unverified *unverified = &tunnel->unverified;
    uint64_t left_out;
    unverified->lines.per_minute = UNVERIFIED_LINES;
    if (!loop_timer_is_set(&unverified->minute) &&
        log_limit_allows(&unverified->lines, loop_now(loop_of(tunnel)), &left_out))
        return true;
    if (loop_timer_is_set(&unverified->minute)) {
        unverified->lines.left_out++; /* the timer tells */
        return false;
    }
    unverified->minute.on_expire = on_minute;
    loop_timer_set(loop_of(tunnel), &unverified->minute, unverified->lines.begun_us + MINUTE_US);
    return false;
}

void unverified_end(struct tunnel *tunnel)
{
    loop_timer_cancel(loop_of(tunnel), &tunnel->unverified.minute);
}

static bool is_unverified(const struct link *link)
{
    return link->state == LINK_CONNECTING || link->state == LINK_MASTER;
}

void unverified_make_room(struct tunnel *tunnel, const struct address *peer)
{
    struct link *oldest = NULL, *oldest_of_source = NULL;
    unsigned all = 0, of_source = 0;
    for (struct link *link = tunnel->links; link; link = link->next) { /* newest first */
        if (!is_unverified(link))
            continue;
        all++;
        oldest = link;
        if (address_source(&link->peer_address) != address_source(peer))
            continue;
        of_source++;
        oldest_of_source = link;
    }
    if (of_source >= UNVERIFIED_OF_SOURCE)
        link_close(oldest_of_source, ERR_TLS_TIMEOUT, "made room for newer ones of this source",
                   false);
    else if (all >= TUNNEL_UNVERIFIED_MAX)
        link_close(oldest, ERR_TLS_TIMEOUT, "made room for newer peers", false);
}
