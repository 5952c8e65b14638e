/* The life of a tunnel: connections that wait for it, its return, its drain; several peers. */
#include "proxy/tunnel/tunnel.h"

#include "tests/unit/proxy/bed.h"

static bool is_up(const struct bed *bed)
{
    return side_is_up(&bed->client) && side_is_up(&bed->server);
}

static struct pair *open_one(struct bed *bed)
{
    struct pair *pair = bed_connect(bed, end_holds(10), end_holds(10));
    bed_reach(bed, pair->target && pair->client.received == 10 && pair->target->received == 10);
    return pair;
}

static void let_end(struct pair *pair)
{
    pair->client.plan.then = pair->target->plan.then = THEN_FIN;
    end_go(&pair->client);
    end_go(pair->target);
}

static void carries_both_ways(unsigned client_workers, unsigned server_workers)
{
    struct bed bed;
    bed_init(&bed, client_workers, server_workers, false);
    bed_start(&bed);
    bed_up(&bed);
    for (size_t i = 0; i < 6; i++)
        bed_connect(&bed, end_sends(i * 40000), end_sends(300000 - i * 50000));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete),
               "six connections between %u and %u workers, every byte both ways", client_workers,
               server_workers);
    bed_expect(&bed, !bed_open_connections(&bed), "and both tunnels know that they have ended");
    bed_fini(&bed);
}

/* The client is there first: it keeps trying, and connections wait. */
static void client_first(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.server.local.address = bed.client.remote.address = bed_loopback(31000);
    side_start(&bed.client);
    for (size_t i = 0; i < 12; i++)
        bed_connect(&bed, end_sends(1000 * i), end_sends(1000));
    bed_expect(&bed, side_count(&bed.client, connections_waiting) == 12,
               "12 connections wait for the association");
    bed_pause(&bed, 30000);
    ok(tunnel_state(bed.client.tunnel) != TUNNEL_UP, "there is none");
    side_start(&bed.server);
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete), "when it is up they go through");
    ok(side_count(&bed.client, connections_waiting) == 0, "none waits any more");
    bed_fini(&bed);
}

static void waiting_has_limits(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed.client.config.waiting.max = 3;
    bed.client.config.waiting.timeout_us = 60000;
    bed.client.remote.address = bed_loopback(31001);
    side_start(&bed.client);
    for (size_t i = 0; i < 5; i++)
        bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, side_count(&bed.client, connections_refused) == 2,
               "no more than waiting.max may wait for the association");
    ok(side_count(&bed.client, connections_waiting) == 3, "three of five do");
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over), "and not for longer than waiting.timeout");
    for (size_t i = 0; i < 5; i++)
        ok(bed.ends.pairs[i]->client.got_reset, "connection %zu was reset", i + 1);
    bed_fini(&bed);
}

/* The same for a stream, when all are taken. */
static void full_pool(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.streams.max = bed.client.config.streams.initial = 2;
    bed.server.config.streams.initial = 2;
    bed.client.config.waiting.max = 2;
    bed.client.config.waiting.timeout_us = 300000;
    bed_start(&bed);
    bed_up(&bed);
    struct pair *first = open_one(&bed);
    open_one(&bed);
    struct pair *third = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 1);
    struct pair *fourth = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 2);
    struct pair *fifth = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, fifth->client.got_reset, "beyond waiting.max a connection is refused");
    let_end(first);
    bed_expect(&bed, pair_is_complete(third) && fourth->client.received == 10,
               "those that wait get the stream, one after the other");
    struct pair *sixth = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, sixth->client.got_reset && !sixth->target,
               "who waits longer than waiting.timeout is refused");
    ok(side_count(&bed.client, connections_refused) == 2, "both are counted");
    bed_fini(&bed);
}

/* Clients that go while they wait for an association: they give their places up at once, and
 * nothing of them reaches the target. */
static void impatient_clients(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.server.local.address = bed.client.remote.address = bed_loopback(31002);
    bed.client.config.waiting.max = 11;
    bed.client.config.waiting.timeout_us = BED_PATIENCE_US;
    side_start(&bed.client);
    for (size_t i = 0; i < 10; i++)
        bed_connect(&bed, (struct end_plan){.bytes = 10, .then = THEN_RESET}, end_holds(10));
    struct pair *half = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed,
               side_count(&bed.client, connections_total) == 11 &&
                   side_count(&bed.client, connections_waiting) == 1,
               "ten clients have gone and wait no more, one has only sent its FIN");
    ok(TAILQ_FIRST(&bed.client.tunnel->waiting.parked) && bed.client.tunnel->waiting.count == 1,
       "it is still there");
    side_start(&bed.server);
    struct pair *pair = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed,
               pair_is_complete(half) && pair_is_complete(pair) && !bed_open_connections(&bed),
               "it is served, and so is the next one");
    ok(ends_all(&bed.ends, pair_is_honest), "no target saw one of those that went");
    bed_fini(&bed);
}

/* A client that connects, and has sent nothing when it goes. */
static int mute_client(const struct bed *bed)
{
    const struct address *to = side_listener(&bed->client, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && connect(fd, &to->any, to->length) == 0);
    return fd;
}

static void reset_socket(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* The same while they wait for a stream; but there what they have sent is not lost. */
static void impatient_for_a_stream(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.streams.max = bed.client.config.streams.initial = 1;
    bed.server.config.streams.initial = 1;
    bed.client.config.waiting.timeout_us = BED_PATIENCE_US;
    bed_start(&bed);
    bed_up(&bed);
    struct pair *first = open_one(&bed);
    int goes = mute_client(&bed);
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 1);
    struct pair *sent =
        bed_connect(&bed, (struct end_plan){.bytes = 10, .then = THEN_RESET}, end_holds(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 2);
    struct pair *stays = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 3);
    reset_socket(goes);
    bed_expect(&bed, side_count(&bed.client, connections_waiting) == 2,
               "a client that goes while it waits for a stream gives its place up");
    let_end(first);
    bed_expect(&bed, sent->target && sent->target->received == 10 && sent->target->got_reset,
               "one that has sent something first is served, with its reset");
    bed_expect(&bed, pair_is_complete(stays) && side_count(&bed.server, connections_total) == 3,
               "and the next one");
    bed_fini(&bed);
}

/* Parked first, queued in the pool then: the time counts from the beginning. */
static void waits_once(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed.client.config.streams.max = bed.client.config.streams.initial = 1;
    bed.server.config.streams.initial = 1;
    bed.client.config.waiting.timeout_us = 400000;
    bed.server.local.address = bed.client.remote.address = bed_loopback(31004);
    side_start(&bed.client);
    struct pair *served = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 1);
    struct pair *waits = bed_connect(&bed, end_holds(10), end_holds(10));
    bed_reach(&bed, side_count(&bed.client, connections_waiting) == 2);
    uint64_t begun = loop_now(bed.loop);
    bed_pause(&bed, 200000);
    side_start(&bed.server);
    bed_reach(&bed, waits->client.got_reset || served->client.got_reset);
    uint64_t waited = loop_now(bed.loop) - begun;
    ok(waited >= 350000 && waited < 580000,
       "200 ms without an association and then no stream: refused after 400 ms in all (%llu)",
       (unsigned long long)waited / 1000);
    bed_fini(&bed);
}

static void drains(bool server)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.client.config.waiting.timeout_us = 100000;
    bed_start(&bed);
    bed_up(&bed);
    struct pair *open = open_one(&bed), *late;
    struct address listener = *side_listener(&bed.client, 0);
    bed_ask(server ? &bed.server : &bed.client, side_drain);
    if (server) {
        bed_reach(&bed, side_link(&bed.client)->peer.is_leaving);
        late = bed_connect(&bed, end_sends(10), end_sends(10));
        bed_expect(&bed, late->client.got_reset, "the server drains: a new connection is refused");
    } else {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        ok(connect(fd, &listener.any, listener.length) < 0 && errno == ECONNREFUSED,
           "the client drains: nobody listens any more");
        close(fd);
    }
    open->client.plan.bytes = open->target->plan.bytes = 500000;
    let_end(open);
    bed_expect(&bed, pair_is_complete(open), "the open one goes on to its good end");
    bed_fini(&bed);
}

/* The server opens on a stream before it learns that the client drains: DRAINING comes back. */
static void drain_meets_open(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    side_add_service(&bed.client, "back", CONFIG_CONNECT, bed.ends.address);
    side_add_service(&bed.server, "back", CONFIG_LISTEN, bed_loopback(0));
    memory_set_faults(&(struct memory_faults){.delay_us = 3000});
    bed_start(&bed);
    bed_up(&bed);
    bed_ask(&bed.client, side_drain);
    struct pair *pair =
        ends_connect(&bed.ends, side_listener(&bed.server, 1), end_sends(10), end_sends(10));
    bed_expect(&bed, pair->client.got_reset && !pair->target, "a draining client refuses");
    bed_fini(&bed);
}

/* Both ends go and come back under connections that never stop coming. */
static void server_comes_back(void)
{
    struct bed bed;
    bed_init(&bed, 2, 2, false);
    bed.server.local.address = bed.client.remote.address = bed_loopback(31003);
    bed.client.config.connect_timeout_us = 50000;
    bed_start(&bed);
    bed_up(&bed);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 5; i++)
            bed_connect(&bed, end_sends(100000), end_sends(100000));
        for (uint64_t turns = bed_random(&bed, 200); turns; turns--)
            bed_turn(&bed);
        side_stop(&bed.server);
        for (uint64_t turns = bed_random(&bed, 50); turns; turns--)
            bed_turn(&bed);
        side_start(&bed.server);
    }
    bed_expect(&bed, ends_all(&bed.ends, pair_is_over) && is_up(&bed),
               "a server that restarts five times: every connection ends");
    ok(ends_all(&bed.ends, pair_is_honest), "none is cut short without a reset");
    struct pair *pair = bed_connect(&bed, end_sends(10), end_sends(10));
    bed_expect(&bed, pair_is_complete(pair), "then all is well");
    bed_fini(&bed);
}

/* A server that is known by name, or not even that; beside others that are. */
static void names(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start_server(&bed);
    struct endpoint named[3] = {{.text = (char *)(uintptr_t) "named", .needs_lookup = true}};
    named[0].host = (char *)(uintptr_t) "localhost";
    named[0].port = ntohs(bed.client.remote.address.in.sin_port);
    bed.client.config.remote = named;
    bed.client.looks_up = true;
    side_start(&bed.client);
    bed_up(&bed);
    side_stop(&bed.client);
    named[1] = named[2] = named[0];
    named[0].host = (char *)(uintptr_t) "no-such-host.invalid";
    named[2] = bed.client.remote;
    bed.client.config.remote_count = 3;
    side_start(&bed.client);
    bed_up(&bed);
    const struct tunnel *tunnel = bed.client.tunnel;
    ok(tunnel->attempt.names.remotes.count >= 1 &&
           address_equal(&tunnel->attempt.names.remotes.list[0], &named[2].address),
       "a name without an address is left out, an address that comes twice is taken once");
    size_t same = 0;
    for (size_t i = 0; i < tunnel->attempt.names.remotes.count; i++)
        same += address_equal(&tunnel->attempt.names.remotes.list[i], &named[2].address);
    ok(same == 1, "among %zu addresses", tunnel->attempt.names.remotes.count);
    side_stop(&bed.client);
    bed.client.config.remote_count = 1;
    side_start(&bed.client);
    bed_expect(&bed, tunnel_state(bed.client.tunnel) == TUNNEL_WAITING,
               "a name that does not exist is asked for again later");
    /* Closed in the middle of a look-up. */
    bed_reach(&bed, bed.client.tunnel->attempt.names.lookup);
    ok(bed.client.tunnel->attempt.names.lookup, "it is");
    side_stop(&bed.client);
    bed_fini(&bed);
}

/* An association that dies as soon as it is up is one more failure. */
static void dies_at_once(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed.client.config.reconnect.min_us = 10000;
    bed.client.config.reconnect.max_us = 60000000;
    bed_start(&bed);
    for (int i = 0; i < 6; i++) {
        bed_reach(&bed, side_link(&bed.client) && side_link(&bed.client)->state == LINK_READY);
        link_close(side_link(&bed.client), ERR_INTERNAL, "test", false);
        bed_reach(&bed, tunnel_state(bed.client.tunnel) == TUNNEL_WAITING);
    }
    uint64_t pause = bed.client.tunnel->attempt.backoff_us;
    ok(pause >= 100000, "six of them: the pause has grown from 10 to %llu ms",
       (unsigned long long)pause / 1000);
    bed_reach(&bed, side_link(&bed.client) && side_link(&bed.client)->state == LINK_READY);
    bed_pause(&bed, 2 * bed.client.tunnel->attempt.backoff_us);
    link_close(side_link(&bed.client), ERR_INTERNAL, "test", false);
    bed_reach(&bed, tunnel_state(bed.client.tunnel) == TUNNEL_WAITING);
    ok(bed.client.tunnel->attempt.backoff_us == 20000,
       "one that lived longer than the pause is forgiven");
    bed_fini(&bed);
}

/* A tunnel need not live on the first worker. */
static void other_homes(void)
{
    struct bed bed;
    bed_init(&bed, 3, 4, false);
    bed.client.number = 2;
    bed.server.number = 7;
    bed_start(&bed);
    ok(bed.client.tunnel->base.home == &bed.client.workers[2] &&
           bed.server.tunnel->base.home == &bed.server.workers[3],
       "the tunnels live on workers 2 and 3");
    bed_up(&bed);
    ok(side_channel(&bed.client, 1)->worker == bed.client.tunnel->base.home &&
           side_channel(&bed.client, 2)->worker == &bed.client.workers[0] &&
           side_channel(&bed.server, 1)->worker == bed.server.tunnel->base.home,
       "their first streams too, the next one on the next worker");
    for (size_t i = 0; i < 6; i++)
        bed_connect(&bed, end_sends(i * 40000), end_sends(300000 - i * 50000));
    bed_expect(&bed, ends_all(&bed.ends, pair_is_complete), "every byte goes both ways");
    bed_expect(&bed, !bed_open_connections(&bed), "and they end");
    bed_fini(&bed);
}

/* Two clients of one server: what happens to one is none of the other's business. */
static void two_clients(void)
{
    struct bed bed;
    bed_init(&bed, 2, 3, false);
    side_init(&bed.second, &bed, CONFIG_CLIENT, 2);
    side_add_service(&bed.second, "echo", CONFIG_LISTEN, bed_loopback(0));
    bed_start(&bed);
    bed.second.remote.address = bed.client.remote.address;
    side_start(&bed.second);
    bed_expect(&bed, side_count(&bed.server, associations_up) == 2, "a server with two clients");
    const struct address *second = side_listener(&bed.second, 0);
    struct pair *of_second = ends_connect(&bed.ends, second, end_sends(300000), end_sends(300000));
    open_one(&bed);
    side_stop(&bed.client);
    bed_expect(&bed, pair_is_complete(of_second), "one leaves, the other's connections live");
    ok(side_count(&bed.second, associations_lost) == 0 &&
           side_count(&bed.server, associations_up) == 1,
       "and its association");
    bed_fini(&bed);
}

/* A listener or an endpoint that fails is named in the message, and leaves nothing behind. */
static void cannot_start(void)
{
    struct bed bed;
    bed_init(&bed, 1, 1, false);
    bed_start(&bed);
    bed_up(&bed);
    struct side other;
    side_init(&other, &bed, CONFIG_CLIENT, 1);
    other.remote.address = bed.client.remote.address;
    side_add_service(&other, "twice", CONFIG_LISTEN, *side_listener(&bed.client, 0));
    other.workers = check_alloc(sizeof *other.workers);
    must(worker_init(other.workers, 0, NULL) == 0);
    must(side_make_tunnel(&other));
    ok(side_start_tunnel(&other) < 0 && strstr(other.why, "twice"), "%s", other.why);
    side_stop(&other);
    free(other.config.tls.key);
    other.config.tls.key = certificates_path("client.key");
    free(other.config.tls.cert);
    other.config.tls.cert = certificates_path("none.pem");
    other.workers = bed.client.workers;
    ok(!side_make_tunnel(&other) && strstr(other.why, "none.pem"), "%s", other.why);
    other.workers = NULL;
    side_clear(&other);
    bed_fini(&bed);
}

/* Peers that connect and say nothing; what they are told. */
struct mute {
    struct association_events events;
    struct association *association;
    unsigned *downs;
};

static void mute_up(struct association_events *events, uint16_t streams)
{
    (void)events;
    (void)streams;
}

static void mute_message(struct association_events *events, struct message *message)
{
    (void)events;
    message_free(message);
}

static void mute_writable(struct association_events *events)
{
    (void)events;
}

static void mute_down(struct association_events *events, enum err reason, const char *detail)
{
    struct mute *mute = container_of(events, struct mute, events);
    (void)reason;
    (void)detail;
    (*mute->downs)++;
}

/* Unverified peers may not keep others out. */
static void mute_peers(void)
{
    enum { MUTES = 200 };
    static struct mute mutes[MUTES];
    struct bed bed;
    struct transport *transport;
    unsigned downs = 0;
    bed_init(&bed, 1, 1, false);
    bed.server.config.max_peers = 1000;
    bed_start_server(&bed);
    struct address local = bed_loopback(0);
    struct transport_options options = {
        .streams = 10, .max_associations = MUTES, .connect_timeout_us = 1000000};
    must(transport_open(&memory_ops, bed.loop, &local, 1, &options, NULL, &transport,
                        bed.server.why, sizeof bed.server.why) == ERR_OK);
    for (size_t i = 0; i < MUTES; i++) {
        mutes[i] = (struct mute){.events = {.on_up = mute_up,
                                            .on_message = mute_message,
                                            .on_writable = mute_writable,
                                            .on_down = mute_down},
                                 .downs = &downs};
        must(association_connect(transport, &bed.client.remote.address, 1, &mutes[i].events,
                                 &mutes[i].association) == ERR_OK);
    }
    bed_expect(&bed, downs >= MUTES - 128, "of 200 peers that say nothing the oldest make room");
    side_start(&bed.client);
    bed_expect(&bed, is_up(&bed), "for one that does");
    transport_free(transport);
    bed_expect(&bed, downs == MUTES, "the mute ones go");
    bed_fini(&bed);
}

int main(void)
{
    bed_main_begin();
    mute_peers();
    carries_both_ways(1, 1);
    carries_both_ways(2, 4);
    carries_both_ways(4, 1);
    client_first();
    waiting_has_limits();
    full_pool();
    impatient_clients();
    impatient_for_a_stream();
    waits_once();
    dies_at_once();
    other_homes();
    drains(true);
    drains(false);
    drain_meets_open();
    server_comes_back();
    names();
    two_clients();
    cannot_start();
    message_cache_clear();
    return tap_done();
}
