/* How many streams an association has, who limits that, and what is said of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/owner.h"
#include "proxy/local/quota.h"
#include "proxy/worker/worker.h"

static const char *const limiters[] = {[STREAMS_BY_BOTH] = "both",
                                       [STREAMS_BY_US] = "here",
                                       [STREAMS_BY_PEER] = "far end",
                                       [STREAMS_BY_SCTP] = "sctp",
                                       [STREAMS_BY_IDENTITY] = "identity"};

const char *link_streams_limiter(const struct link *link)
{
    return limiters[link->streams_limiter];
}

/* Only the master's has messages by now, and none a channel. */
void link_streams_open(struct link *link, uint32_t count)
{
    struct link_stream *streams = check_alloc(count * sizeof(*streams)), *old = link->streams;
    if (old) {
        must(link->stream_count == 1);
        scheduler_remove(&link->scheduler, &old->entry);
        streams->epoch = old->epoch;
        for (struct message *message; (message = message_queue_pop(&old->out));)
            message_queue_push(&streams->out, message);
        if (streams->out.first)
            scheduler_add(&link->scheduler, &streams->entry);
        free(old);
    }
    link->streams = streams;
    link->stream_count = count;
}

void link_streams_agree(struct link *link, uint32_t peers)
{
    uint32_t ours = link->tunnel->config->streams.max;
    uint32_t sctp = link->granted - 2u; /* the stream behind the children is the renewal's */
    uint32_t streams = ours < peers ? ours : peers;
    link->peer_streams = (uint16_t)peers;
    link->streams_limiter = ours == peers  ? STREAMS_BY_BOTH
                            : ours < peers ? STREAMS_BY_US
                                           : STREAMS_BY_PEER;
    if (sctp < streams) {
        link->streams_limiter = STREAMS_BY_SCTP;
        streams = sctp;
    }
    uint32_t taken = link_place_streams(link, streams);
    if (taken < streams)
        link->streams_limiter = STREAMS_BY_IDENTITY;
    link->streams_max = (uint16_t)taken;
}

const char *link_streams_describe(const struct link *link, char *text, size_t size)
{
    unsigned ours = link->tunnel->config->streams.max;
    switch (link->streams_limiter) {
    case STREAMS_BY_BOTH:
        return "as both ends allow";
    case STREAMS_BY_US:
        snprintf(text, size, "limited here, by streams.max; the far end allows %u",
                 link->peer_streams);
        break;
    case STREAMS_BY_PEER:
        snprintf(text, size, "limited by the far end; streams.max here is %u", ours);
        break;
    case STREAMS_BY_SCTP:
        snprintf(text, size, "limited by SCTP; streams.max is %u here and %u there", ours,
                 link->peer_streams);
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
    switch (link->streams_limiter) {
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
    bool more = pool_idle(link->pool) || link->children_started;
    for (uint32_t id = link->first_unused; !more && id <= link->streams_max; id++)
        more = link->streams[id].child == CHILD_NONE;
    return more;
}

void link_streams_waited_for(struct link *link)
{
    uint64_t left_out;
    if (can_be_more(link) || !log_minute_allows(&link->streams_told, link_now(link), &left_out))
        return;
    log_write(LOG_WARNING, LINK_ABOUT(link),
              "all %u streams are taken: a connection waits, and is refused after %.3g s "
              "(waiting.timeout); %s (%llu more waited before)",
              link->streams_max, (double)link->tunnel->config->waiting.timeout_us / 1e6,
              advice(link), (unsigned long long)left_out);
}
