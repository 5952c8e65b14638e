/* The life of a link: closed from every state, lost at every message, begun anew. */
#include "proxy/link/link.h"

#include "tests/unit/proxy/bed.h"

/* Three connections: one that is short, one that is long, one that stays. */
static void connect_three(struct bed *bed)
{
    bed_connect(bed, end_sends(10), end_sends(10));
    bed_connect(bed, end_sends(200000), end_sends(200000));
    bed_connect(bed, end_holds(10), end_holds(10));
}

static int abort_links(struct side *side)
{
    tunnel_close(side->tunnel, ERR_DRAIN_TIMEOUT);
    return 0;
}

/* After so many turns one side closes, by request or at once; the other finds out, then closes. */
static void close_after(unsigned turns, bool server_first, bool at_once, unsigned workers)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    bed.random += turns;
    bed_start(&bed);
    connect_three(&bed);
    for (unsigned i = 0; i < turns; i++)
        bed_step(&bed);
    struct side *first = server_first ? &bed.server : &bed.client;
    if (at_once)
        bed_ask(first, abort_links);
    side_stop(first);
    bed_pause(&bed, bed_random(&bed, 2000));
    struct side *second = server_first ? &bed.client : &bed.server;
    second->hasty = true;
    side_stop(second);
    bed_reach(&bed, ends_all(&bed.ends, pair_is_over));
    if (!ends_all(&bed.ends, pair_is_over) || !ends_all(&bed.ends, pair_is_honest))
        ok(false, "after %u turns: every connection is over, and none looks complete", turns);
    bed_fini(&bed);
}

/* The handshakes take about 200 turns, the bytes as many again. */
static void closes(void)
{
    unsigned count = tap_scaled(96), apart = 480 / count;
    for (unsigned i = 0; i < count; i++)
        close_after(i * apart, i % 2, i / 2 % 2, 1 + i % 3);
}

static bool is_up_again(const struct bed *bed)
{
    return side_is_up(&bed->client) && side_is_up(&bed->server);
}

/* The first association vanishes with a certain message; the client makes another. */
static void lose_after(unsigned messages, unsigned workers)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    bed.random += messages;
    bed.client.config.connect_timeout_us = 20000;
    bed_start_server(&bed);
    memory_set_faults(&(struct memory_faults){.lose_after = messages});
    side_start(&bed.client);
    memory_set_faults(&(struct memory_faults){0});
    connect_three(&bed);
    bed_reach(&bed, end_is_closed(&bed.ends.pairs[1]->client) && is_up_again(&bed));
    ok(is_up_again(&bed) && ends_all(&bed.ends, pair_is_honest),
       "lost with message %u: up again, nothing looks complete that is not", messages);
    uint64_t lost = side_count(&bed.client, associations_lost);
    ok(side_count(&bed.client, associations_total) == 1 + lost, "%llu was lost",
       (unsigned long long)lost);
    /* If it was not lost yet, this one may lose it. */
    struct pair *pair = NULL;
    for (int attempt = 0; attempt < 2 && !(pair && pair_is_complete(pair)); attempt++) {
        pair = bed_connect(&bed, end_sends(50000), end_sends(50000));
        bed_reach(&bed, pair_is_over(pair));
    }
    ok(pair_is_complete(pair), "connections go through the new one");
    bed_fini(&bed);
}

static void losses(void)
{
    unsigned count = tap_scaled(30), apart = 90 / count;
    for (unsigned i = 0; i < count; i++)
        lose_after(1 + i * apart, 1 + (i + 1) % 3);
}

/* A connection that is open when the association goes is reset at both ends, at once. */
static void reset_with_the_association(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    struct pair *pair = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, pair->target && pair->client.received == 10 && pair->target->received == 10);
    link_close(side_link(&bed.server), ERR_INTERNAL, "test", false);
    bed_expect(&bed, pair->client.got_reset && pair->target->got_reset,
               "both ends of an open connection are reset");
    ok(side_count(&bed.client, associations_lost) == 1 &&
           side_count(&bed.server, associations_lost) == 1,
       "both count a lost association");
    bed_expect(&bed, is_up_again(&bed), "the client comes back");
    ok(side_count(&bed.client, masters_resumed) == 1, "with the ticket of the last association");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    reset_with_the_association();
    losses();
    closes();
    message_cache_clear();
    return tap_done();
}
