/* Children that a client starts before the server's HELLO (rule C2), because its master was
 * resumed. */
#include "tests/unit/proxy/bed.h"

#define MANY 8

static bool is_up(const struct bed *bed)
{
    return side_is_up(&bed->client) && side_is_up(&bed->server);
}

static bool are_settled(const struct bed *bed)
{
    return is_up(bed) && side_is_settled(&bed->client) && side_is_settled(&bed->server);
}

static void begin(struct bed *bed, unsigned workers)
{
    bed_init(bed, workers, workers, false);
    bed->client.config.streams.initial = MANY;
    bed->server.config.streams.initial = MANY;
    bed->client.config.reconnect.min_us = bed->client.config.reconnect.max_us = 1000;
    bed_start(bed);
}

static const struct link *newest(const struct side *side)
{
    return side->tunnel->owner.links;
}

static uint32_t children_begun(const struct side *side)
{
    const struct link *link = newest(side);
    return link && link->state == LINK_MASTER && !link->streams.max ? link->children.started : 0;
}

static struct bed *watched;
static uint32_t most_begun;
static void (*deliver_original)(struct association_events *events, struct message *message);

static void look(void)
{
    uint32_t begun = children_begun(&watched->client);
    if (begun > most_begun)
        most_begun = begun;
}

/* Looks before and after each message, so that nothing is missed on a busy machine, where a
 * handshake's turn comes between two messages. */
static void deliver_watched(struct association_events *events, struct message *message)
{
    look();
    deliver_original(events, message);
    look();
}

/* And waits until the next one begins. A busy machine may end the old one and begin the new one
 * between two looks. */
static void end_association(struct bed *bed)
{
    struct link *old = side_link(&bed->client);
    uint64_t old_begun_us = old->life.begun_us;
    link_close(old, ERR_INTERNAL, "test", true);
    bed_reach(bed, newest(&bed->client) && newest(&bed->client)->life.begun_us != old_begun_us);
    struct association_events *events = &bed->client.tunnel->owner.links->transport.events;
    deliver_original = events->on_message;
    events->on_message = deliver_watched;
    watched = bed;
    most_begun = 0;
}

/* Messages of different streams overtake each other: the children's the HELLO, too. */
static void over_a_long_line(unsigned workers)
{
    struct bed bed;
    memory_set_faults(
        &(struct memory_faults){.seed = tap_seed(), .delay_us = 30000, .jitter_us = 20000});
    begin(&bed, workers);
    bed_expect(&bed, are_settled(&bed), "a full master");
    bool kept = false;
    for (uint64_t i = 1; i <= 5; i++) {
        uint64_t before = side_count(&bed.client, children_started);
        end_association(&bed);
        bed_reach(&bed,
                  (kept |= newest(&bed.client)->children.early.count ||
                           (newest(&bed.server) && newest(&bed.server)->children.early.count)) ||
                      are_settled(&bed));
        bed_expect(&bed, are_settled(&bed), "all children become ready, whatever comes first");
        ok(most_begun == MANY,
           "%u workers: of a resumed master %u were begun before the server's HELLO", workers,
           most_begun);
        ok(side_count(&bed.client, children_started) == before + MANY, "each was begun once");
    }
    ok(kept, "what came before HELLO was kept");
    ok(side_count(&bed.client, masters_resumed) == 5, "all masters were resumed");
    ok(!side_count(&bed.client, children_failed) && !side_count(&bed.server, children_failed),
       "no child failed");
    struct pair *pair = bed_connect(&bed, end_sends(100000), end_sends(100000));
    bed_expect(&bed, pair_is_complete(pair), "they carry connections");
    bed_fini(&bed);
    memory_set_faults(&(struct memory_faults){0});
}

static void more_than_the_server_allows(void)
{
    struct bed bed;
    memory_set_faults(&(struct memory_faults){.delay_us = 20000});
    begin(&bed, 2);
    bed.server.config.streams.max = 3; /* in HELLO: SCTP has agreed on more */
    bed_reach(&bed, side_count(&bed.client, children_ready) == 3);
    end_association(&bed);
    bed_expect(&bed,
               side_count(&bed.client, children_ready) == 3 && is_up(&bed) == false &&
                   side_count(&bed.server, children_ready) == 3,
               "only as many become ready as the server allows");
    ok(most_begun == MANY, "of more that were begun");
    ok(!newest(&bed.client)->children.started && !side_count(&bed.client, children_failed) &&
           !side_count(&bed.server, children_failed),
       "the others are forgotten without a word");
    loop_timer_set(bed.client.workers[0].loop, &side_link(&bed.client)->masters.renew_timer, 0);
    bed_expect(&bed,
               side_count(&bed.client, masters_renewed) == 1 &&
                   side_count(&bed.server, masters_renewed) == 1,
               "the stream behind the last is the renewal's as ever");
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(pair), "connections are carried");
    bed_fini(&bed);
    memory_set_faults(&(struct memory_faults){0});
}

static void send_to(struct link *link, uint16_t stream, uint32_t length)
{
    struct message *message = message_new(length);
    memset(message->data, 0x16, length);
    message->length = length;
    message->stream = stream;
    link->transport.events.on_message(&link->transport.events, message);
}

/* From a client that nobody has verified. */
static void flood(void)
{
    struct bed bed;
    memory_set_faults(&(struct memory_faults){.delay_us = 20000});
    begin(&bed, 1);
    bed_reach(&bed, newest(&bed.server) && newest(&bed.server)->state == LINK_MASTER);
    struct link *link = bed.server.tunnel->owner.links;
    send_to(link, 1, 4097);
    ok(link->children.early.count == 0, "a message that is no ClientHello of ours is not kept");
    for (int i = 0; i < 1000; i++)
        send_to(link, (uint16_t)(1 + i % 20), i ? 100 : 4096);
    ok(link->children.early.count == 64, "nor are more than 64 (%u)",
       (unsigned)link->children.early.count);
    bed_expect(&bed, newest(&bed.server) && newest(&bed.server)->state != LINK_MASTER,
               "HELLO comes, and with it their end");
    bed_expect(&bed, is_up(&bed), "the tunnel is up, now or with the next association");
    bed_fini(&bed);
    memory_set_faults(&(struct memory_faults){0});
}

int main(void)
{
    bed_main_begin();
    over_a_long_line(1);
    over_a_long_line(2);
    more_than_the_server_allows();
    flood();
    message_cache_clear();
    return tap_done();
}
