/* Peers whose address changes, and those who pretend to be one: a relay between client and server
 * takes another port, sees everything, and sends what it likes. */
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/probe.h"
#include "transport/udp/udp.h"

#define PIECE 3000

/* The client sends to front; back sends to the server, which therefore sees back's address. */
struct relay {
    struct loop *loop;
    struct loop_fd front, back;
    struct address client, server;
    uint8_t data[66000]; /* latest packet with DATA or SACK from the client */
    size_t data_length;
    struct loop_fd spy; /* sends copies of all of it, from its own address, when it is open */
    bool spying;
    unsigned spied; /* packets that the server sent to the spy, and of them data */
    size_t spied_bytes;
};

static int udp_socket(struct address *local)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 8 << 20;
    *local = bed_address("127.0.0.1:0");
    must(fd >= 0 && bind(fd, &local->any, local->length) == 0 &&
         getsockname(fd, &local->any, &local->length) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static void send_to(int fd, const struct address *to, const uint8_t *bytes, size_t length)
{
    if (to->length)
        (void)!sendto(fd, bytes, length, MSG_DONTWAIT, &to->any, to->length);
}

static void keep(struct relay *self, const uint8_t *bytes, size_t length)
{
    uint8_t type = bytes[SCTP_HEADER];
    if (length <= SCTP_HEADER || (type != SCTP_CHUNK_DATA && type != SCTP_CHUNK_SACK))
        return;
    memcpy(self->data, bytes, length);
    self->data_length = length;
}

static void on_front(struct loop_fd *fd, uint32_t events)
{
    struct relay *self = container_of(fd, struct relay, front);
    uint8_t bytes[66000];
    ssize_t length;
    (void)events;
    self->client.length = sizeof self->client.in6;
    while ((length = recvfrom(fd->fd, bytes, sizeof bytes, 0, &self->client.any,
                              &self->client.length)) > 0) {
        keep(self, bytes, (size_t)length);
        if (self->spying)
            send_to(self->spy.fd, &self->server, bytes, (size_t)length);
        send_to(self->back.fd, &self->server, bytes, (size_t)length);
    }
    self->client.length = sizeof self->client.in;
}

static void on_back(struct loop_fd *fd, uint32_t events)
{
    struct relay *self = container_of(fd, struct relay, back);
    uint8_t bytes[66000];
    ssize_t length;
    (void)events;
    while ((length = recv(fd->fd, bytes, sizeof bytes, 0)) > 0)
        send_to(self->front.fd, &self->client, bytes, (size_t)length);
}

/* Answers probes as the client would. */
static void on_spy(struct loop_fd *fd, uint32_t events)
{
    struct relay *self = container_of(fd, struct relay, spy);
    uint8_t bytes[66000];
    ssize_t length;
    (void)events;
    while ((length = recv(fd->fd, bytes, sizeof bytes, 0)) > 0) {
        self->spied++;
        self->spied_bytes += (size_t)length;
        struct probe probe;
        if (self->data_length && length == PROBE_SIZE &&
            probe_read(bytes, (size_t)length, &probe) == PROBE_REQUEST) {
            probe_reply(bytes, sctp_wire_u32(self->data + 4), 0);
            send_to(fd->fd, &self->server, bytes, PROBE_SIZE);
        }
    }
}

static void watch(struct relay *self, struct loop_fd *fd,
                  void (*on_events)(struct loop_fd *fd, uint32_t events), struct address *local)
{
    *fd = (struct loop_fd){.on_events = on_events, .fd = udp_socket(local)};
    must(loop_fd_add(self->loop, fd, EPOLLIN) == 0);
}

static void unwatch(struct relay *self, struct loop_fd *fd)
{
    loop_fd_remove(self->loop, fd);
    close(fd->fd);
}

/* As a NAT that was restarted: the same client comes from another port. */
static void rebind(struct relay *self)
{
    struct address local;
    unwatch(self, &self->back);
    watch(self, &self->back, on_back, &local);
}

static struct relay *relay_open(struct bed *bed, struct bed_user **user)
{
    struct relay *self = check_alloc(sizeof *self);
    struct address front, other;
    self->loop = bed->loop;
    self->server = *transport_local(bed->server);
    watch(self, &self->front, on_front, &front);
    watch(self, &self->back, on_back, &other);
    watch(self, &self->spy, on_spy, &other);
    *user = bed_user_new(bed);
    must(association_connect(bed->client, &front, 1, &(*user)->events, &(*user)->association) ==
         ERR_OK);
    for (int turns = 0; turns < 100 && !(*user)->up; turns++)
        loop_turn(bed->loop, 20000);
    must((*user)->up);
    return self;
}

static void relay_close(struct relay *self)
{
    unwatch(self, &self->front);
    unwatch(self, &self->back);
    unwatch(self, &self->spy);
    free(self);
}

static void open_bed(struct bed *bed, const char *client)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.mtu = 1500;
    bed->options.dead_after_us = 5 * SECOND;
    bed->options.heartbeat_us = SECOND / 4;
    bed_open_at(bed, client, "127.0.0.1:0");
}

/* Sends for a while, a message each few ms; returns the longest time without one. */
static uint64_t load(struct bed_user *from, struct bed_user *to, uint64_t for_us, uint32_t *number)
{
    struct bed_clock clock = bed_clock_begin(from->bed);
    struct bed_gap gap = {.messages = to->messages};
    for (uint64_t next = 0; clock.us < for_us && !from->down && !to->down;) {
        if (clock.us >= next) {
            struct message *message = bed_message(1, *number, PIECE, 0);
            if (association_send(from->association, message) == ERR_OK)
                ++*number;
            else
                message_free(message);
            next = clock.us + 2000;
        }
        bed_clock_turn(&clock, from->bed, 2000);
        bed_gap_look(&gap, &clock, to);
    }
    return gap.longest_us;
}

static void rebinding(bool by_client)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "127.0.0.1:0");
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    struct bed_user *from = by_client ? user : peer, *to = by_client ? peer : user;
    uint32_t number = 0;
    uint64_t longest = 0;
    load(from, to, SECOND / 4, &number);
    for (int i = 0; i < 3; i++) {
        rebind(relay);
        uint64_t gap = load(from, to, SECOND * 3 / 2, &number);
        longest = gap > longest ? gap : longest;
    }
    ok(user->up && peer->up && longest < SECOND,
       "three new ports of a client that %s, longest gap %.3f s", by_client ? "sends" : "receives",
       (double)longest / SECOND);
    ok(bed_wait_messages(to, number, 5 * SECOND) && !to->disorders && !to->damaged,
       "all %u messages arrived", number);
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

static void idle_rebinding(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "0.0.0.0:0");
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    bed_run(&bed, SECOND / 3);
    rebind(relay);
    bed_run(&bed, SECOND);
    uint32_t number = 0;
    uint64_t gap = load(peer, user, SECOND / 4, &number);
    ok(user->up && peer->up && gap < SECOND / 10,
       "an idle client is followed by its heartbeats: gap %.3f s", (double)gap / SECOND);
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

/* A stranger's packet: from another address, with this tag and chunk. */
static void forge(struct relay *relay, uint32_t tag, uint8_t type, uint8_t flags)
{
    uint8_t packet[16] = {[4] = (uint8_t)(tag >> 24),
                          (uint8_t)(tag >> 16),
                          (uint8_t)(tag >> 8),
                          (uint8_t)tag,
                          [12] = type,
                          flags,
                          0,
                          4};
    memcpy(packet, relay->data, 4);
    sctp_wire_seal(packet, sizeof packet);
    send_to(relay->spy.fd, &relay->server, packet, sizeof packet);
}

static void strangers(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "127.0.0.1:0");
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(user, peer, SECOND / 5, &number);
    uint32_t tag = sctp_wire_u32(relay->data + 4);
    forge(relay, tag, SCTP_CHUNK_ABORT, 0);
    forge(relay, tag, SCTP_CHUNK_SHUTDOWN_ACK, 0);
    forge(relay, tag, SCTP_CHUNK_SHUTDOWN_COMPLETE, 0);
    forge(relay, tag, SCTP_CHUNK_COOKIE_ACK, 0);
    forge(relay, tag, SCTP_CHUNK_ERROR, 0);
    uint8_t wrong[66000];
    memcpy(wrong, relay->data, relay->data_length);
    wrong[5] ^= 1;
    sctp_wire_seal(wrong, relay->data_length);
    send_to(relay->spy.fd, &relay->server, wrong, relay->data_length);
    load(user, peer, SECOND / 5, &number);
    struct association_status status;
    association_status(peer->association, &status);
    ok(user->up && peer->up && status.path_count == 1,
       "ABORT and the like from elsewhere end nothing, even with the tag; data without it is "
       "stray");
    ok(relay->spied_bytes <= 3 * 16, "and get %zu bytes of answers", relay->spied_bytes);

    /* Once data with the right tag has made the address a path, the same still holds. */
    send_to(relay->spy.fd, &relay->server, relay->data, relay->data_length);
    forge(relay, tag, SCTP_CHUNK_ABORT, 0);
    forge(relay, tag, SCTP_CHUNK_SHUTDOWN_COMPLETE, 0);
    load(user, peer, SECOND / 50, &number);
    ok(user->up && peer->up, "an ABORT from an address that was not confirmed ends nothing");
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

/* The spy sees and copies everything, and is always first. */
static void copied(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "127.0.0.1:0");
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(peer, user, SECOND / 5, &number);
    relay->spying = true;
    uint64_t gap = load(peer, user, SECOND, &number);
    ok(user->up && peer->up && gap < SECOND / 4, "copies from elsewhere: gap %.3f s",
       (double)gap / SECOND);
    ok(relay->spied > 0 && relay->spied_bytes < (size_t)number * PIECE / 10,
       "the spy got %zu of %u bytes, mostly probes", relay->spied_bytes, number * PIECE);
    relay->spying = false;
    ok(bed_wait_messages(user, number, 5 * SECOND) && !user->disorders && !user->damaged,
       "all %u messages arrived", number);
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

/* Probes that nobody would send, with the right tag, from the client's address and another. */
static void broken_probes(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "127.0.0.1:0");
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(user, peer, SECOND / 5, &number);
    uint64_t random = tap_seed();
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t packet[PROBE_SIZE];
        struct probe probe = {.flags = (uint8_t)(i % 4), .path = i % 9};
        probe_request(packet, PROBE_SIZE, (struct packet_ports){0, 0},
                      sctp_wire_u32(relay->data + 4), &probe);
        memcpy(packet, relay->data, 4);
        if (i % 3)
            packet[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT_ACK;
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        if (i % 2) /* anywhere behind the mark */
            packet[28 + (random >> 40) % (PROBE_SIZE - 28)] ^= (uint8_t)(random >> 32);
        sctp_wire_seal(packet, sizeof packet);
        send_to(i % 5 ? relay->back.fd : relay->spy.fd, &relay->server, packet, sizeof packet);
        if (i % 50 == 0)
            loop_turn(bed.loop, 1000);
    }
    uint64_t gap = load(user, peer, SECOND / 2, &number);
    struct udp_counters counters;
    udp_count(bed.server, &counters);
    ok(user->up && peer->up && gap < SECOND / 4 && counters.bad_probes > 1000,
       "%lu bad probes do nothing", (unsigned long)counters.bad_probes);
    ok(relay->spied <= 400, "and a stranger gets no more answers than questions (%u)",
       relay->spied);
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

/* Packets from the peer's address without its tag are not the peer. */
static void noise_is_no_life(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed, "127.0.0.1:0");
    transport_free(bed.client);
    transport_free(bed.server);
    bed.options.dead_after_us = SECOND / 2;
    bed.server = bed_open_one(&bed, "127.0.0.1:0", &bed.acceptor);
    bed.client = bed_open_one(&bed, "127.0.0.1:0", NULL);
    struct relay *relay = relay_open(&bed, &user);
    struct bed_user *peer = bed_latest(&bed);
    uint32_t number = 0;
    load(user, peer, SECOND / 5, &number);
    udp_cut(bed.client, true);
    for (int i = 0; i < 100 && !peer->down; i++) {
        uint8_t packet[16] = {[4] = 1, [12] = SCTP_CHUNK_HEARTBEAT, 0, 0, 4};
        memcpy(packet, relay->data, 4);
        sctp_wire_seal(packet, sizeof packet);
        send_to(relay->back.fd, &relay->server, packet, sizeof packet);
        bed_run(&bed, SECOND / 50);
    }
    ok(peer->reason == ERR_TRANSPORT_LOST, "packets with a wrong tag keep nobody alive");
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

int main(void)
{
    rebinding(true);
    rebinding(false);
    idle_rebinding();
    strangers();
    copied();
    broken_probes();
    noise_is_no_life();
    return tap_done();
}
