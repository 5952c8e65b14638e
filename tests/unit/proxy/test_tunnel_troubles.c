/* Everything that can happen to a tunnel at once, in an order that the seed chooses: connections in
 * both directions, sessions that fail, masters that are renewed, sides that stand still,
 * associations that are lost, servers that restart. No connection may look complete that is not,
 * and in the end all is well. SEED=n begins elsewhere. */
#include "tests/unit/proxy/bed.h"

static struct end_plan random_plan(struct bed *bed)
{
    static const size_t sizes[] = {0, 1, 100, 20000, 150000, 700000};
    return (struct end_plan){.bytes = sizes[bed_random(bed, 6)],
                             .then = bed_random(bed, 5) ? THEN_FIN : THEN_RESET,
                             .stalled = bed_random(bed, 12) == 0};
}

static void connect_at_random(struct bed *bed)
{
    const struct address *addresses[3];
    size_t count = 0;
    addresses[count++] = side_listener(&bed->client, 0);
    addresses[count++] = side_listener(&bed->client, 2);
    if (bed->server.workers)
        addresses[count++] = side_listener(&bed->server, 1);
    struct end_plan client = random_plan(bed), target = random_plan(bed);
    client.waits = bed_random(bed, 6) == 0 && target.then == THEN_FIN;
    target.waits = bed_random(bed, 6) == 0 && client.then == THEN_FIN && !client.waits;
    ends_connect(&bed->ends, addresses[bed_random(bed, count)], client, target);
}

static struct link *ready_link(const struct side *side)
{
    struct link *link = side->workers ? side_link(side) : NULL;
    return link && link->state == LINK_READY ? link : NULL;
}

static void hurt(struct bed *bed, struct side *side)
{
    struct link *link = ready_link(side);
    uint16_t stream = (uint16_t)(1 + bed_random(bed, side->config.streams.max));
    if (link && stream < link->streams.granted && link->streams.list[stream].channel)
        side_hurt_child(side, stream);
}

static void restart_server(struct bed *bed)
{
    if (bed->server.frozen || bed->client.frozen)
        return;
    side_stop(&bed->server);
    for (uint64_t turns = bed_random(bed, 60); turns; turns--)
        bed_turn(bed);
    side_start(&bed->server);
}

static void let_read(struct bed *bed)
{
    for (uint32_t i = 0; i < bed->ends.pair_count; i++) {
        struct pair *pair = bed->ends.pairs[i];
        pair->client.plan.stalled = bed->ends.target_plans[i].stalled = false;
        end_go(&pair->client);
        if (pair->target) {
            pair->target->plan.stalled = false;
            end_go(pair->target);
        }
    }
}

static void trouble(struct bed *bed)
{
    struct side *side = bed_random(bed, 2) ? &bed->client : &bed->server;
    struct link *link = ready_link(side);
    switch (bed_random(bed, 24)) {
    case 0:
    case 1:
    case 2:
    case 3:
        hurt(bed, side);
        break;
    case 4:
    case 5:
        if (ready_link(&bed->client))
            loop_timer_set(bed->client.workers[0].loop,
                           &side_link(&bed->client)->masters.renew_timer, 0);
        break;
    case 6:
    case 7:
        side->frozen = !side->frozen;
        break;
    case 8:
        if (link)
            link_close(link, ERR_INTERNAL, "test", bed_random(bed, 2));
        break;
    case 9:
        if (bed_random(bed, 3) == 0)
            restart_server(bed);
        break;
    case 10:
        let_read(bed);
        break;
    }
}

static void prepare(struct bed *bed, unsigned long seed)
{
    bed_init(bed, (unsigned)(1 + seed % 4), (unsigned)(1 + seed / 4 % 4), false);
    bed->random = seed;
    side_add_service(&bed->client, "back", CONFIG_CONNECT, bed->ends.address);
    side_add_service(&bed->server, "back", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed->client, "ghost", CONFIG_LISTEN, bed_loopback(0));
    bed->server.local.address = bed->client.remote.address = bed_loopback(33000);
    bed->client.config.streams.max = (uint32_t)(2 + seed % 6);
    bed->client.config.streams.initial = (uint32_t)(1 + seed % 2);
    bed->client.config.waiting.max = bed->server.config.waiting.max = 1000;
    bed->client.config.connect_timeout_us = 50000;
    bed->client.config.tls.handshake_timeout_us = bed->server.config.tls.handshake_timeout_us =
        1000000;
    bed->client.hasty = bed->server.hasty = true;
    bed->client.config.waiting.timeout_us = bed->server.config.waiting.timeout_us = 8000000;
    memory_set_faults(&(struct memory_faults){.seed = seed,
                                              .jitter_us = seed % 3 * 100,
                                              .again_percent = seed % 4 * 10,
                                              .queue_bytes = seed % 5 ? 0 : 30000});
}

static void all_at_once(unsigned long seed)
{
    struct bed bed;
    prepare(&bed, seed);
    bed_start(&bed);
    for (unsigned i = 0; i < 100; i++) {
        connect_at_random(&bed);
        trouble(&bed);
        for (uint64_t turns = bed_random(&bed, 40); turns; turns--)
            bed_turn(&bed);
    }
    bed.client.frozen = bed.server.frozen = false;
    let_read(&bed);
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "seed %lu: every connection ends", seed);
    ok(ends_all(&bed.ends, pair_is_honest), "none is cut short without a reset (%u are complete)",
       ends_count(&bed.ends, pair_is_complete));
    bed_expect(&bed,
               !bed_open_connections(&bed) && side_is_up(&bed.client) &&
                   side_is_settled(&bed.client) && side_is_settled(&bed.server) &&
                   side_count(&bed.client, children_ready) ==
                       side_count(&bed.server, children_ready),
               "both sides agree on all streams");
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(pair), "and connections go on");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    for (unsigned long seed = tap_seed(), i = 0; i < 8; i++)
        all_at_once(seed + i);
    message_cache_clear();
    return tap_done();
}
