/* The pool of children: leasing, waiting, races of both sides for one stream, and failures. */
#include "tests/unit/proxy/bed.h"

/* Both ends agree that so many children are ready and nothing else is going on. */
static bool both_have(struct bed *bed, uint32_t ready)
{
    return side_count(&bed->client, children_ready) == ready &&
           side_count(&bed->server, children_ready) == ready && side_is_settled(&bed->client) &&
           side_is_settled(&bed->server);
}

/* One side loses the session of one stream; the other learns it, and both begin anew. */
static void child_fails(bool at_client, unsigned workers)
{
    struct bed bed;
    tap_note("a child fails at the %s, %u workers", at_client ? "client" : "server", workers);
    bed_init(&bed, workers, workers, false);
    bed_start(&bed);
    bed_up(&bed);
    for (uint16_t stream = 1; stream <= 4; stream++)
        side_hurt_child(at_client ? &bed.client : &bed.server, stream);
    bed_expect(&bed, side_count(at_client ? &bed.client : &bed.server, children_failed) == 4,
               "four children fail");
    bed_expect(&bed, both_have(&bed, 4), "others take their place, at both ends");
    for (size_t i = 0; i < 8; i++)
        bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete), "connections go through them");
    bed_fini(&bed);
}

/* "back" is the other way round; "ghost" does not exist at the server. */
static void add_services(struct bed *bed)
{
    side_add_service(&bed->client, "back", CONFIG_CONNECT, bed->ends.address);
    side_add_service(&bed->server, "back", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed->client, "ghost", CONFIG_LISTEN, bed_loopback(0));
}

static struct end_plan random_plan(struct bed *bed)
{
    static const size_t sizes[] = {0, 1, 100, 20000, 150000};
    static const enum end_then thens[] = {THEN_FIN, THEN_FIN, THEN_FIN, THEN_RESET};
    return (struct end_plan){.bytes = sizes[bed_random(bed, 5)], .then = thens[bed_random(bed, 4)]};
}

static void connect_at_random(struct bed *bed)
{
    const struct address *addresses[] = {side_listener(&bed->client, 0),
                                         side_listener(&bed->client, 2),
                                         side_listener(&bed->server, 1)};
    struct end_plan client = random_plan(bed), target = random_plan(bed);
    client.waits = bed_random(bed, 4) == 0 && target.then == THEN_FIN;
    target.waits = bed_random(bed, 4) == 0 && client.then == THEN_FIN && !client.waits;
    ends_connect(&bed->ends, addresses[bed_random(bed, 3)], client, target);
}

static void hurt_at_random(struct bed *bed)
{
    struct side *side = bed_random(bed, 2) ? &bed->client : &bed->server;
    uint16_t stream = (uint16_t)(1 + bed_random(bed, bed->client.config.streams.max));
    if (side_link(side) && side_link(side)->state == LINK_READY && side_channel(side, stream))
        side_hurt_child(side, stream);
}

/* Both sides open connections at once, of which many are refused or reset, on as few streams as
 * there may be: so both lease the same one all the time. hurt: sessions fail in between. */
static void races(unsigned long seed, unsigned workers, uint32_t streams, bool hurt)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    bed.random = seed;
    bed.client.config.streams.max = bed.client.config.streams.initial = streams;
    bed.client.config.waiting.max = bed.server.config.waiting.max = 1000;
    add_services(&bed);
    memory_set_faults(&(struct memory_faults){
        .seed = seed, .jitter_us = 50 * (seed % 3), .again_percent = seed % 5 * 10});
    bed_start(&bed);
    bed_reach(&bed, side_is_up(&bed.client));
    bool known = true;
    for (size_t i = 0; i < 200; i++) {
        connect_at_random(&bed);
        if (hurt && i % 10 == 9)
            hurt_at_random(&bed);
        if (i % 40 == 39) {
            bed_calm_down(&bed);
            known &= side_knows_its_leases(&bed.client) && side_knows_its_leases(&bed.server);
        }
        for (uint64_t steps = bed_random(&bed, 30); steps; steps--)
            bed_turn(&bed);
    }
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "seed %lu: 200 connections end", seed);
    ok(ends_all(&bed.ends, pair_is_honest), "none is cut short without a reset");
    ok(known, "at every time each side knew which streams were leased");
    bed_expect(&bed, !bed_open_connections(&bed) && both_have(&bed, streams),
               "both sides agree on all streams");
    uint64_t failed = side_count(&bed.client, children_failed);
    ok(hurt ? failed > 0 : failed == 0, "%llu children failed", (unsigned long long)failed);
    ok(side_count(&bed.client, associations_total) == 1, "of one association");
    bed_fini(&bed);
}

static bool all_are_open(const struct ends *ends)
{
    for (uint32_t i = 0; i < ends->pair_count; i++)
        if (ends->pairs[i]->client.received != 10)
            return false;
    return true;
}

/* The server asks for the children that its connections need, and gets no more than a few. */
static void wants(unsigned workers)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    bed.client.config.streams.max = bed.server.config.streams.max = 100;
    bed.client.config.streams.initial = bed.server.config.streams.initial = 1;
    bed.server.config.waiting.max = 100;
    add_services(&bed);
    bed_start(&bed);
    bed_up(&bed);
    for (size_t i = 0; i < 20; i++)
        ends_connect(&bed.ends, side_listener(&bed.server, 1), end_holds(10), end_holds(10));
    bed_expect(&bed, all_are_open(&bed.ends),
               "20 connections of the server where 1 stream was ready");
    ok(side_count(&bed.client, children_started) <= 30, "%llu children were made for them",
       (unsigned long long)side_count(&bed.client, children_started));
    bed_fini(&bed);
}

/* Both sides' limits hold. */
static void fewer_streams(bool at_client)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    (at_client ? &bed.client : &bed.server)->config.streams.max = 2;
    bed.client.config.streams.initial = bed.server.config.streams.initial = 2;
    bed_start(&bed);
    bed_up(&bed);
    for (size_t i = 0; i < 10; i++)
        bed_connect(&bed, end_sends(5000), end_sends(5000));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete), "ten connections share two streams");
    ok(side_count(&bed.client, children_started) == 2 && side_link(&bed.client)->streams.max == 2 &&
           side_link(&bed.server)->streams.max == 2,
       "the %s allows no more", at_client ? "client" : "server");
    bed_fini(&bed);
}

/* A stream that is kept for a service is there when the others have taken all they may. */
static void kept_streams(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    struct config_service *kept =
        side_add_service(&bed.client, "kept", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed.server, "kept", CONFIG_CONNECT, bed.ends.address);
    kept->streams.min = 1;
    kept->streams.max = 2;
    bed.client.config.streams.max = 3;
    bed.client.config.streams.initial = bed.server.config.streams.initial = 3;
    bed.client.config.waiting.timeout_us = 30000;
    bed_start(&bed);
    bed_up(&bed);
    struct end_plan stay = {.bytes = 10, .then = THEN_HOLD};
    bed_connect(&bed, stay, stay);
    bed_connect(&bed, stay, stay);
    bed_reach(&bed, all_are_open(&bed.ends));
    struct pair *third = bed_connect(&bed, stay, stay);
    bed_expect(&bed, third->client.got_reset, "a third connection waits in vain");
    struct pair *pair = ends_connect(&bed.ends, side_listener(&bed.client, 1), stay, stay);
    bed_expect(&bed, pair->client.received == 10, "the third stream is kept for the other service");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    wants(1);
    wants(3);
    fewer_streams(true);
    fewer_streams(false);
    kept_streams();
    for (unsigned long seed = tap_seed(), i = 0; i < 12; i++)
        races(seed + i, (unsigned)(1 + i % 4), (uint32_t)(1 + i % 3), i % 2);
    for (unsigned workers = 1; workers <= 3; workers++) {
        child_fails(true, workers);
        child_fails(false, workers);
    }
    message_cache_clear();
    return tap_done();
}
