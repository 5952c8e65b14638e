/* Attacks on the streams of a whole tunnel, from the path or by a client with two associations:
 * move messages from one stream to another, and resume children from another master. */
#include "tests/unit/proxy/bed.h"

typedef void on_message_t(struct association_events *events, struct message *message);

static on_message_t *deliver_original; /* the link's own; all links have the same */
static bool splices;

/* Streams 1 and 2 change places, for whoever receives. */
static void deliver_swapped(struct association_events *events, struct message *message)
{
    if (message->stream == 1 || message->stream == 2)
        message->stream = 3 - message->stream;
    deliver_original(events, message);
}

/* One message of stream 2 is delivered on stream 1, too. */
static void deliver_spliced(struct association_events *events, struct message *message)
{
    if (splices && message->stream == 2) {
        struct message *copy = message_new(message->length);
        memcpy(copy->data, message->data, message->length);
        copy->length = message->length;
        copy->epoch = message->epoch;
        copy->stream = 1;
        splices = false;
        deliver_original(events, copy);
    }
    deliver_original(events, message);
}

static void intercept(struct side *side, on_message_t *deliver)
{
    struct link *link = side->tunnel->owner.links;
    deliver_original = link->transport.events.on_message;
    link->transport.events.on_message = deliver;
}

static bool ended_with(const struct side *side, enum err why)
{
    const struct link *link = side->tunnel->owner.links;
    return link && link->state == LINK_CLOSING && strstr(link->life.detail, err_text(why));
}

static void swapped_streams(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    struct side *client = &bed.client, *server = &bed.server;
    client->config.streams.initial = server->config.streams.initial = 2;
    client->config.streams.max = server->config.streams.max = 2;
    client->config.reconnect.min_us = client->config.reconnect.max_us = 200000;
    bed_start(&bed);
    bed_reach(&bed, client->tunnel->owner.links && server->tunnel->owner.links);
    must(side_count(client, children_started) == 0);
    intercept(client, deliver_swapped);
    intercept(server, deliver_swapped);
    struct pair *pair = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, ended_with(client, ERR_BIND_MISMATCH) || ended_with(server, ERR_BIND_MISMATCH),
               "two streams that were swapped are refused by BIND, again and again, until the "
               "association ends for it");
    ok(!pair->client.received && !pair->target, "nothing was carried on them");
    bed_expect(&bed, side_count(client, children_ready) == 0, "not one child is ready");
    ok(side_count(client, failures_not_resumed) == 0,
       "each was resumed: TLS itself does not notice");
    bed_expect(&bed, pair_is_over(pair) && !pair_is_complete(pair),
               "its client, which did not wait for the server's BIND, was reset");
    struct pair *next = bed_connect(&bed, end_sends(1000), end_sends(1000));
    bed_expect(&bed, pair_is_complete(next), "in the next association all is well");
    bed_fini(&bed);
}

static void spliced_record(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed_start(&bed);
    bed_up(&bed);
    struct pair *held = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, held->target && held->client.received == 10);
    ok(side_channel(&bed.server, 1)->connection != NULL, "a connection on stream 1");
    uint64_t before = held->target->received;
    splices = true;
    intercept(&bed.server, deliver_spliced);
    struct pair *other = bed_connect(&bed, end_sends(100000), end_sends(100000));
    bed_expect(&bed, !splices && held->client.got_reset,
               "a record of stream 2 on stream 1 ends the connection of stream 1");
    ok(held->target->received == before, "which got not one byte of the other");
    bed_expect(&bed, pair_is_complete(other), "stream 2 goes on");
    ok(side_count(&bed.server, children_failed) == 1, "one child failed");
    bed_fini(&bed);
}

static void set_generation(struct link *link, struct tls_generation *generation)
{
    tls_generation_unref(link->masters.generation);
    link->masters.generation = tls_generation_ref(generation);
}

/* The same server, the same certificate, the same ticket key: only the id inside tells. */
static void other_master(void)
{
    struct bed bed;
    bed_init(&bed, 1, 2, false);
    side_init(&bed.second, &bed, CONFIG_CLIENT, 1);
    bed_start(&bed);
    bed_up(&bed);
    bed.second.remote.address = bed.client.remote.address;
    side_start(&bed.second);
    bed_expect(&bed, side_is_up(&bed.second) && side_is_settled(&bed.second),
               "two associations of one client with one server");
    struct link *link = side_link(&bed.second);
    struct tls_generation *own = tls_generation_ref(link->masters.generation);
    set_generation(link, side_link(&bed.client)->masters.generation);
    side_hurt_child(&bed.second, 1);
    bed_expect(&bed, side_count(&bed.server, failures_other_master) >= 1,
               "a child resumed from the other one's master is refused");
    set_generation(link, own);
    tls_generation_unref(own);
    bed_expect(&bed, side_is_up(&bed.second) && side_is_settled(&bed.second),
               "one from its own is not");
    ok(side_link(&bed.second) == link, "both in the same association");
    ok(side_count(&bed.client, children_failed) == 0, "the other one does not notice");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    swapped_streams();
    spliced_record();
    other_master();
    message_cache_clear();
    return tap_done();
}
