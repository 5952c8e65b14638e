/* One connection on one stream: both ends of it, how they end, and what the other end then sees. */
#include "proxy/channel/channel_private.h"

#include "tests/unit/proxy/bed.h"

/* A port that nobody listens on, kept so that nobody else takes it. */
static struct address closed_port(int *fd)
{
    struct address address = bed_loopback(0);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    must(*fd >= 0 && bind(*fd, &address.any, address.length) == 0 &&
         getsockname(*fd, &address.any, &address.length) == 0);
    return address;
}

static void begin(struct bed *bed)
{
    bed_init(bed, 2, 2, false);
    bed_start(bed);
    bed_up(bed);
}

static bool both_are_settled(const struct bed *bed)
{
    return side_is_settled(&bed->client) && side_is_settled(&bed->server);
}

static void half_close(void)
{
    struct bed bed;
    begin(&bed);
    struct pair *asks =
        bed_connect(&bed, end_sends(70000), (struct end_plan){.bytes = 300000, .waits = true});
    struct pair *listens =
        bed_connect(&bed, (struct end_plan){.bytes = 300000, .waits = true}, end_sends(70000));
    struct pair *silent = bed_connect(&bed, end_sends(0), end_sends(0));
    bed_expect(&bed, pair_is_complete(asks), "an answer that waits for the client's FIN");
    bed_expect(&bed, pair_is_complete(listens), "a client that waits for the target's FIN");
    bed_expect(&bed, pair_is_complete(silent), "no byte at all, and FIN both ways");
    bed_expect(&bed, both_are_settled(&bed), "the streams are idle again");
    ok(side_count(&bed.client, bytes_out) == 370000 + 3 * ENDS_NUMBER &&
           side_count(&bed.client, bytes_in) == 370000,
       "the client's bytes are counted (%llu, %llu)",
       (unsigned long long)side_count(&bed.client, bytes_out),
       (unsigned long long)side_count(&bed.client, bytes_in));
    ok(side_count(&bed.server, bytes_in) == side_count(&bed.client, bytes_out) &&
           side_count(&bed.server, bytes_out) == side_count(&bed.client, bytes_in),
       "and the server's");
    bed_fini(&bed);
}

static void reset_by(bool client, bool after_fin)
{
    struct bed bed;
    begin(&bed);
    struct pair *pair = bed_connect(&bed, end_holds(1000), end_holds(1000));
    bed_expect(&bed,
               pair->target && pair->client.received == 1000 && pair->target->received == 1000,
               "a connection is open");
    struct end *one = client ? &pair->client : pair->target;
    struct end *other = client ? pair->target : &pair->client;
    if (after_fin) {
        other->plan.then = THEN_FIN;
        end_go(other);
        bed_expect(&bed, one->got_end, "one direction ends with FIN");
    }
    end_reset(one);
    bed_expect(&bed, other->got_reset && !other->got_end, "%s resets, the other end is reset",
               client ? "the client" : "the target");
    bed_expect(&bed, both_are_settled(&bed) && !bed_open_connections(&bed),
               "and the stream is idle again");
    bed_fini(&bed);
}

/* Also with data that the reset overtakes or destroys. */
static void reset_in_bulk(bool client)
{
    struct bed bed;
    begin(&bed);
    struct pair *pair = bed_connect(&bed, end_sends(30000000), end_sends(30000000));
    bed_reach(&bed, pair->target && pair->client.received > 500000);
    end_reset(client ? &pair->client : pair->target);
    bed_expect(&bed, pair_is_over(pair), "reset in bulk both ways: both ends are over");
    ok((client ? pair->target : &pair->client)->got_reset && pair_is_honest(pair),
       "by a reset, not by an end");
    bed_expect(&bed, both_are_settled(&bed), "and the stream is idle again");
    bed_fini(&bed);
}

/* As many bytes as a socket takes at once, then RST: all of them arrive, and the reset behind them.
 */
static struct end_plan end_sends_and_resets(size_t bytes)
{
    return (struct end_plan){.bytes = bytes, .then = THEN_RESET};
}

static bool has_all_and_reset(const struct end *end, size_t bytes)
{
    return end->got_reset && !end->got_end && !end->damaged && end->received == bytes;
}

static bool target_answered(const struct pair *pair)
{
    return has_all_and_reset(&pair->client, 30000);
}

static bool client_asked(const struct pair *pair)
{
    return pair->target && has_all_and_reset(pair->target, 30000);
}

/* window: of each side, where less than what is sent, the rest waits for credit. */
static void data_before_reset(uint32_t window)
{
    enum { MANY = 40 };
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.waiting.max = MANY;
    if (window)
        bed.client.config.window.initial = bed.client.config.window.max =
            bed.server.config.window.initial = bed.server.config.window.max = window;
    bed_start(&bed);
    bed_up(&bed);
    for (int i = 0; i < MANY; i++)
        bed_connect(&bed, end_holds(3), end_sends_and_resets(30000));
    bed_reach(&bed, ends_count(&bed.ends, target_answered) == MANY);
    ok(ends_count(&bed.ends, target_answered) == MANY,
       "what a target sends before it resets arrives (%u of %d)",
       ends_count(&bed.ends, target_answered), MANY);
    ends_clear(&bed.ends);
    for (int i = 0; i < MANY; i++)
        bed_connect(&bed, end_sends_and_resets(30000), end_holds(3));
    bed_reach(&bed, ends_count(&bed.ends, client_asked) == MANY);
    ok(ends_count(&bed.ends, client_asked) == MANY,
       "what a client sends before it resets arrives, also where its target is not connected yet "
       "(%u of %d)",
       ends_count(&bed.ends, client_asked), MANY);
    bed_expect(&bed, both_are_settled(&bed) && !bed_open_connections(&bed),
               "and the streams are idle again");
    bed_fini(&bed);
}

/* A target that closes with bytes unread, or when more comes: "too many connections", 413. */
static void answer_while_sending(void)
{
    enum { MANY = 40 };
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.waiting.max = MANY;
    bed_start(&bed);
    bed_up(&bed);
    for (int i = 0; i < MANY; i++)
        bed_connect(&bed, end_holds(200000),
                    (struct end_plan){.bytes = 30000, .then = THEN_RESET, .stalled = true});
    bed_reach(&bed, ends_count(&bed.ends, target_answered) == MANY);
    ok(ends_count(&bed.ends, target_answered) == MANY,
       "an answer with a reset to a client that still sends (%u of %d)",
       ends_count(&bed.ends, target_answered), MANY);
    bed_fini(&bed);
}

static void refusals(void)
{
    struct bed bed;
    int fd;
    bed_init(&bed, 2, 2, false);
    side_add_service(&bed.client, "shut", CONFIG_LISTEN, bed_loopback(0));
    side_add_service(&bed.server, "shut", CONFIG_CONNECT, closed_port(&fd));
    side_add_service(&bed.client, "ghost", CONFIG_LISTEN, bed_loopback(0));
    bed_start(&bed);
    bed_up(&bed);
    for (size_t service = 1; service <= 2; service++) {
        struct pair *pair = ends_connect(&bed.ends, side_listener(&bed.client, service),
                                         end_holds(50000), end_sends(0));
        bed_expect(&bed, pair->client.got_reset && !pair->client.got_end,
                   service == 1 ? "a target that refuses" : "a service that does not exist");
    }
    bed_expect(&bed, both_are_settled(&bed), "the streams are idle again");
    ok(side_count(&bed.client, connections_refused) == 2 &&
           side_count(&bed.server, connections_refused) == 2,
       "both ends count them");
    ok(counter_get(&bed.client.tunnel->services.list[1].service.refused) == 1 &&
           counter_get(&bed.server.tunnel->services.list[1].service.refused) == 1,
       "at their service");
    ok(side_count(&bed.client, children_failed) == 0, "no session was lost for it");
    close(fd);
    bed_fini(&bed);
}

static void reverse(void)
{
    struct bed bed;
    bed_init(&bed, 2, 3, false);
    side_add_service(&bed.client, "back", CONFIG_CONNECT, bed.ends.address);
    side_add_service(&bed.server, "back", CONFIG_LISTEN, bed_loopback(0));
    bed_start(&bed);
    bed_up(&bed);
    const struct address *listener = side_listener(&bed.server, 1);
    for (size_t i = 0; i < 20; i++)
        ends_connect(&bed.ends, listener, end_sends(i * 5000), end_sends(100000 - i * 5000));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete),
               "20 connections from the server's side, on 8 streams");
    ok(side_count(&bed.client, children_started) <= 8, "no more children than there may be");
    struct pair *pair = ends_connect(&bed.ends, listener, end_holds(10), end_holds(10));
    bed_reach(&bed, pair->client.received == 10 && pair->target->received == 10);
    end_reset(pair->target);
    bed_expect(&bed, pair->client.got_reset, "a reset comes back that way");
    bed_expect(&bed, both_are_settled(&bed), "the streams are idle again");
    bed_fini(&bed);
}

/* The number of a lease is one byte. */
static void leases_wrap(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.streams.max = bed.client.config.streams.initial = 1;
    bed.server.config.streams.initial = 1;
    bed_start(&bed);
    bed_up(&bed);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 10; i++)
            bed_connect(&bed, end_sends(20), end_sends(20));
        bed_reach(&bed, ends_all(&bed.ends, pair_is_complete));
    }
    ok(ends_all(&bed.ends, pair_is_complete), "600 connections on one stream");
    ok(side_count(&bed.client, children_started) == 1, "with one session");
    bed_fini(&bed);
}

/* A reader that does not read holds the sender, not the memory, and not the other connections. */
static void stalled_reader(void)
{
    struct bed bed;
    begin(&bed);
    struct pair *stalled = bed_connect(&bed, end_sleeps(), end_sends(40000000));
    size_t before;
    do {
        before = stalled->target ? stalled->target->sent : 0;
        bed_pause(&bed, 50000);
    } while (!stalled->target || stalled->target->sent != before);
    ok(before < 30000000, "the target is held back (after %zu bytes)", before);
    struct pair *other = bed_connect(&bed, end_sends(300000), end_sends(300000));
    bed_expect(&bed, pair_is_complete(other), "another connection passes");
    end_reset(&stalled->client);
    bed_expect(&bed, stalled->target->got_reset, "its reset is seen although nothing moves");
    bed_expect(&bed, both_are_settled(&bed), "the streams are idle again");
    bed_fini(&bed);
}

/* A peer's "closed" is no close: only FIN both ways is. */
static void reset_called_closed(void)
{
    struct bed bed;
    begin(&bed);
    struct pair *pair = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, pair->target && pair->client.received == 10);
    for (uint16_t stream = 1; stream <= 4; stream++) {
        struct channel *channel = side_channel(&bed.server, stream);
        if (channel && channel->connection) {
            mux_stream_reset(channel->mux, ERR_CLOSED);
            channel_pump(channel);
        }
    }
    bed_expect(&bed, pair->client.got_reset && !pair->client.got_end,
               "RESET with the code of CLOSED resets the client");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    half_close();
    for (int i = 0; i < 4; i++)
        reset_by(i % 2, i / 2);
    reset_in_bulk(true);
    reset_in_bulk(false);
    data_before_reset(0);
    data_before_reset(4096);
    answer_while_sending();
    refusals();
    reverse();
    leases_wrap();
    stalled_reader();
    reset_called_closed();
    message_cache_clear();
    return tap_done();
}
