/* Connections whose stream has ended while their local reader is slow. */
#include "proxy/local/linger.h"

#include "tests/unit/proxy/bed.h"

/* More than the buffers of a TCP connection take (4 MB to send by default), less than the window.
 */
#define MANY (6u << 20)

/* The target has sent everything and ended, the client has ended too, but does not read. */
static struct pair *leave_behind(struct bed *bed)
{
    bed_init(bed, 2, 2, false);
    bed->client.config.window.initial = bed->client.config.window.max = 2 * MANY;
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

static bool is_lingering(const struct side *side)
{
    for (unsigned i = 0; i < side->worker_count; i++)
        if (LIST_FIRST(&side->workers[i].lingering))
            return true;
    return false;
}

/* Of the one connection that the side has. */
static uint64_t received_by(const struct side *side)
{
    for (uint16_t stream = 1; stream <= side_link(side)->streams.max; stream++) {
        const struct channel *channel = side_channel(side, stream);
        if (channel && channel->connection)
            return mux_stream_received(channel->mux);
    }
    return 0;
}

/* The target has sent everything; the client's end has it, and the client does not read. */
static struct pair *leave_unread(struct bed *bed, size_t bytes, enum end_then then)
{
    bed_init(bed, 2, 2, false);
    bed->client.config.window.initial = bed->client.config.window.max = 2 * MANY;
    bed_start(bed);
    bed_up(bed);
    struct pair *pair =
        bed_connect(bed, (struct end_plan){.then = THEN_HOLD, .stalled = true},
                    (struct end_plan){.bytes = bytes, .then = then, .stalled = true});
    bed_expect(bed, received_by(&bed->client) == bytes, "%zu bytes are at the client's end", bytes);
    return pair;
}

static void expect_reset_behind(struct bed *bed, struct pair *slow, size_t bytes)
{
    bed_expect(bed, is_lingering(&bed->client) && !slow->client.got_reset, "the reset waits");
    slow->client.plan.stalled = false;
    end_go(&slow->client);
    bed_expect(bed, end_is_closed(&slow->client) && slow->client.got_reset,
               "a reader that reads again gets the reset");
    ok(slow->client.received == bytes && !slow->client.damaged, "behind every byte (%zu)",
       slow->client.received);
    bed_expect(bed, !bed_open_connections(bed) && lingering_bytes(bed) == 0,
               "then nothing is kept");
    bed_fini(bed);
}

/* bytes: more than the socket takes, or as many as it takes and the reader's does not. */
static void reset_waits(size_t bytes)
{
    struct bed bed;
    struct pair *slow = leave_unread(&bed, bytes, THEN_HOLD);
    end_reset(slow->target);
    bed_reach(&bed, is_lingering(&bed.client) && side_is_settled(&bed.client));
    struct pair *next = bed_connect(&bed, end_sends(100), end_sends(100));
    bed_expect(&bed, pair_is_complete(next), "the stream carries the next connection");
    expect_reset_behind(&bed, slow, bytes);
}

/* It is not seen in the same moment as the last bytes: a client that is still sending would meet it
 * before it reads them. */
static void reset_comes_later(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    struct pair *pair =
        bed_connect(&bed, end_holds(3), (struct end_plan){.bytes = 50, .then = THEN_RESET});
    bed_reach(&bed, is_lingering(&bed.client));
    ok(is_lingering(&bed.client), "a reset comes a little after its data");
    bed_expect(&bed, pair->client.received == 50 && pair->client.got_reset, "but comes");
    bed_expect(&bed, !bed_open_connections(&bed), "then nothing is kept");
    bed_fini(&bed);
}

static void lost_association(void)
{
    struct bed bed;
    struct pair *slow = leave_unread(&bed, MANY, THEN_HOLD);
    link_close(side_link(&bed.server), ERR_INTERNAL, "test", false);
    bed_expect(&bed, side_count(&bed.client, associations_lost) == 1, "the association ends");
    expect_reset_behind(&bed, slow, MANY);
}

/* The target ended well before: the client gets that, too. */
static void reset_behind_fin(void)
{
    struct bed bed;
    struct pair *slow = leave_unread(&bed, MANY, THEN_FIN);
    bed_reach(&bed, slow->target->finished);
    end_reset(slow->target);
    expect_reset_behind(&bed, slow, MANY);
}

static void patience_ends(bool full)
{
    struct bed bed;
    struct pair *slow = leave_unread(&bed, MANY, THEN_HOLD);
    for (unsigned i = 0; i < bed.client.worker_count; i++) {
        bed.client.workers[i].reset_timeout_us = full ? BED_PATIENCE_US * 2 : 300000;
        bed.client.workers[i].lingering_bytes = full ? LINGER_MAX : 0;
    }
    end_reset(slow->target);
    bed_expect(&bed, !bed_open_connections(&bed),
               full ? "with too many bytes a reset waits for none"
                    : "a reset does not wait for ever");
    ok(lingering_bytes(&bed) == (full ? 2ul * LINGER_MAX : 0), "nothing is kept");
    for (unsigned i = 0; i < bed.client.worker_count; i++)
        bed.client.workers[i].lingering_bytes = 0;
    slow->client.plan.stalled = false;
    end_go(&slow->client);
    bed_expect(&bed, slow->client.got_reset && slow->client.received < MANY, "the reader is reset");
    bed_fini(&bed);
}

/* The dial that goes on for a client that has gone fails: that is all there is to it. */
static void target_refuses(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    loop_fd_close(bed.loop, &bed.ends.listener);
    bed_start(&bed);
    bed_up(&bed);
    bed_connect(&bed, (struct end_plan){.bytes = 1000, .then = THEN_RESET}, end_holds(1));
    bed_expect(&bed, side_count(&bed.server, connections_total) == 1 && !bed_open_connections(&bed),
               "a client sent bytes and reset, the target refuses");
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
    reset_waits(MANY);
    reset_waits(200000);
    reset_comes_later();
    lost_association();
    reset_behind_fin();
    patience_ends(false);
    patience_ends(true);
    target_refuses();
    message_cache_clear();
    return tap_done();
}
