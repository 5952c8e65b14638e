/* The kernel transport's own: its options, several paths, peers that vanish or restart,
 * and peers that are not ours. */
#include "transport/kernel/kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sctp/payload.h"
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"

static int socket_of(struct association *association)
{
    return container_of(association, struct kernel_association, base)->fd.fd;
}

/* ---- options ---- */

static void check_clock(int fd, const char *side)
{
    struct sctp_rtoinfo rto = {0};
    socklen_t size = sizeof rto;
    getsockopt(fd, IPPROTO_SCTP, SCTP_RTOINFO, &rto, &size);
    ok(rto.srto_initial == 700 && rto.srto_max == 3000 && rto.srto_min == 150,
       "%s: RTO 700, 150 to 3000 ms (%u, %u to %u)", side, rto.srto_initial, rto.srto_min,
       rto.srto_max);
    struct sctp_assocparams association = {0};
    size = sizeof association;
    getsockopt(fd, IPPROTO_SCTP, SCTP_ASSOCINFO, &association, &size);
    ok(association.sasoc_asocmaxrxt == 17, "%s: 17 retransmissions of the association", side);
    struct sctp_sack_info sack = {0};
    size = sizeof sack;
    getsockopt(fd, IPPROTO_SCTP, SCTP_DELAYED_SACK, &sack, &size);
    ok(sack.sack_delay == 20 && sack.sack_freq == 2, "%s: SACK after 20 ms or 2 packets (%u, %u)",
       side, sack.sack_delay, sack.sack_freq);
}

static void check_paths(int fd, const char *side)
{
    struct sctp_paddrparams path = {0};
    socklen_t size = sizeof path;
    getsockopt(fd, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, &size);
    ok(path.spp_hbinterval == 400 && path.spp_pathmaxrxt == 3 && path.spp_flags & SPP_HB_ENABLE,
       "%s: heartbeats every 400 ms, 3 retransmissions of a path (%u, %u)", side,
       path.spp_hbinterval, path.spp_pathmaxrxt);
    ok(path.spp_pathmtu == 1400 && path.spp_flags & SPP_PMTUD_DISABLE, "%s: MTU 1400 (%u)", side,
       path.spp_pathmtu);
    struct sctp_paddrthlds limits = {0};
    size = sizeof limits;
    getsockopt(fd, IPPROTO_SCTP, SCTP_PEER_ADDR_THLDS, &limits, &size);
    ok(limits.spt_pathpfthld == 1 && limits.spt_pathmaxrxt == 3,
       "%s: failing after 1 time-out, inactive after 3 (%u, %u)", side, limits.spt_pathpfthld,
       limits.spt_pathmaxrxt);
}

static uint32_t association_value(int fd, int option)
{
    struct sctp_assoc_value value = {0};
    socklen_t size = sizeof value;
    return getsockopt(fd, IPPROTO_SCTP, option, &value, &size) ? UINT32_MAX : value.assoc_value;
}

static int number(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, level, option, &value, &size);
    return value;
}

static void check_socket(struct association *association, const char *side)
{
    int fd = socket_of(association);
    check_clock(fd, side);
    check_paths(fd, side);
    ok(number(fd, IPPROTO_SCTP, SCTP_NODELAY) == 1, "%s: no delay", side);
    ok(association_value(fd, SCTP_INTERLEAVING_SUPPORTED) != 1, "%s: no I-DATA", side);
    ok(number(fd, SOL_SOCKET, SO_SNDBUF) == 2 << 20 && number(fd, SOL_SOCKET, SO_RCVBUF) == 2 << 20,
       "%s: buffers of 1 MB (%d, %d)", side, number(fd, SOL_SOCKET, SO_SNDBUF) / 2,
       number(fd, SOL_SOCKET, SO_RCVBUF) / 2);
}

/* Branching off takes over some options and not others, so both ends are asked. */
static void options_are_set(void)
{
    struct bed bed = {.ops = &kernel_ops, .options = bed_default_options()};
    bed.options.rto_initial_us = 700 * 1000;
    bed.options.rto_min_us = 150 * 1000;
    bed.options.rto_max_us = 3000 * 1000;
    bed.options.path_retransmissions = 3;
    bed.options.failing_after = 1;
    bed.options.association_retransmissions = 17;
    bed.options.heartbeat_us = 400 * 1000;
    bed.options.buffer_bytes = 1 << 20;
    bed.options.mtu = 1400;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed);
    check_socket(user->association, "client");
    check_socket(bed_latest(&bed)->association, "server");
    struct association_status status;
    association_status(bed_latest(&bed)->association, &status);
    ok(!strcmp(status.scheduler, "round-robin") ==
           (association_value(socket_of(user->association), SCTP_STREAM_SCHEDULER) == 2),
       "the scheduler is shown: %s", status.scheduler);
    ok(status.paths[0].mtu == 1400, "the MTU is shown");
    bed_close(&bed);
    free(user);
}

/* ---- load ---- */

#define STREAMS 64
#define EACH    150

static uint32_t load_sent;

static void send_more(struct bed_user *self)
{
    while (self->association && load_sent < STREAMS * EACH) {
        uint32_t size = 1 + (load_sent * 2654435761u >> 8) % MESSAGE_MAX;
        struct message *message = bed_message((uint16_t)(load_sent % STREAMS), load_sent / STREAMS,
                                              size, (uint8_t)load_sent);
        if (association_send(self->association, message) != ERR_OK) {
            message_free(message);
            return;
        }
        load_sent++;
    }
}

/* The MTU makes many packets, and the small buffers make the kernel refuse messages. */
static void load_of_64_streams(void)
{
    struct bed bed = {.ops = &kernel_ops, .options = bed_default_options()};
    bed.options.mtu = 1500;
    bed.options.buffer_bytes = 128 << 10;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    load_sent = 0;
    user->on_writable = send_more;
    send_more(user);
    ok(load_sent < STREAMS * EACH, "64 streams fill the queue");
    bool arrived = bed_wait_messages(peer, STREAMS * EACH, 60 * SECOND);
    ok(arrived && user->writables > 10, "all of them arrive, after %u waits", user->writables);
    ok(!peer->disorders && !peer->damaged, "in order and undamaged (%u, %u)", peer->disorders,
       peer->damaged);
    bed_close(&bed);
    free(user);
}

/* ---- several addresses ---- */

static struct transport *open_several(struct bed *bed, const char *const *texts, size_t count,
                                      struct transport_acceptor *acceptor)
{
    struct address locals[TRANSPORT_ADDRESSES_MAX];
    struct transport *transport = NULL;
    char why[256] = "";
    for (size_t i = 0; i < count; i++)
        locals[i] = bed_address(texts[i]);
    enum err e = transport_open(&kernel_ops, bed->loop, locals, count, &bed->options, acceptor,
                                &transport, why, sizeof why);
    if (e != ERR_OK)
        tap_note("open: %s: %s", err_text(e), why);
    return transport;
}

static void note_path(struct association_events *events, const struct path_status *path);

struct path_notes {
    unsigned told;
    struct path_status latest[2]; /* by the third byte of the address: 10.71.1.x and 10.71.2.x */
    enum path_state worst[2];
};
static struct path_notes notes;

static void note_path(struct association_events *events, const struct path_status *path)
{
    (void)events;
    unsigned index = (ntohl(path->address.in.sin_addr.s_addr) >> 8 & 255) - 1;
    notes.told++;
    if (index > 1)
        return;
    notes.latest[index] = *path;
    if (path->state != PATH_UNCONFIRMED && path->state > notes.worst[index])
        notes.worst[index] = path->state;
}

static void open_both(struct bed *bed, const char *const *clients, const char *const *servers,
                      size_t count)
{
    bed->accepting = true;
    bed->acceptor.on_incoming = bed_on_incoming;
    bed->loop = loop_new();
    bed->server = open_several(bed, servers, count, &bed->acceptor);
    bed->client = open_several(bed, clients, count, NULL);
    must(bed->server && bed->client);
}

static struct bed_user *connect_all(struct bed *bed, size_t count)
{
    struct address remotes[TRANSPORT_ADDRESSES_MAX];
    for (size_t i = 0; i < count; i++)
        remotes[i] = *transport_local_at(bed->server, i);
    unsigned before = bed->accepted_count;
    struct bed_user *user = bed_user_new(bed);
    user->events.on_path = note_path;
    must(association_connect(bed->client, remotes, count, &user->events, &user->association) ==
         ERR_OK);
    for (int i = 0; i < 250 && !user->down && !(user->up && bed->accepted_count > before); i++)
        loop_turn(bed->loop, 20000);
    must(user->up && bed->accepted_count > before);
    return user;
}

static void both_families(void)
{
    static const char *const any[] = {"127.0.0.1:0", "[::1]:0"};
    struct bed bed = {.ops = &kernel_ops, .options = bed_default_options()};
    open_both(&bed, any, any, 2);
    const struct address *first = transport_local_at(bed.server, 0);
    const struct address *second = transport_local_at(bed.server, 1);
    ok(first->in.sin_port && first->in.sin_port == second->in6.sin6_port &&
           !transport_local_at(bed.server, 2),
       "an IPv4 and an IPv6 address share a port that was free");
    struct bed_user *user = connect_all(&bed, 2);
    struct association_status status;
    association_status(user->association, &status);
    ok(status.path_count == 2, "both are paths");
    ok(address_equal(&status.paths[0].address, first) &&
           address_equal(&status.paths[1].address, second),
       "with the addresses of both families");
    ok(status.paths[0].in_use && !status.paths[1].in_use, "the first is used");
    for (uint32_t i = 0; i < 50; i++)
        bed_send(user, 1, i, 5000, 0);
    ok(bed_wait_messages(bed_latest(&bed), 50, 5 * SECOND), "and carries messages");
    bed_close(&bed);
    free(user);
}

/* ---- cuts: in a network of its own, on the addresses of its loopback device ---- */

static const char *const client_side[] = {"10.71.1.1:0", "10.71.2.1:0"};
static const char *const server_side[] = {"10.71.1.2:0", "10.71.2.2:0"};

static bool own_network(void)
{
    return !unshare(CLONE_NEWNET) &&
           !system("ip link set lo up && ip address add 10.71.1.1/32 dev lo && "
                   "ip address add 10.71.1.2/32 dev lo && ip address add 10.71.2.1/32 dev lo && "
                   "ip address add 10.71.2.2/32 dev lo && ip rule add pref 10 lookup local && "
                   "ip rule del pref 0");
}

/* All packets to that network are lost. */
static void cut(unsigned path, bool is_cut)
{
    char command[128];
    snprintf(command, sizeof command, "ip rule %s pref 5 to 10.71.%u.0/24 blackhole",
             is_cut ? "add" : "del", path);
    must(!system(command));
}

static struct bed_user *open_two_paths(struct bed *bed, uint64_t dead_after_us,
                                       uint64_t heartbeat_us)
{
    *bed = (struct bed){.ops = &kernel_ops, .options = bed_default_options()};
    bed->options.dead_after_us = dead_after_us;
    bed->options.heartbeat_us = heartbeat_us;
    bed->options.path_retransmissions = 2;
    notes = (struct path_notes){0};
    open_both(bed, client_side, server_side, 2);
    return connect_all(bed, 2);
}

static bool first_is_back(void *argument)
{
    (void)argument;
    return notes.latest[0].state == PATH_ACTIVE && notes.latest[0].in_use;
}

static bool both_are_confirmed(void *argument)
{
    (void)argument;
    return notes.latest[0].state == PATH_ACTIVE && notes.latest[1].state == PATH_ACTIVE;
}

static bool is_inactive(void *argument)
{
    (void)argument;
    return notes.latest[0].state == PATH_INACTIVE;
}

static void a_path_fails(void)
{
    struct bed bed;
    struct bed_user *user = open_two_paths(&bed, 20 * SECOND, SECOND / 5), *peer = bed_latest(&bed);
    ok(bed_wait(&bed, both_are_confirmed, NULL, 5 * SECOND), "two paths, both confirmed");
    ok(notes.latest[0].in_use && !notes.latest[1].in_use, "the first is in use");
    bed_send(user, 1, 0, 1000, 0);
    bed_wait_messages(peer, 1, SECOND);
    cut(1, true);
    loop_turn(bed.loop, 0);
    uint64_t start = loop_now(bed.loop);
    for (uint32_t i = 1; i <= 20; i++)
        bed_send(user, 1, i, 1000, 0);
    bool arrived = bed_wait_messages(peer, 21, 5 * SECOND);
    uint64_t took = loop_now(bed.loop) - start;
    ok(arrived && !peer->disorders && took < SECOND,
       "it is cut: what was sent comes over the other (%.0f ms)", (double)took / 1000);
    ok(notes.worst[0] >= PATH_FAILING && notes.latest[1].in_use, "the user is told so");
    ok(bed_wait(&bed, is_inactive, NULL, 10 * SECOND), "it becomes inactive");
    struct association_status status;
    association_status(user->association, &status);
    ok(status.retransmissions > 0 && status.paths[1].in_use && !status.paths[0].in_use,
       "the status shows it, and %lu retransmissions", (unsigned long)status.retransmissions);
    cut(1, false);
    ok(bed_wait(&bed, first_is_back, NULL, 10 * SECOND), "mended, it is used again");
    ok(user->up && peer->up && notes.told < 30, "the user was told %u times", notes.told);
    bed_close(&bed);
    free(user);
}

static void a_peer_vanishes(void)
{
    struct bed bed;
    struct bed_user *user = open_two_paths(&bed, SECOND, SECOND / 5), *peer = bed_latest(&bed);
    bed_run(&bed, SECOND * 3 / 2);
    ok(user->up && peer->up, "heartbeats keep an idle association alive beyond the limit");
    cut(1, true);
    cut(2, true);
    loop_turn(bed.loop, 0);
    uint64_t start = loop_now(bed.loop);
    bed_wait_down(user, 3 * SECOND);
    ok(user->reason == ERR_TRANSPORT_LOST, "a peer that vanishes on all paths is lost (%s)",
       err_name(user->reason));
    uint64_t took = loop_now(bed.loop) - start;
    ok(took > SECOND / 2 && took < SECOND * 3 / 2, "within about the limit of 1 s (%.2f s)",
       (double)took / SECOND);
    ok(bed_wait_down(peer, 2 * SECOND) && peer->reason == ERR_TRANSPORT_LOST, "so for the other");
    cut(1, false);
    cut(2, false);
    bed_close(&bed);
    free(user);
}

/* The client's ABORT is lost, and it comes again from the same port. The server says nothing
 * meanwhile: a heartbeat would be answered with an ABORT by a host that knows nothing of it. */
static void a_peer_restarts(void)
{
    struct bed bed;
    struct bed_user *user = open_two_paths(&bed, 100 * SECOND, 20 * SECOND),
                    *peer = bed_latest(&bed);
    struct address locals[] = {*transport_local_at(bed.client, 0),
                               *transport_local_at(bed.client, 1)};
    for (uint32_t i = 0; i < 10; i++)
        bed_send(user, 3, i, 5000, 0);
    bed_wait_messages(peer, 10, 2 * SECOND);
    bed_run(&bed, SECOND / 10); /* its last SACK */
    cut(1, true);
    cut(2, true);
    transport_free(bed.client);
    cut(1, false);
    cut(2, false);
    char why[256];
    must(transport_open(&kernel_ops, bed.loop, locals, 2, &bed.options, NULL, &bed.client, why,
                        sizeof why) == ERR_OK);
    struct bed_user *again = connect_all(&bed, 2);
    ok(bed_wait_down(peer, SECOND) && peer->reason == ERR_TRANSPORT_RESTARTED,
       "a peer that comes again from the same addresses has restarted (%s)",
       err_name(peer->reason));
    ok(bed.accepted_count == 2 && bed_latest(&bed)->streams == 1024, "it is a new association");
    bed_latest(&bed)->echo = true;
    for (uint32_t i = 0; i < 10; i++)
        bed_send(again, 3, i, 5000, 0);
    ok(bed_wait_messages(again, 10, 2 * SECOND) && !again->disorders, "which carries messages");
    bed_close(&bed);
    free(user);
    free(again);
}

/* ---- peers that are not ours ---- */

static int stranger(const struct bed *bed, uint16_t streams)
{
    const struct address *server = transport_local(bed->server);
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
    struct sctp_initmsg init = {.sinit_num_ostreams = streams, .sinit_max_instreams = streams};
    must(fd >= 0 && !setsockopt(fd, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init));
    must(!connect(fd, &server->any, server->length));
    return fd;
}

static bool somebody_came(void *argument)
{
    return ((struct bed *)argument)->accepted_count > 0;
}

static void messages_of_strangers(void)
{
    static char big[MESSAGE_MAX + 1];
    struct bed bed;
    bed_open(&bed, &kernel_ops);
    int fd = stranger(&bed, 7);
    must(bed_wait(&bed, somebody_came, &bed, 2 * SECOND));
    struct bed_user *peer = bed_latest(&bed);
    ok(peer->streams == 7, "a peer with 7 streams has 7");
    sctp_sendmsg(fd, "x", 1, NULL, 0, htonl(42), 0, 1, 0, 0);
    sctp_sendmsg(fd, "x", 1, NULL, 0, htonl(SCTP_MESSAGE_PPID), SCTP_UNORDERED, 1, 0, 0);
    sctp_sendmsg(fd, big, MESSAGE_MAX, NULL, 0, htonl(SCTP_MESSAGE_PPID | 9), 0, 6, 0, 0);
    ok(bed_wait_messages(peer, 1, 2 * SECOND) && peer->last_length == MESSAGE_MAX &&
           peer->last_stream == 6 && peer->last_epoch == 9,
       "the longest message is taken");
    ok(container_of(bed.server, struct kernel, base)->bad_messages == 2,
       "foreign and unordered ones are dropped and counted");
    sctp_sendmsg(fd, big, sizeof big, NULL, 0, htonl(SCTP_MESSAGE_PPID), 0, 1, 0, 0);
    bed_wait_down(peer, 2 * SECOND);
    ok(peer->reason == ERR_CONTROL_PROTOCOL, "one byte more ends the association (%s: %s)",
       err_name(peer->reason), peer->detail);
    close(fd);
    bed_close(&bed);
}

static void without_descriptors(void)
{
    struct bed bed;
    bed_open(&bed, &kernel_ops);
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), free_one = dup(fd);
    must(fd >= 0 && free_one >= 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)free_one, .rlim_max = limit.rlim_max};
    close(free_one);
    setrlimit(RLIMIT_NOFILE, &none);
    const struct address *server = transport_local(bed.server);
    must(!connect(fd, &server->any, server->length));
    bed_run(&bed, SECOND / 10);
    char byte;
    ssize_t result = recv(fd, &byte, 1, MSG_DONTWAIT);
    ok(bed.accepted_count == 0 && result < 0 && errno == ECONNRESET,
       "without descriptors a peer is turned away");
    setrlimit(RLIMIT_NOFILE, &limit);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up, "and with them the next is served");
    close(fd);
    bed_close(&bed);
    free(user);
}

static void texts_of_aborts(void)
{
    struct bed bed;
    bed_open(&bed, &kernel_ops);
    struct bed_user *user = bed_connect(&bed);
    char longest[201];
    memset(longest, 'w', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    association_close(bed_latest(&bed)->association, ASSOCIATION_ABORT, longest);
    ok(bed_wait_down(user, 2 * SECOND) && user->reason == ERR_TRANSPORT_ABORTED &&
           strlen(user->detail) == 202 && !strncmp(user->detail + 1, longest, 200),
       "the server's 200 bytes of reason reach the client");
    bed_close(&bed);
    free(user);
}

static void listens_and_connects(void)
{
    struct bed bed;
    bed_open(&bed, &kernel_ops);
    struct bed other;
    bed_open(&other, &kernel_ops);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.server, transport_local(other.server), 1, &user->events,
                             &user->association) == ERR_OK);
    for (int i = 0; i < 100 && !user->up; i++) {
        loop_turn(other.loop, 10000);
        loop_turn(bed.loop, 10000);
    }
    ok(user->up && other.accepted_count == 1, "an endpoint that listens connects, too");
    struct association_status status;
    association_status(bed_latest(&other)->association, &status);
    ok(address_equal(&status.paths[0].address, transport_local(bed.server)), "from its own port");
    bed_close(&bed);
    bed_close(&other);
    free(user);
}

int main(void)
{
    char why[512];
    if (!transport_available(&kernel_ops, why, sizeof why)) {
        tap_skip("the kernel transport", why);
        return tap_done();
    }
    options_are_set();
    load_of_64_streams();
    both_families();
    messages_of_strangers();
    without_descriptors();
    texts_of_aborts();
    listens_and_connects();
    if (own_network()) {
        a_path_fails();
        a_peer_vanishes();
        a_peer_restarts();
    } else {
        tap_skip("paths that are cut", "a network namespace and ip are needed, so root");
    }
    return tap_done();
}
