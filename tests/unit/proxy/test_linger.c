/* Connections whose stream has ended while their local reader is slow. */
#include "proxy/linger.h"

#include "tests/unit/proxy/bed.h"

/* More than the buffers of a TCP connection take (4 MB to send by default), less than the window.
 */
#define MANY (6u << 20)

/* The target has sent everything and ended, the client has ended too, but does not read. */
static struct pair *leave_behind(struct bed *bed)
{
    bed_init(bed, 2, 2, false);
    bed->client.config.window_initial = bed->client.config.window_max = 2 * MANY;
    bed_start(bed);
    bed_up(bed);
    struct pair *pair = bed_connect(bed, end_sleeps(), end_sends(MANY));
    bed_expect(bed,
               pair->target && end_is_closed(pair->target) && side_is_settled(&bed->client) &&
                   side_is_settled(&bed->server),
               "the stream is idle again, the target has its FIN");
    ok(side_count(&bed->client, connections_open) == 1, "the connection is still open");
    return pair;
}

static size_t lingering_bytes(const struct bed *bed)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < bed->client.worker_count; i++)
        bytes += bed->client.workers[i].lingering_bytes;
    return bytes;
}

static void read_all(struct bed *bed, struct pair *pair)
{
    pair->client.plan.stalled = false;
    end_go(&pair->client);
    bed_expect(bed, pair_is_complete(pair), "the slow reader gets every byte and the end");
    bed_expect(bed, !bed_open_connections(bed) && lingering_bytes(bed) == 0,
               "then nothing is kept");
}

static void slow_reader(void)
{
    struct bed bed;
    struct pair *slow = leave_behind(&bed);
    ok(lingering_bytes(&bed) > 0 && lingering_bytes(&bed) < MANY, "%zu bytes wait for it",
       lingering_bytes(&bed));
    struct pair *next = bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, pair_is_complete(next), "the stream carries the next connection");
    read_all(&bed, slow);
    bed_fini(&bed);
}

static void association_ends(void)
{
    struct bed bed;
    struct pair *slow = leave_behind(&bed);
    link_close(side_link(&bed.server), ERR_INTERNAL, "test", false);
    bed_expect(&bed, side_count(&bed.client, associations_lost) == 1, "the association ends");
    ok(!slow->client.got_reset, "that is none of its business");
    read_all(&bed, slow);
    bed_fini(&bed);
}

static void reader_goes(void)
{
    struct bed bed;
    struct pair *slow = leave_behind(&bed);
    end_reset(&slow->client);
    bed_expect(&bed, !bed_open_connections(&bed) && lingering_bytes(&bed) == 0,
               "a reader that resets ends it");
    bed_fini(&bed);
}

static void process_ends(void)
{
    struct bed bed;
    struct pair *slow = leave_behind(&bed), *slow2 = NULL;
    slow2 = bed_connect(&bed, end_sleeps(), end_sends(MANY));
    bed_expect(&bed, slow2->target && end_is_closed(slow2->target), "a second one lingers");
    side_stop(&bed.client);
    slow->client.plan.stalled = slow2->client.plan.stalled = false;
    end_go(&slow->client);
    end_go(&slow2->client);
    bed_expect(&bed, slow->client.got_reset && slow2->client.got_reset,
               "at the end of the process they are reset, not ended");
    bed_fini(&bed);
}

/* A worker that keeps as much as it may takes no further connections of the peer. */
static void full(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    bed.server.workers[0].lingering_bytes = LINGER_MAX;
    struct pair *pair = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, pair->client.got_reset, "a full worker refuses");
    bed.server.workers[0].lingering_bytes = 0;
    pair = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, pair_is_complete(pair), "and accepts again when there is room");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    slow_reader();
    association_ends();
    reader_goes();
    process_ends();
    full();
    message_cache_clear();
    return tap_done();
}
