/* The number of streams of an association, and its limits. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link_private.h"
#include "proxy/local/quota.h"

static const char *const limiters[] = {[STREAMS_BY_BOTH] = "both",
                                       [STREAMS_BY_US] = "here",
                                       [STREAMS_BY_PEER] = "far end",
                                       [STREAMS_BY_SCTP] = "sctp",
                                       [STREAMS_BY_IDENTITY] = "identity"};

const char *link_streams_limiter(const struct link *link)
{
    return limiters[link->streams.limiter];
}

/* Only the master's has messages by now, and none a channel. */
void link_streams_open(struct link *link, uint32_t count)
{
    struct link_stream *streams = check_alloc(count * sizeof *streams), *old = link->streams.list;
    if (old) {
        must(link->streams.count == 1);
        scheduler_remove(&link->sending.scheduler, &old->entry);
        streams->epoch = old->epoch;
        for (struct message *message; (message = message_queue_pop(&old->out));)
            message_queue_push(&streams->out, message);
        if (streams->out.first)
            scheduler_add(&link->sending.scheduler, &streams->entry);
        free(old);
    }
    link->streams.list = streams;
    link->streams.count = count;
}

void link_streams_agree(struct link *link, uint32_t peers)
{
    uint32_t ours = link->tunnel->config->streams.max;
    uint32_t sctp =
        link->streams.granted - 2u; /* the stream behind the children is the renewal's */
    uint32_t streams = ours < peers ? ours : peers;
    link->streams.peer_max = (uint16_t)peers;
    link->streams.limiter = ours == peers  ? STREAMS_BY_BOTH
                            : ours < peers ? STREAMS_BY_US
                                           : STREAMS_BY_PEER;
    if (sctp < streams) {
        link->streams.limiter = STREAMS_BY_SCTP;
        streams = sctp;
    }
    link->streams.max = (uint16_t)streams;
}

void link_streams_limit(struct link *link, uint32_t left)
{
    if (left >= link->streams.max)
        return;
    link->streams.limiter = STREAMS_BY_IDENTITY;
    link->streams.max = (uint16_t)left;
}

const char *link_streams_describe(const struct link *link, char *text, size_t size)
{
    unsigned ours = link->tunnel->config->streams.max;
    switch (link->streams.limiter) {
    case STREAMS_BY_BOTH:
        return "as both ends allow";
    case STREAMS_BY_US:
        snprintf(text, size, "limited here, by streams.max; the far end allows %u",
                 link->streams.peer_max);
        break;
    case STREAMS_BY_PEER:
        snprintf(text, size, "limited by the far end; streams.max here is %u", ours);
        break;
    case STREAMS_BY_SCTP:
        snprintf(text, size, "limited by SCTP; streams.max is %u here and %u there", ours,
                 link->streams.peer_max);
        break;
    case STREAMS_BY_IDENTITY:
        snprintf(text, size, "limited here, by identity.max_streams = %u",
                 link->group.quota->limits->max_streams);
        break;
    }
    return text;
}

static const char *advice(const struct link *link)
{
    switch (link->streams.limiter) {
    case STREAMS_BY_BOTH:
        return "raise streams.max at both ends";
    case STREAMS_BY_US:
        return "raise streams.max here";
    case STREAMS_BY_PEER:
        return "raise streams.max at the far end (at a server perhaps identity.max_streams)";
    case STREAMS_BY_SCTP:
        return "SCTP grants no more";
    case STREAMS_BY_IDENTITY:
        break;
    }
    return "raise identity.max_streams here";
}

static bool can_be_more(const struct link *link)
{
    bool more = pool_idle(link->leases.pool) || link->children.started;
    for (uint32_t id = link->children.first_unused; !more && id <= link->streams.max; id++)
        more = link->streams.list[id].child == CHILD_NONE;
    return more;
}

void link_streams_waited_for(struct link *link)
{
    uint64_t left_out;
    if (can_be_more(link) || !log_minute_allows(&link->streams.told, link_now(link), &left_out))
        return;
    log_write(LOG_WARNING, LINK_ABOUT(link),
              "all %u streams are taken: a connection waits, and is refused after %.3g s "
              "(waiting.timeout); %s (%llu more waited before)",
              link->streams.max, (double)link->tunnel->config->waiting.timeout_us / 1e6,
              advice(link), (unsigned long long)left_out);
}
