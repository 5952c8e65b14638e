/* Whole tunnels on real threads: for ThreadSanitizer above all. The other tests check each step;
 * here everything happens at once. */
#include "tests/unit/proxy/bed.h"

static struct end_plan random_plan(struct bed *bed)
{
    static const size_t sizes[] = {0, 1, 100, 20000, 400000};
    return (struct end_plan){.bytes = sizes[bed_random(bed, 5)],
                             .then = bed_random(bed, 5) ? THEN_FIN : THEN_RESET};
}

static void connect_at_random(struct bed *bed)
{
    const struct address *addresses[] = {side_listener(&bed->client, 0),
                                         side_listener(&bed->client, 2),
                                         side_listener(&bed->server, 1)};
    ends_connect(&bed->ends, addresses[bed_random(bed, 3)], random_plan(bed), random_plan(bed));
}

static void init(struct bed *bed, unsigned client_workers, unsigned server_workers)
{
    bed_init(bed, client_workers, server_workers, true);
    side_add_service(&bed->client, "back", CONFIG_CONNECT, bed->ends.address);
    side_add_service(&bed->server, "back", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed->client, "ghost", CONFIG_LISTEN, bed_loopback(0));
    bed->client.config.streams.max = bed->server.config.streams.max = 12;
    bed->client.config.waiting.max = bed->server.config.waiting.max = 1000;
    bed->client.config.waiting.timeout_us = bed->server.config.waiting.timeout_us = 20000000;
}

static int books_are_even(struct side *side)
{
    return side_books_are_even(side);
}

static int hurt_child(struct side *side)
{
    struct link *link = side_link(side);
    if (link && link->state == LINK_READY && link->streams.list[side->stream].channel)
        side_hurt_child(side, side->stream);
    return 0;
}

static int renew(struct side *side)
{
    struct link *link = side_link(side);
    if (link && link->state == LINK_READY)
        loop_timer_set(side->workers[0].loop, &link->masters.renew_timer, 0);
    return 0;
}

static int lose(struct side *side)
{
    struct link *link = side_link(side);
    if (link)
        link_close(link, ERR_INTERNAL, "test", false);
    return 0;
}

/* Troubles while connections come and go, in both directions. */
static void trouble(struct bed *bed, unsigned round, bool losses)
{
    struct side *side = round & 1 ? &bed->client : &bed->server;
    side->stream = (uint16_t)(1 + bed_random(bed, 12));
    switch (round % 8) {
    case 0:
    case 1:
        bed_ask(side, hurt_child);
        break;
    case 4:
        bed_ask(&bed->client, renew);
        break;
    case 6:
        if (losses)
            bed_ask(side, lose);
        break;
    }
}

static bool settled(struct bed *bed)
{
    return !bed_open_connections(bed) && bed_ask(&bed->client, books_are_even) &&
           bed_ask(&bed->server, books_are_even);
}

static void everything(unsigned client_workers, unsigned server_workers, bool losses)
{
    struct bed bed;
    tap_note("%u and %u workers%s", client_workers, server_workers,
             losses ? ", associations are lost" : "");
    init(&bed, client_workers, server_workers);
    memory_set_faults(&(struct memory_faults){.seed = 1, .jitter_us = 100, .again_percent = 5});
    bed_start(&bed);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 5; i++)
            connect_at_random(&bed);
        trouble(&bed, round, losses);
        bed_turn(&bed);
    }
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "200 connections end");
    ok(ends_all(&bed.ends, pair_is_honest), "none is cut short without a reset (%u are complete)",
       ends_count(&bed.ends, pair_is_complete));
    bed_expect(&bed, settled(&bed), "both sides agree that all streams are idle");
    ok(losses || side_count(&bed.client, associations_total) == 1, "the association lasts");
    bed_fini(&bed);
}

/* Stopped, first one then the other, while everything moves. */
static void stops_in_the_middle(unsigned workers, bool client_first)
{
    struct bed bed;
    init(&bed, workers, workers);
    bed_start(&bed);
    for (unsigned i = 0; i < 60; i++)
        connect_at_random(&bed);
    bed_reach(&bed, ends_count(&bed.ends, pair_is_over) >= 10);
    side_stop(client_first ? &bed.client : &bed.server);
    side_stop(client_first ? &bed.server : &bed.client);
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "stopped in the middle: all are over");
    ok(ends_all(&bed.ends, pair_is_honest), "none is cut short without a reset");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    everything(1, 1, false);
    everything(2, 2, false);
    everything(4, 4, false);
    everything(2, 4, true);
    everything(4, 1, true);
    stops_in_the_middle(3, true);
    stops_in_the_middle(2, false);
    message_cache_clear();
    return tap_done();
}
