/* The udp transport over several paths: cut, one-way, back again, other servers, own addresses. */
#include <unistd.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/udp.h"

/* Messages under load, one every few ms, and the longest time without one at the other end. */
#define PIECE 3000

static struct {
    unsigned calls, in_use, failing;
} told;

static void on_path(struct association_events *events, const struct path_status *path)
{
    (void)events;
    told.calls++;
    told.in_use += path->in_use;
    told.failing += path->state == PATH_FAILING;
}

static struct transport *open_with(struct bed *bed, const char *const *locals, size_t count,
                                   struct transport_acceptor *acceptor)
{
    struct address addresses[TRANSPORT_ADDRESSES_MAX];
    struct transport *transport = NULL;
    char why[256] = "";
    for (size_t i = 0; i < count; i++)
        addresses[i] = bed_address(locals[i]);
    if (transport_open(&udp_ops, bed->loop, addresses, count, &bed->options, acceptor, &transport,
                       why, sizeof why) != ERR_OK)
        printf("# %s\n", why);
    must(transport);
    return transport;
}

static const char *const one[] = {"127.0.0.1:0"};
static const char *const two[] = {"127.0.0.1:0", "127.0.0.2:0"};

/* heartbeat_us 0: the default. */
static void open_bed(struct bed *bed, const char *const *client, size_t client_count,
                     const char *const *server, size_t server_count)
{
    uint64_t heartbeat_us = bed->options.heartbeat_us;
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options(), .accepting = true};
    if (heartbeat_us)
        bed->options.heartbeat_us = heartbeat_us;
    bed->acceptor.on_incoming = bed_on_incoming;
    bed->loop = loop_new();
    bed->server = open_with(bed, server, server_count, &bed->acceptor);
    bed->client = open_with(bed, client, client_count, NULL);
    memset(&told, 0, sizeof told);
}

static bool settled(void *user)
{
    struct bed_user *self = user;
    return self->down || (self->up && self->bed->accepted_count);
}

/* To all addresses of the server. */
static struct bed_user *connect_all_in(struct bed *bed, uint64_t *took_us)
{
    struct address remotes[TRANSPORT_ADDRESSES_MAX];
    size_t count = 0;
    for (const struct address *at; (at = transport_local_at(bed->server, count));)
        remotes[count++] = *at;
    struct bed_user *user = bed_user_new(bed);
    user->events.on_path = on_path;
    must(association_connect(bed->client, remotes, count, &user->events, &user->association) ==
         ERR_OK);
    *took_us = bed_took(bed, settled, user, 5 * SECOND);
    return user;
}

static struct bed_user *connect_all(struct bed *bed)
{
    uint64_t took_us;
    return connect_all_in(bed, &took_us);
}

static struct association_status status_of(struct bed_user *user)
{
    struct association_status status;
    association_status(user->association, &status);
    return status;
}

static struct path_status used_path(struct bed_user *user)
{
    struct association_status status = status_of(user);
    for (size_t i = 0; i < status.path_count; i++)
        if (status.paths[i].in_use)
            return status.paths[i];
    return (struct path_status){.state = PATH_INACTIVE};
}

static bool uses(struct bed_user *user, const struct address *remote)
{
    struct path_status path = used_path(user);
    return address_equal(&path.address, remote);
}

static unsigned active_paths(struct bed_user *user)
{
    struct association_status status = status_of(user);
    unsigned active = 0;
    for (size_t i = 0; i < status.path_count; i++)
        active += status.paths[i].state == PATH_ACTIVE;
    return active;
}

/* Sends from one to the other for a while, a message each few ms; returns the longest gap. */
static uint64_t load(struct bed_user *from, struct bed_user *to, uint64_t for_us, uint32_t *number)
{
    struct bed_clock clock = bed_clock_begin(from->bed);
    struct bed_gap gap = {.messages = to->messages};
    while (clock.us < for_us && !from->down && !to->down) {
        struct message *message = bed_message(1, *number, PIECE, 0);
        if (association_send(from->association, message) == ERR_OK)
            ++*number;
        else
            message_free(message);
        bed_clock_turn(&clock, from->bed, 3000);
        bed_gap_look(&gap, &clock, to);
    }
    return gap.longest_us;
}

/* Both directions are tried: data from the client, data from the server. */
static void cut_under_load(bool by_client, bool in, bool out)
{
    struct bed bed = {0};
    open_bed(&bed, one, 1, two, 2);
    struct bed_user *user = connect_all(&bed), *peer = bed_latest(&bed);
    struct bed_user *from = by_client ? user : peer, *to = by_client ? peer : user;
    uint32_t number = 0;
    load(from, to, SECOND / 3, &number);
    ok(active_paths(user) == 2 && active_paths(peer) == 2, "both ends know two paths");
    ok(uses(user, transport_local_at(bed.server, 0)), "the first address is preferred");
    udp_cut_local(bed.server, 0, in, out);
    uint64_t gap = load(from, to, SECOND, &number);
    ok(gap < SECOND / 2, "%s sends, path cut %s: gap %.3f s", by_client ? "client" : "server",
       in && out ? "both ways"
       : in      ? "to the server"
                 : "to the client",
       (double)gap / SECOND);
    ok(uses(user, transport_local_at(bed.server, 1)), "the second address is in use");
    ok(told.failing && told.in_use > 1, "the user is told of it");
    udp_cut_local(bed.server, 0, false, false);
    gap = load(from, to, 4 * SECOND, &number);
    ok(gap < SECOND / 10 && uses(user, transport_local_at(bed.server, 0)),
       "back on the first one when it is well again (gap %.3f s)", (double)gap / SECOND);
    ok(bed_wait_messages(to, number, 5 * SECOND) && !to->disorders && !to->damaged,
       "all %u messages arrived", number);
    printf("# %lu chunks sent again\n", (unsigned long)status_of(from).retransmissions);
    bed_close(&bed);
    free(user);
}

static void cut_while_idle(void)
{
    struct bed bed = {.options.heartbeat_us = SECOND / 10};
    open_bed(&bed, one, 1, two, 2);
    struct bed_user *user = connect_all(&bed), *peer = bed_latest(&bed);
    bed_run(&bed, SECOND / 2);
    udp_cut_local(bed.server, 0, true, true);
    bed_run(&bed, SECOND);
    ok(uses(user, transport_local_at(bed.server, 1)), "an idle association leaves a dead path");
    uint32_t number = 0;
    uint64_t gap = load(peer, user, SECOND / 5, &number);
    ok(gap < SECOND / 10 && user->messages, "and data goes at once (gap %.3f s)",
       (double)gap / SECOND);
    bed_close(&bed);
    free(user);
}

/* Two sockets of the client's, one address of the server's. */
static void cut_at_the_client(void)
{
    struct bed bed = {0};
    open_bed(&bed, two, 2, one, 1);
    struct bed_user *user = connect_all(&bed), *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(user, peer, SECOND / 3, &number);
    udp_cut_local(bed.client, 0, true, true);
    uint64_t gap = load(user, peer, SECOND, &number);
    ok(gap < SECOND / 2 && uses(peer, transport_local_at(bed.client, 1)),
       "a client with two sockets lives on by the other (gap %.3f s)", (double)gap / SECOND);
    bed_close(&bed);
    free(user);
}

static void fast_profile(void)
{
    struct bed bed = {.options.heartbeat_us = SECOND / 5};
    open_bed(&bed, one, 1, two, 2);
    transport_free(bed.client);
    transport_free(bed.server);
    bed.options.rto_min_us = 50000;
    bed.server = open_with(&bed, two, 2, &bed.acceptor);
    bed.client = open_with(&bed, one, 1, NULL);
    struct bed_user *user = connect_all(&bed), *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(user, peer, SECOND / 3, &number);
    udp_cut_local(bed.server, 0, true, true);
    uint64_t gap = load(user, peer, SECOND, &number);
    ok(gap < SECOND / 4, "RTO.min 50 ms: gap %.3f s", (double)gap / SECOND);
    bed_close(&bed);
    free(user);
}

static void first_address_is_dead(void)
{
    struct bed bed = {0};
    open_bed(&bed, one, 1, two, 2);
    udp_cut_local(bed.server, 0, true, true);
    uint64_t took_us;
    struct bed_user *user = connect_all_in(&bed, &took_us);
    double took = (double)took_us / SECOND;
    ok(user->up && took < 0.5 && uses(user, transport_local_at(bed.server, 1)),
       "the second address is tried soon (%.2f s)", took);
    bed_close(&bed);
    free(user);
}

static void nobody_at_the_first_address(void)
{
    struct bed bed = {0};
    open_bed(&bed, one, 1, two, 2);
    struct address remotes[] = {bed_address("127.0.0.1:9"), *transport_local_at(bed.server, 1),
                                bed_address("[::1]:9")};
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, remotes, 3, &user->events, &user->association) == ERR_OK);
    double took = (double)bed_took(&bed, settled, user, SECOND) / SECOND;
    ok(user->up && took < 0.2, "at a closed port the next one is tried at once (%.3f s)", took);
    struct bed_user *nobody = bed_user_new(&bed);
    remotes[1] = bed_address("127.0.0.2:9");
    must(association_connect(bed.client, remotes, 2, &nobody->events, &nobody->association) ==
         ERR_OK);
    ok(bed_wait_down(nobody, SECOND) && nobody->reason == ERR_TRANSPORT_REFUSED,
       "nobody at any of them is a refusal (%s)", err_name(nobody->reason));
    bed_close(&bed);
    free(user);
    free(nobody);
}

/* The second address is another server: a fallback, not a path; its ABORTs end nothing. */
static void another_server(void)
{
    struct bed bed = {.options.heartbeat_us = SECOND / 10};
    open_bed(&bed, one, 1, one, 1);
    struct transport *other = open_with(&bed, one, 1, &bed.acceptor);
    struct address remotes[] = {*transport_local(bed.server), *transport_local(other)};
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, remotes, 2, &user->events, &user->association) == ERR_OK);
    bed_wait(&bed, settled, user, 5 * SECOND);
    bed_run(&bed, SECOND / 2);
    struct udp_counters counters;
    udp_count(other, &counters);
    ok(user->up && active_paths(user) == 1 && counters.ootb_answers > 0,
       "another server is no path, and its %lu ABORTs end nothing",
       (unsigned long)counters.ootb_answers);
    udp_cut(bed.server, true);
    struct bed_user *next = bed_user_new(&bed);
    must(association_connect(bed.client, remotes, 2, &next->events, &next->association) == ERR_OK);
    bed.accepted_count = 1;
    bed_run(&bed, SECOND);
    ok(next->up && uses(next, transport_local(other)), "but it takes the next association");
    udp_cut(bed.server, false);
    transport_free(other);
    bed_close(&bed);
    free(user);
    free(next);
}

/* A server bound to no address answers from that at which it was asked, though the system would
 * choose another one. */
static void answers_from_the_right_address(void)
{
    static const char *const anywhere[] = {"0.0.0.0:0"}, *const both[] = {"[::]:0"};
    for (int ipv6 = 0; ipv6 < 2; ipv6++) {
        struct bed bed = {0};
        open_bed(&bed, one, 1, ipv6 ? both : anywhere, 1);
        struct address remotes[] = {bed_address("127.0.0.3:0"), bed_address("127.0.0.4:0")};
        for (int i = 0; i < 2; i++)
            remotes[i].in.sin_port = transport_local(bed.server)->in.sin_port;
        struct bed_user *user = bed_user_new(&bed);
        must(association_connect(bed.client, remotes, 2, &user->events, &user->association) ==
             ERR_OK);
        bed_wait(&bed, settled, user, SECOND);
        bed_run(&bed, SECOND / 3);
        ok(user->up && uses(user, &remotes[0]) && active_paths(user) == 2,
           "%s: one socket, two addresses, two paths", ipv6 ? "[::]" : "0.0.0.0");
        struct path_status path = used_path(bed_latest(&bed));
        struct address own = remotes[0];
        ok(address_equal(&path.local, &own), "status tells the own address");
        bed_close(&bed);
        free(user);
    }
}

static void many_pairs(void)
{
    static const char *const four[] = {"127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.4:0"};
    struct bed bed = {0};
    open_bed(&bed, four, 4, four, 4);
    struct bed_user *user = connect_all(&bed), *peer = bed_latest(&bed);
    bed_run(&bed, SECOND / 2);
    ok(status_of(user).path_count == 8 && active_paths(user) == 8 && active_paths(peer) == 8,
       "16 pairs of addresses give 8 paths");
    uint32_t number = 0;
    uint64_t longest = 0;
    for (unsigned i = 0; i < 3; i++) {
        load(user, peer, SECOND / 4, &number);
        udp_cut_local(bed.server, i, true, true);
        uint64_t gap = load(user, peer, SECOND, &number);
        longest = gap > longest ? gap : longest;
    }
    ok(user->up && peer->up && longest < SECOND / 2, "three of four cut, gap %.3f s",
       (double)longest / SECOND);
    bed_close(&bed);
    free(user);
}

int main(void)
{
    cut_under_load(true, true, true);
    cut_under_load(false, true, true);
    cut_under_load(true, true, false);
    cut_under_load(true, false, true);
    cut_under_load(false, true, false);
    cut_under_load(false, false, true);
    cut_while_idle();
    cut_at_the_client();
    fast_profile();
    first_address_is_dead();
    nobody_at_the_first_address();
    another_server();
    answers_from_the_right_address();
    many_pairs();
    return tap_done();
}
