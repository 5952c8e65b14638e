/* The queue in front of the association: a transport that is slow, small, or says no at random. */
#include "tests/unit/proxy/bed.h"

static bool is_settled(const struct bed *bed)
{
    return !bed_open_connections(bed) && side_is_settled(&bed->client) &&
           side_is_settled(&bed->server);
}

/* Ciphertext that the channels of a side have on its way, the most of one channel. */
static int32_t most_unsent(const struct side *side)
{
    int32_t most = 0;
    const struct link *link = side_link(side);
    for (uint32_t i = 1; link && i <= link->streams.max; i++) {
        struct channel *channel = link->streams.list[i].channel;
        int32_t unsent = channel ? atomic_load(&channel->flow.unsent) : 0;
        most = unsent > most ? unsent : most;
    }
    return most;
}

static size_t queued(const struct side *side)
{
    const struct link *link = side_link(side);
    return link ? atomic_load(&link->group.queued) : 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

#define CONNECTIONS 6

static void with_faults(const char *what, struct memory_faults faults, unsigned workers)
{
    struct bed bed;
    bed_init(&bed, workers, workers, false);
    faults.seed = bed.random;
    memory_set_faults(&faults);
    bed_start(&bed);
    for (size_t i = 0; i < CONNECTIONS; i++)
        bed_connect(&bed, end_sends(400000), end_sends(400000));
    int32_t most = 0;
    size_t waiting = 0;
    bed_arm(&bed, BED_PATIENCE_US);
    while (!ends_all(&bed.ends, pair_is_over) && bed_turn(&bed)) {
        int32_t client = most_unsent(&bed.client), server = most_unsent(&bed.server);
        most = client > most ? client : most;
        most = server > most ? server : most;
        waiting = larger(waiting, larger(queued(&bed.client), queued(&bed.server)));
    }
    ok(ends_all(&bed.ends, pair_is_complete), "%s, %u workers: every byte arrives", what, workers);
    ok(most > 0 && most < CHANNEL_UNSENT_MAX + MESSAGE_MAX,
       "no channel has more than it may on its way (%d)", (int)most);
    ok(waiting < CHANNEL_QUEUE_FULL + CONNECTIONS * MESSAGE_MAX,
       "nor all together more than memory should be spent on (%zu)", waiting);
    bed_expect(&bed, is_settled(&bed) && !queued(&bed.client) && !queued(&bed.server),
               "in the end nothing is");
    ok(side_count(&bed.client, children_failed) == 0, "no session was hurt");
    bed_fini(&bed);
}

/* A session that is replaced leaves nothing in the queue. */
static void stale_messages(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    memory_set_faults(&(struct memory_faults){.queue_bytes = 20000, .delay_us = 1000});
    bed_start(&bed);
    bed_up(&bed);
    for (unsigned round = 0; round < 4; round++) {
        for (size_t i = 0; i < 4; i++)
            bed_connect(&bed, end_sends(500000), end_sends(500000));
        bed_pause(&bed, 4000);
        for (uint16_t stream = 1; stream <= 8; stream++)
            if (side_link(&bed.client)->streams.list[stream].child == CHILD_READY)
                side_hurt_child(round % 2 ? &bed.client : &bed.server, stream);
    }
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "sessions fail with full queues");
    ok(ends_all(&bed.ends, pair_is_honest), "none of their connections looks complete");
    bed_expect(&bed, is_settled(&bed) && !queued(&bed.client) && !queued(&bed.server),
               "nothing of them stays in the queue");
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(pair), "and connections go on");
    bed_fini(&bed);
}

/* The client gives up with queues full: a graceful end lets them out first, up to its time limit.
 */
static void closes_with_full_queue(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    memory_set_faults(&(struct memory_faults){.queue_bytes = 20000, .delay_us = 1000});
    bed_start(&bed);
    bed_up(&bed);
    for (size_t i = 0; i < 4; i++)
        bed_connect(&bed, end_sends(2000000), end_sends(2000000));
    bed_pause(&bed, 4000);
    uint64_t begun = loop_now(bed.loop);
    side_stop(&bed.client);
    loop_turn(bed.loop, 0);
    ok(loop_now(bed.loop) - begun < 1000000, "a graceful end with full queues comes to its end");
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over) && ends_all(&bed.ends, pair_is_honest),
               "all connections are over");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    for (unsigned workers = 1; workers <= 3; workers++) {
        with_faults("nothing special", (struct memory_faults){0}, workers);
        with_faults("half of the sends are put off", (struct memory_faults){.again_percent = 50},
                    workers);
        with_faults("one message at a time", (struct memory_faults){.queue_bytes = 1}, workers);
        with_faults("a delay that varies",
                    (struct memory_faults){.delay_us = 2000, .jitter_us = 3000}, workers);
    }
    stale_messages();
    closes_with_full_queue();
    message_cache_clear();
    return tap_done();
}
