/* Children before HELLO: a client whose master was resumed saves a round trip. It starts children
 * in the same flight as its Finished and HELLO, before it knows the server's HELLO (rule C2). If
 * packets are lost, their messages come to the server before these, and the answers to the client
 * before the server's HELLO: each end keeps them until HELLO is there. */
#include "proxy/link/link_private.h"

/* Rule C2. The server does not know its peer yet: this is what it keeps for it, at most. */
#define EARLY_MAX         64
#define EARLY_MESSAGE_MAX 4096
/* Of a ClientHello, all but the ticket. */
#define HELLO_MAX 1024

static uint32_t early_count(const struct link *link)
{
    const struct config_tunnel *config = link->tunnel->config;
    const uint32_t limits[] = {config->streams.max, link->streams.granted - 2u, EARLY_MAX};
    uint32_t count = config->streams.initial;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i] < count)
            count = limits[i];
    return count;
}

void link_early_begin(struct link *link)
{
    if (!link_is_client(link) || link->streams.list[1].channel || !link->masters.generation ||
        tls_generation_expires_in(link->masters.generation) <= 0 ||
        tls_generation_size(link->masters.generation) + HELLO_MAX > EARLY_MESSAGE_MAX)
        return;
    link_control_now(link); /* HELLO first: then nothing need be kept */
    link_send_now(link);
    uint32_t count = early_count(link);
    for (uint32_t id = 1; id <= count && link->state == LINK_MASTER; id++)
        link_children_start_one(link, (uint16_t)id, 0);
}

void link_early_keep(struct link *link, struct message *message)
{
    /* A server that is verified may answer with a chain of certificates. */
    uint32_t longest = link_is_client(link) ? MESSAGE_MAX : EARLY_MESSAGE_MAX;
    if (link->children.early.count < EARLY_MAX && message->length <= longest &&
        unverified_may_keep(link, sizeof *message + message->length))
        message_queue_push(&link->children.early, message_exact(message));
    else
        message_free(message);
}

void link_early_settle(struct link *link)
{
    for (uint32_t id = link->streams.max + 1u; id < link->streams.granted && id <= EARLY_MAX; id++)
        if (link->streams.list[id].child != CHILD_NONE)
            link_children_abandon(link, (uint16_t)id);
    link_control_now(link);
}
