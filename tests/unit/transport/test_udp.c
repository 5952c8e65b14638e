/* What only the udp transport does: peers that vanish, restart, or come by another family. */
#include "transport/udp.h"

#include <sys/resource.h>
#include <usrsctp.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp_message.h"

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
    open_impatient(&bed, SECOND);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    bed_run(&bed, SECOND * 3 / 2);
    ok(user->up && peer->up, "heartbeats keep an idle association alive beyond the limit");
    udp_cut(bed.server, true);
    uint64_t took = time_until_down(user, 3 * SECOND);
    ok(user->reason == ERR_TRANSPORT_LOST, "a peer that vanishes is lost (%s)",
       err_name(user->reason));
    ok(took > SECOND / 3 && took < SECOND * 3 / 2, "within the limit of 1 s (%.2f s)",
       (double)took / SECOND);
    bed_wait_down(peer, 2 * SECOND);
    ok(peer->reason == ERR_TRANSPORT_LOST, "the peer sees the same");
    bed_close(&bed);
    free(user);
}

static void vanishes_under_load(void)
{
    struct bed bed;
    open_impatient(&bed, SECOND);
    struct bed_user *user = bed_connect(&bed);
    for (uint32_t i = 0; i < 300; i++)
        bed_send(user, 1, i, 16000, 0);
    udp_cut(bed.server, true);
    struct message *message;
    while ((message = bed_message(1, 0, 16000, 0)) &&
           association_send(user->association, message) == ERR_OK)
        ;
    message_free(message);
    uint64_t took = time_until_down(user, 3 * SECOND);
    ok(user->reason == ERR_TRANSPORT_LOST && took < SECOND * 3 / 2,
       "a peer that vanishes under load is lost within 1 s (%.2f s)", (double)took / SECOND);
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
    bed_run(&bed, SECOND / 2);
    udp_cut(bed.server, false);
    ok(bed_wait_messages(peer, 50, 2 * SECOND) && !peer->disorders && !peer->damaged,
       "an outage of half a second loses nothing");
    ok(user->up && peer->up, "and ends nothing");
    bed_close(&bed);
    free(user);
}

/* The client dies without a word and comes back at the same port, as after SIGKILL. */
static void peer_restarts(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    struct address same_port = *transport_local(bed.client);
    for (uint32_t i = 0; i < 20; i++) {
        bed_send(old, 1, i, 9000, 0);
        bed_send(old_peer, 1, i, 9000, 0);
    }
    loop_turn(bed.loop, 0); /* some have arrived, the rest is under way */
    udp_cut(bed.client, true);
    uint64_t at_old_peer = old_peer->messages;
    transport_free(bed.client);
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &same_port, &bed.options, NULL, &bed.client, why,
                        sizeof why) == ERR_OK);
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
    ok(!peer->disorders && !user->disorders && old_peer->messages == at_old_peer,
       "and none to the old owner");
    bed_close(&bed);
    free(old);
    free(user);
}

static void client_at_new_port(void)
{
    struct bed bed;
    open_impatient(&bed, SECOND);
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    udp_cut(bed.client, true);
    transport_free(bed.client);
    struct address any = bed_address("127.0.0.1:0");
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &any, &bed.options, NULL, &bed.client, why,
                        sizeof why) == ERR_OK);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up && old_peer->up, "at another port it is another peer");
    bed_wait_down(old_peer, 2 * SECOND);
    ok(old_peer->reason == ERR_TRANSPORT_LOST && user->up, "the old one is lost in time");
    bed_close(&bed);
    free(old);
    free(user);
}

/* The server dies and comes back: the client's association is unknown there. */
static void server_restarts(void)
{
    struct bed bed;
    open_impatient(&bed, SECOND);
    struct bed_user *old = bed_connect(&bed);
    struct address same_port = *transport_local(bed.server);
    udp_cut(bed.server, true);
    transport_free(bed.server);
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &same_port, &bed.options, &bed.acceptor, &bed.server,
                        why, sizeof why) == ERR_OK);
    bed_wait_down(old, 2 * SECOND);
    ok(old->reason == ERR_TRANSPORT_LOST, "a server that restarts is lost (%s)",
       err_name(old->reason));
    struct bed_user *user = bed_connect(&bed);
    ok(user->up, "and found again");
    bed_close(&bed);
    free(old);
    free(user);
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
    must(association_connect(bed.client, &server, &user->events, &user->association) == ERR_OK);
    bed_wait_down(user, 2 * SECOND);
    ok(user->ups == 1, "[::] takes IPv4 peers");
    ok(address_equal(&seen, transport_local(bed.client)), "and shows them as such");
    struct address six = bed_address("[::1]:9");
    ok(association_connect(bed.client, &six, &user->events, &user->association) ==
           ERR_TRANSPORT_ADDRESS,
       "an IPv4 socket does not reach IPv6");
    bed_close(&bed);
    free(user);
}

static void one_loop_only(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct loop *other = loop_new();
    struct address any = bed_address("127.0.0.1:0");
    struct transport *transport = NULL;
    char why[128] = "";
    ok(transport_open(&udp_ops, other, &any, &bed.options, NULL, &transport, why, sizeof why) ==
               ERR_TRANSPORT_SOCKET &&
           !transport,
       "a second loop is refused: %s", why);
    loop_free(other);
    bed_close(&bed);
}

/* ERR_TRANSPORT_TIMEOUT when the network swallows everything. */
static void silence(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.connect_timeout_us = SECOND / 4;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    udp_cut(bed.server, true);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), &user->events,
                             &user->association) == ERR_OK);
    uint64_t took = time_until_down(user, SECOND);
    ok(user->reason == ERR_TRANSPORT_TIMEOUT && took < SECOND / 2,
       "no answer at all ends in a time-out (%s, %.2f s)", err_name(user->reason),
       (double)took / SECOND);
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
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *user = bed_connect(&bed);
    double before = cpu_seconds();
    bed_run(&bed, SECOND);
    double share = cpu_seconds() - before;
    ok(share < 0.05, "both ends of an idle association take %.2f%% of a core", share * 100);
    bed_close(&bed);
    free(user);
}

/* What a peer that is not Hawser could send: by usrsctp's socket under a user. */
static void send_foreign(struct bed_user *user, size_t length, uint32_t ppid, uint16_t flags)
{
    static uint8_t data[30000];
    struct udp_association *association =
        container_of(user->association, struct udp_association, base);
    struct sctp_sndinfo info = {.snd_sid = 1, .snd_ppid = htonl(ppid), .snd_flags = flags};
    must(usrsctp_sendv(association->socket, data, length, NULL, 0, &info, sizeof info,
                       SCTP_SENDV_SNDINFO, 0) == (ssize_t)length);
    datagram_flush(&association->transport->socket);
}

static void foreign_messages(void)
{
    struct bed bed;
    bed_open(&bed, &udp_ops);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    send_foreign(user, 100, 51, 0);
    send_foreign(user, 100, UDP_MESSAGE_PPID, SCTP_UNORDERED);
    bed_send(user, 1, 0, 100, 0);
    ok(bed_wait_messages(peer, 1, SECOND) && !peer->disorders && peer->up,
       "messages that are not ours are passed over");
    struct udp_counters counters;
    udp_count(bed.server, &counters);
    ok(counters.bad_messages == 2, "and counted");
    send_foreign(user, MESSAGE_MAX + 1, UDP_MESSAGE_PPID, 0);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_TRANSPORT_ABORTED &&
           !strcmp(user->detail, "message too long"),
       "a message that is too long ends the association: %s", user->detail);
    ok(bed_wait_down(peer, SECOND) && peer->reason == ERR_CONTROL_PROTOCOL,
       "which is the peer's fault (%s)", err_name(peer->reason));
    bed_close(&bed);
    free(user);
}

int main(void)
{
    foreign_messages();
    vanishes_while_idle();
    vanishes_under_load();
    survives_an_outage();
    peer_restarts();
    client_at_new_port();
    server_restarts();
    both_families();
    one_loop_only();
    silence();
    idle_cost();
    return tap_done();
}
