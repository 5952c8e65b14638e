/* The udp transport's own: peers that vanish, restart, or come by another family. */
#include "transport/udp/udp.h"

#include <sys/resource.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/engine.h"

/* Limit for silent peers: short, because the tests wait for it. */
#define PATIENCE (SECOND * 2 / 5)

/* A bed whose peers are given up after dead_after. */
static void open_impatient(struct bed *bed, uint64_t dead_after_us)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.dead_after_us = dead_after_us;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
}

static uint64_t time_until_down(struct bed_user *user, uint64_t within_us)
{
    loop_turn(user->bed->loop, 0);
    uint64_t start = loop_now(user->bed->loop);
    bed_wait_down(user, within_us);
    return loop_now(user->bed->loop) - start;
}

static void vanishes_while_idle(void)
{
    struct bed bed;
    open_impatient(&bed, PATIENCE);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    bed_run(&bed, PATIENCE * 5 / 4);
    ok(user->up && peer->up, "heartbeats keep an idle association alive beyond the limit");
    udp_cut(bed.server, true);
    uint64_t took = time_until_down(user, 3 * PATIENCE);
    ok(user->reason == ERR_TRANSPORT_LOST, "a peer that vanishes is lost (%s)",
       err_name(user->reason));
    ok(took > PATIENCE / 3 && took < PATIENCE * 3 / 2, "within the limit of 0.4 s (%.2f s)",
       (double)took / SECOND);
    bed_wait_down(peer, 2 * PATIENCE);
    ok(peer->reason == ERR_TRANSPORT_LOST, "the peer sees the same");
    bed_close(&bed);
    free(user);
}

static void vanishes_under_load(void)
{
    struct bed bed;
    open_impatient(&bed, PATIENCE);
    struct bed_user *user = bed_connect(&bed);
    for (uint32_t i = 0; i < 300; i++)
        bed_send(user, 1, i, 16000, 0);
    udp_cut(bed.server, true);
    struct message *message;
    while ((message = bed_message(1, 0, 16000, 0)) &&
           association_send(user->association, message) == ERR_OK)
        ;
    message_free(message);
    uint64_t took = time_until_down(user, 3 * PATIENCE);
    ok(user->reason == ERR_TRANSPORT_LOST && took < PATIENCE * 3 / 2,
       "a peer that vanishes under load is lost, too (%.2f s)", (double)took / SECOND);
    bed_close(&bed);
    free(user);
}

static void survives_an_outage(void)
{
    struct bed bed;
    open_impatient(&bed, 2 * SECOND);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    for (uint32_t i = 0; i < 50; i++)
        bed_send(user, 1, i, 16000, 0);
    udp_cut(bed.server, true);
    bed_run(&bed, SECOND / 4);
    udp_cut(bed.server, false);
    ok(bed_wait_messages(peer, 50, 2 * SECOND) && !peer->disorders && !peer->damaged,
       "an outage of a quarter of a second loses nothing");
    ok(user->up && peer->up, "and ends nothing");
    bed_close(&bed);
    free(user);
}

/* An endpoint dies without a word and comes back at the same port, as after SIGKILL. */
static void reopen(struct bed *bed, struct transport **endpoint,
                   struct transport_acceptor *acceptor)
{
    struct address same_port = *transport_local(*endpoint);
    udp_cut(*endpoint, true);
    transport_free(*endpoint);
    char why[128];
    must(transport_open(&udp_ops, bed->loop, &same_port, 1, &bed->options, acceptor, endpoint, why,
                        sizeof why) == ERR_OK);
}

static void peer_restarts(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    for (uint32_t i = 0; i < 20; i++) {
        bed_send(old, 1, i, 9000, 0);
        bed_send(old_peer, 1, i, 9000, 0);
    }
    loop_turn(bed.loop, 0); /* some have arrived, the rest is under way */
    reopen(&bed, &bed.client, NULL);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    ok(user->up && peer != old_peer && peer->up, "a peer that restarts comes up at once");
    bed_wait_down(old_peer, SECOND);
    ok(old_peer->reason == ERR_TRANSPORT_RESTARTED, "its old association is told (%s)",
       err_name(old_peer->reason));
    for (uint32_t i = 0; i < 100; i++)
        bed_send(user, 1, i, 5000, 1);
    for (uint32_t i = 0; i < 100; i++)
        bed_send(peer, 1, i, 5000, 1);
    ok(bed_wait_messages(peer, 100, 2 * SECOND) && bed_wait_messages(user, 100, 2 * SECOND),
       "messages go both ways");
    /* Messages of the old one may still reach its owner before the restart does: 20 at most. */
    ok(!peer->disorders && !user->disorders && old_peer->messages <= 20 && peer->messages == 100,
       "and none to the old owner");
    bed_close(&bed);
    free(old);
    free(user);
}

static void client_at_new_port(void)
{
    struct bed bed;
    open_impatient(&bed, PATIENCE);
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    udp_cut(bed.client, true);
    transport_free(bed.client);
    struct address any = bed_address("127.0.0.1:0");
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &any, 1, &bed.options, NULL, &bed.client, why,
                        sizeof why) == ERR_OK);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up && old_peer->up, "at another port it is another peer");
    bed_wait_down(old_peer, 2 * SECOND);
    ok(old_peer->reason == ERR_TRANSPORT_LOST && user->up, "the old one is lost in time");
    bed_close(&bed);
    free(old);
    free(user);
}

static bool told_unknown(const struct bed_user *user)
{
    return user->reason == ERR_TRANSPORT_ABORTED && strstr(user->detail, "does not know");
}

/* Limits far from dead_after (15 s), so that only the answer can be in time. */
static void server_restarts_while_idle(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.heartbeat_us = SECOND / 10;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *old = bed_connect(&bed);
    reopen(&bed, &bed.server, &bed.acceptor);
    uint64_t took = time_until_down(old, 5 * SECOND);
    ok(told_unknown(old) && took < SECOND,
       "a server that restarts says so to the next heartbeat (%.2f s, %s)", (double)took / SECOND,
       old->detail);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up, "and takes a new association");
    bed_close(&bed);
    free(old);
    free(user);
}

static void server_restarts_under_load(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *old = bed_connect(&bed);
    reopen(&bed, &bed.server, &bed.acceptor);
    for (uint32_t i = 0; i < 10; i++)
        bed_send(old, 1, i, 16000, 0);
    uint64_t took = time_until_down(old, 5 * SECOND);
    ok(told_unknown(old) && took < SECOND / 10, "or to the next data (%.3f s)",
       (double)took / SECOND);
    struct udp_counters counters;
    udp_count(bed.server, &counters);
    ok(counters.ootb_answers == 1, "%lu packets that came together get one answer",
       (unsigned long)counters.ootb_packets);
    bed_close(&bed);
    free(old);
}

/* The client comes back and does not connect: its peer learns of it. */
static void client_restarts_and_is_silent(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    reopen(&bed, &bed.client, NULL);
    bed_send(peer, 1, 0, 100, 0);
    uint64_t took = time_until_down(peer, 5 * SECOND);
    ok(told_unknown(peer) && took < SECOND / 10, "a client that restarts says so, too (%.3f s)",
       (double)took / SECOND);
    bed_close(&bed);
    free(user);
}

static void abort_was_lost(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    udp_cut(bed.server, true);
    association_close(peer->association, ASSOCIATION_ABORT, "lost on the way");
    bed_wait_down(peer, SECOND);
    udp_cut(bed.server, false);
    bed_send(user, 1, 0, 100, 0);
    ok(bed_wait_down(user, SECOND) && told_unknown(user),
       "nor does a lost ABORT leave a peer in doubt");
    bed_close(&bed);
    free(user);
}

static uint64_t packets_out(struct transport *transport)
{
    struct udp_counters counters;
    udp_count(transport, &counters);
    return counters.datagrams.packets_out;
}

/* The last packet of the closing handshake is lost: the peer repeats its SHUTDOWN ACK to an
 * endpoint that has forgotten the association. */
static void shutdown_complete_was_lost(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.heartbeat_us = 60 * SECOND; /* so that SHUTDOWN ACK is the only packet */
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    bed_run(&bed, SECOND / 20);
    uint64_t before = packets_out(bed.server);
    association_close(user->association, ASSOCIATION_SHUTDOWN, NULL);
    while (packets_out(bed.server) == before)
        loop_turn(bed.loop, 20000);
    udp_cut(bed.server, true);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_LOCAL_SHUTDOWN,
       "the side that closes is done");
    bed_run(&bed, SECOND / 50);
    udp_cut(bed.server, false);
    bool was_up = !peer->down;
    bed_wait_down(peer, 5 * SECOND);
    ok(was_up && peer->reason == ERR_TRANSPORT_CLOSED,
       "the other repeats SHUTDOWN ACK, is answered and sees an orderly end (%s)",
       err_name(peer->reason));
    struct udp_counters counters;
    udp_count(bed.client, &counters);
    ok(counters.ootb_answers == 1, "by SHUTDOWN COMPLETE");
    bed_close(&bed);
    free(user);
}

/* An orderly end makes no stray packets that would be answered. */
static void closing_is_quiet(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    for (uint32_t round = 0; round < 20; round++) {
        struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
        for (uint32_t i = 0; i < 10; i++)
            bed_send(round % 2 ? user : peer, 1, i, 5000, 0);
        struct bed_user *closing = round % 4 < 2 ? user : peer;
        association_close(closing->association, ASSOCIATION_SHUTDOWN, NULL);
        bed_wait_down(user, SECOND);
        bed_wait_down(peer, SECOND);
        free(user);
    }
    struct udp_counters at_client, at_server;
    udp_count(bed.client, &at_client);
    udp_count(bed.server, &at_server);
    ok(!at_client.ootb_answers && !at_server.ootb_answers, "20 orderly ends need none of this");
    bed_close(&bed);
}

static struct address seen;
static struct association_events *note_peer(struct transport_acceptor *acceptor,
                                            struct association *association,
                                            const struct address *peer)
{
    (void)acceptor;
    (void)association;
    seen = *peer;
    return NULL;
}

static void both_families(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed_open_at(&bed, "127.0.0.1:0", "[::]:0");
    if (!bed.server) {
        tap_skip("IPv4 at an IPv6 socket", "no IPv6 here");
        bed_close(&bed);
        return;
    }
    struct address server = bed_address("127.0.0.1:0");
    server.in.sin_port = transport_local(bed.server)->in6.sin6_port;
    bed.acceptor.on_incoming = note_peer;
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, &server, 1, &user->events, &user->association) == ERR_OK);
    ok(bed_wait_down(user, 2 * SECOND) && address_equal(&seen, transport_local(bed.client)),
       "[::] takes IPv4 peers, and shows them as such");
    ok(!user->ups && user->reason == ERR_TRANSPORT_REFUSED &&
           !strcmp(user->detail, "\"not accepted\""),
       "whom the acceptor does not want is told before it is up: %s", user->detail);
    struct address six = bed_address("[::1]:9");
    ok(association_connect(bed.client, &six, 1, &user->events, &user->association) ==
           ERR_TRANSPORT_ADDRESS,
       "an IPv4 socket does not reach IPv6");
    bed_close(&bed);
    free(user);
}

/* Two endpoints share nothing: each may live on a loop of its own. */
static void two_loops(void)
{
    struct bed bed, other;
    bed_open(&bed, &udp_ops);
    bed_open(&other, &udp_ops);
    struct bed_user *user = bed_connect(&bed), *second = bed_connect(&other);
    ok(user->up && second->up, "endpoints live on two loops");
    bed_close(&bed);
    ok(bed_send(second, 1, 0, 100, 0) && bed_wait_messages(bed_latest(&other), 1, SECOND),
       "and one of them goes on without the other");
    bed_close(&other);
    free(user);
    free(second);
}

/* ERR_TRANSPORT_TIMEOUT when the network swallows everything. */
static void silence(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.connect_timeout_us = SECOND / 10;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    udp_cut(bed.server, true);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    uint64_t took = time_until_down(user, SECOND);
    ok(user->reason == ERR_TRANSPORT_TIMEOUT && took < SECOND / 3,
       "no answer at all ends in a time-out (%s, %.2f s)", err_name(user->reason),
       (double)took / SECOND);
    ok(strstr(user->detail, "firewalls"), "with a hint: %s", user->detail);
    free(user);

    struct address broadcast = bed_address("255.255.255.255:9899");
    user = bed_user_new(&bed);
    must(association_connect(bed.client, &broadcast, 1, &user->events, &user->association) ==
         ERR_OK);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_TRANSPORT_UNREACHABLE && *user->detail,
       "what the system refuses to send is told: %s", user->detail);
    bed_close(&bed);
    free(user);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void idle_cost(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.heartbeat_us = SECOND / 10;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed);
    double before = cpu_seconds();
    bed_run(&bed, SECOND / 4);
    double share = (cpu_seconds() - before) * 4;
    ok(share < 0.05, "both ends of an idle association take %.2f%% of a core", share * 100);
    bed_close(&bed);
    free(user);
}

/* tests/sim/test_sctp_rates.c: "one stream" says why. */
static void buffer_by_default(void)
{
    ok(udp_engine_buffer(&(struct transport_options){0}) == 32u << 20,
       "one stream that waits behind a gap is not held up at 1 Gbit/s, 100 ms");
    ok(udp_engine_buffer(&(struct transport_options){.buffer_bytes = 65536}) == 65536,
       "but by the options");
}

int main(void)
{
    buffer_by_default();
    vanishes_while_idle();
    vanishes_under_load();
    survives_an_outage();
    peer_restarts();
    client_at_new_port();
    server_restarts_while_idle();
    server_restarts_under_load();
    client_restarts_and_is_silent();
    abort_was_lost();
    shutdown_complete_was_lost();
    closing_is_quiet();
    both_families();
    two_loops();
    silence();
    idle_cost();
    return tap_done();
}
