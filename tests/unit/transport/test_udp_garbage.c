/* Hostile datagrams: a relay between the two ends records, damages, repeats and invents packets,
 * and INITs come from everywhere. */
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/udp.h"

#define KEPT 64

enum malice { HARMLESS, NOISY, FORGING, BLIND, SIGHTED };

/* The client sends to front's address and back sends to the server, so the server sees back. */
struct relay {
    struct loop *loop;
    struct loop_fd front, back;
    struct address client, server;
    enum malice malice;
    uint64_t random;
    unsigned forged;
    struct {
        uint8_t bytes[66000];
        size_t length;
        bool to_server;
    } kept[KEPT];
    unsigned kept_count;
};

static uint64_t next_random(struct relay *self)
{
    self->random = self->random * 6364136223846793005ull + 1442695040888963407ull;
    return self->random >> 24;
}

static void pass(struct relay *self, const uint8_t *bytes, size_t length, bool to_server)
{
    const struct address *to = to_server ? &self->server : &self->client;
    if (to->length)
        (void)!sendto(to_server ? self->back.fd : self->front.fd, bytes, length, MSG_DONTWAIT,
                      &to->any, to->length);
}

static void flip_bits(struct relay *self, uint8_t *bytes, size_t length)
{
    for (uint64_t flips = 1 + next_random(self) % 8; flips; flips--)
        bytes[next_random(self) % length] ^= (uint8_t)(1 << next_random(self) % 8);
}

/* One more datagram, made from one that was seen. */
static void annoy(struct relay *self)
{
    if (!self->kept_count)
        return;
    unsigned which = (unsigned)(next_random(self) % self->kept_count);
    static uint8_t bytes[66000];
    size_t length = self->kept[which].length;
    bool to_server = self->kept[which].to_server;
    memcpy(bytes, self->kept[which].bytes, length);
    switch (next_random(self) % 4) {
    case 0: /* truncated */
        length = next_random(self) % length;
        break;
    case 1: /* damaged */
        flip_bits(self, bytes, length);
        break;
    case 2: /* noise */
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)next_random(self);
        break;
    default: /* repeated */
        break;
    }
    pass(self, bytes, length, to_server);
}

/* A damaged packet with a checksum that holds: only the engine's own checks are left. The header
 * stays, so that it is taken for a packet of the association. */
static void forge(struct relay *self, const uint8_t *original, size_t length, bool to_server)
{
    static uint8_t bytes[66000];
    memcpy(bytes, original, length);
    if (length > 200)
        length = 200 + next_random(self) % (length - 200);
    if (length > SCTP_HEADER)
        flip_bits(self, bytes + SCTP_HEADER, length - SCTP_HEADER < 64 ? length - SCTP_HEADER : 64);
    sctp_wire_seal(bytes, length);
    self->forged++;
    pass(self, bytes, length, to_server);
}

/* A forger who knows addresses and ports, and perhaps the tag, acknowledges more than was sent. */
static void acknowledge_more(struct relay *self, const uint8_t *original, size_t length,
                             bool to_server)
{
    static uint8_t bytes[66000];
    if (length <= SCTP_HEADER || original[SCTP_HEADER] != SCTP_CHUNK_SACK)
        return;
    memcpy(bytes, original, length);
    bytes[4] ^= self->malice == BLIND ? 0x55 : 0; /* verification tag */
    bytes[SCTP_HEADER + 4 + 2] += 4;              /* cumulative TSN, 1024 further */
    sctp_wire_seal(bytes, length);
    self->forged++;
    pass(self, bytes, length, to_server);
}

static void keep(struct relay *self, const uint8_t *bytes, size_t length, bool to_server)
{
    unsigned slot =
        self->kept_count < KEPT ? self->kept_count++ : (unsigned)(next_random(self) % KEPT);
    memcpy(self->kept[slot].bytes, bytes, length);
    self->kept[slot].length = length;
    self->kept[slot].to_server = to_server;
}

static void relay_some(struct relay *self, int fd, bool to_server)
{
    static uint8_t bytes[66000];
    struct address from = {.length = sizeof from.in6};
    ssize_t length;
    while ((length = recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, &from.any, &from.length)) >
           0) {
        if (to_server)
            self->client = from;
        if (self->malice == BLIND || self->malice == SIGHTED)
            acknowledge_more(self, bytes, (size_t)length, to_server);
        pass(self, bytes, (size_t)length, to_server);
        keep(self, bytes, (size_t)length, to_server);
        if (self->malice == NOISY && next_random(self) % 3 == 0)
            annoy(self);
        if (self->malice == FORGING && next_random(self) % 4 == 0)
            forge(self, bytes, (size_t)length, to_server);
        from.length = sizeof from.in6;
    }
}

static void on_front(struct loop_fd *fd, uint32_t events)
{
    (void)events;
    relay_some(container_of(fd, struct relay, front), fd->fd, true);
}

static void on_back(struct loop_fd *fd, uint32_t events)
{
    (void)events;
    relay_some(container_of(fd, struct relay, back), fd->fd, false);
}

/* At 127.0.0.number. */
static int udp_socket_at(unsigned number, struct address *local)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 8 << 20;
    char text[32];
    snprintf(text, sizeof text, "127.0.0.%u:0", number);
    *local = bed_address(text);
    must(fd >= 0 && bind(fd, &local->any, local->length) == 0 &&
         getsockname(fd, &local->any, &local->length) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static int udp_socket(struct address *local)
{
    return udp_socket_at(1, local);
}

/* Connects a user through the relay. */
static struct relay *relay_open(struct bed *bed, enum malice malice, uint64_t seed,
                                struct bed_user **user)
{
    struct relay *self = check_alloc(sizeof *self);
    struct address front, back;
    self->loop = bed->loop;
    self->malice = malice;
    self->random = seed;
    self->server = *transport_local(bed->server);
    self->front = (struct loop_fd){.on_events = on_front, .fd = udp_socket(&front)};
    self->back = (struct loop_fd){.on_events = on_back, .fd = udp_socket(&back)};
    must(loop_fd_add(bed->loop, &self->front, EPOLLIN) == 0);
    must(loop_fd_add(bed->loop, &self->back, EPOLLIN) == 0);
    *user = bed_user_new(bed);
    must(association_connect(bed->client, &front, 1, &(*user)->events, &(*user)->association) ==
         ERR_OK);
    return self;
}

static void relay_close(struct relay *self)
{
    loop_fd_remove(self->loop, &self->front);
    loop_fd_remove(self->loop, &self->back);
    close(self->front.fd);
    close(self->back.fd);
    free(self);
}

static bool is_up(void *user)
{
    return ((struct bed_user *)user)->up || ((struct bed_user *)user)->down;
}

static void open_bed(struct bed *bed)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.mtu = 1500;
    bed->options.dead_after_us = 2 * SECOND;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
}

/* 300 messages there and back, few under way, so that the echo is never told ERR_AGAIN. */
static void exchange(struct bed *bed, struct bed_user *user)
{
    struct bed_user *peer = bed_latest(bed);
    peer->echo = true;
    for (uint32_t i = 0; i < 300 && user->up; i++) {
        bed_send(user, (uint16_t)(i % 5), i / 5, 6000, 0);
        if (i >= 20 && !bed_wait_messages(user, i - 20, 5 * SECOND))
            break;
    }
    bed_wait_messages(user, 300, 5 * SECOND);
    ok(user->messages == 300, "all messages come back (%lu, %s)", (unsigned long)user->messages,
       err_name(user->reason));
    ok(!user->disorders && !user->damaged && !peer->disorders && !peer->damaged,
       "in order and undamaged");
}

static void noise_while_traffic_flows(void)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed);
    struct relay *relay = relay_open(&bed, NOISY, tap_seed(), &user);
    bed_wait(&bed, is_up, user, 3 * SECOND);
    ok(user->up, "an association comes up in the noise");
    exchange(&bed, user);
    struct udp_counters counters;
    udp_count(bed.server, &counters);
    ok(counters.bad_packets > 10, "while %lu bad packets were dropped",
       (unsigned long)counters.bad_packets);
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

static void acknowledgements_of_more(enum malice malice)
{
    struct bed bed;
    struct bed_user *user;
    open_bed(&bed);
    struct relay *relay = relay_open(&bed, malice, tap_seed(), &user);
    bed_wait(&bed, is_up, user, 3 * SECOND);
    exchange(&bed, user);
    ok(relay->forged > 10, "while %u SACKs with %s tag said more than is true", relay->forged,
       malice == BLIND ? "another" : "the right");
    relay_close(relay);
    bed_close(&bed);
    free(user);
}

/* Packets with a good checksum and tag may end an association, so only this is asked: no crash,
 * no hang, and the endpoints still serve. */
static void forgeries(void)
{
    struct bed bed;
    open_bed(&bed);
    unsigned forged = 0;
    unsigned long seed = tap_seed();
    for (int round = 0; round < 20; round++) {
        struct bed_user *user;
        struct relay *relay = relay_open(&bed, FORGING, seed + (unsigned)round, &user);
        bed_wait(&bed, is_up, user, SECOND / 4);
        for (uint32_t i = 0; i < 40 && user->up; i++) {
            struct message *message = bed_message((uint16_t)(i % 5), i / 5, 4000, 0);
            if (association_send(user->association, message) != ERR_OK)
                message_free(message);
            loop_turn(bed.loop, 1000);
        }
        bed_run(&bed, SECOND / 50);
        forged += relay->forged;
        if (user->association)
            association_close(user->association, ASSOCIATION_ABORT, NULL);
        bed_wait_down(user, SECOND);
        relay_close(relay);
        free(user);
    }
    ok(forged > 100, "%u forged packets were survived", forged);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up, "a new association comes up");
    bed_close(&bed);
    free(user);
}

/* A plausible INIT from (a socket of ours, this SCTP port). */
static void send_init(int fd, const struct address *server, uint16_t port)
{
    uint8_t packet[32] = {(uint8_t)(port >> 8),
                          (uint8_t)port,
                          UDP_SCTP_PORT >> 8,
                          UDP_SCTP_PORT & 0xff,
                          [12] = 1,
                          [15] = 20,
                          [19] = 7,
                          [21] = 1,
                          [25] = 10,
                          [27] = 10,
                          [31] = 9};
    sctp_wire_seal(packet, sizeof packet);
    (void)!sendto(fd, packet, sizeof packet, MSG_DONTWAIT, &server->any, server->length);
}

/* Takes all datagrams that have come to these sockets; how many. */
static unsigned answers_at(const int *fds, unsigned count)
{
    uint8_t answer[2000];
    unsigned answers = 0;
    for (unsigned k = 0; k < count; k++)
        while (recv(fds[k], answer, sizeof answer, MSG_DONTWAIT) > 0)
            answers++;
    return answers;
}

/* INITs of so many sources, each with other SCTP ports; at_once: the endpoint finds them all.
 * Returns the number of answers. */
static unsigned flood(struct bed *bed, unsigned sources, unsigned inits, bool at_once)
{
    struct address own;
    unsigned answers = 0;
    int fds[64];
    for (unsigned i = 0; i < sources; i++)
        fds[i] = udp_socket_at(2 + i, &own);
    for (unsigned i = 0; i < inits; i++)
        for (unsigned k = 0; k < sources; k++) {
            send_init(fds[k], transport_local(bed->server), (uint16_t)(i + 1));
            if (at_once || (i * sources + k) % 50 != 49)
                continue;
            loop_turn(bed->loop, 0);
            answers += answers_at(fds, sources);
        }
    bed_run(bed, SECOND / 4);
    answers += answers_at(fds, sources);
    for (unsigned k = 0; k < sources; k++)
        close(fds[k]);
    return answers;
}

/* The answers that one source may have got since then, all at once and the rest as it comes back.
 */
static unsigned most_since(uint64_t begun_us)
{
    return ANSWERS_OF_SOURCE + (unsigned)((clock_us() - begun_us) * ANSWERS_OF_SOURCE / SECOND);
}

static void flood_of_inits(void)
{
    struct bed bed;
    struct udp_counters counters;
    open_bed(&bed);
    uint64_t begun_us = clock_us();
    unsigned answers = flood(&bed, 1, 10000, false), most = most_since(begun_us);
    udp_count(bed.server, &counters);
    ok(answers >= ANSWERS_OF_SOURCE / 2 && answers <= most,
       "of 10 000 INITs of one source few are answered (%u of %u)", answers, most);
    ok(answers == 10000 || counters.not_answered > 0, "those that are not are counted");
    answers = flood(&bed, 40, 90, false);
    const struct udp *server = container_of(bed.server, struct udp, base);
    ok(answers > 3000, "of 3600 of many most are (%u)", answers);
    ok(TAILQ_EMPTY(&server->base.associations) && !server->tables.paths.count,
       "and nothing is kept of any");
    bed_run(&bed, SECOND / 50);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up && bed.accepted_count == 1, "and a real peer gets through");
    bed_close(&bed);
    free(user);
}

/* Of a type and length that section 8.4 answers, unless something is wrong with it. */
static void send_stray(int fd, const struct address *server, uint16_t port, uint8_t type)
{
    uint8_t packet[20] = {(uint8_t)(port >> 8),
                          (uint8_t)port,
                          UDP_SCTP_PORT >> 8,
                          UDP_SCTP_PORT & 0xff,
                          1,
                          2,
                          3,
                          4,
                          [12] = type,
                          [15] = type == SCTP_CHUNK_COOKIE_ECHO ? 8 : 4};
    size_t length = SCTP_HEADER + (size_t)packet[15];
    sctp_wire_seal(packet, length);
    (void)!sendto(fd, packet, length, MSG_DONTWAIT, &server->any, server->length);
}

/* Takes all datagrams; the bytes of the largest. */
static size_t largest_answer(int fd, unsigned *answers)
{
    uint8_t answer[2000];
    size_t largest = 0;
    *answers = 0;
    for (ssize_t length; (length = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) > 0; ++*answers)
        if ((size_t)length > largest)
            largest = (size_t)length;
    return largest;
}

static void no_answer_to_noise(int fd, struct bed *bed)
{
    const struct address *server = transport_local(bed->server);
    static const uint8_t silent[] = {SCTP_CHUNK_ABORT, SCTP_CHUNK_COOKIE_ACK,
                                     SCTP_CHUNK_SHUTDOWN_COMPLETE};
    for (size_t i = 0; i < sizeof silent; i++)
        send_stray(fd, server, 1, silent[i]);
    uint8_t packet[16] = {
        1, 1, UDP_SCTP_PORT >> 8, UDP_SCTP_PORT & 0xff, 1, 2, 3, 4, [12] = 8, [15] = 4};
    (void)!sendto(fd, packet, sizeof packet, 0, &server->any, server->length); /* not sealed */
    packet[2] = 1; /* a port that nobody uses */
    sctp_wire_seal(packet, sizeof packet);
    for (size_t length = 0; length <= sizeof packet; length++)
        (void)!sendto(fd, packet, length, 0, &server->any, server->length);
    bed_run(bed, SECOND / 20);
    unsigned answers;
    largest_answer(fd, &answers);
    ok(!answers, "strangers get no answer to what is not plausible, nor to the end of something");
}

static void strangers(void)
{
    struct bed bed;
    struct address own;
    open_bed(&bed);
    int fd = udp_socket(&own);
    no_answer_to_noise(fd, &bed);
    unsigned answers = 0, count;
    size_t largest = 0;
    uint64_t begun_us = clock_us();
    for (uint16_t port = 1; port <= 8000; port++) {
        send_stray(fd, transport_local(bed.server), port, SCTP_CHUNK_COOKIE_ECHO);
        if (port % 50 != 0)
            continue;
        bed_run(&bed, 0);
        largest = number_most(largest, largest_answer(fd, &count));
        answers += count;
    }
    bed_run(&bed, SECOND / 20);
    largest = number_most(largest, largest_answer(fd, &count));
    answers += count;
    ok(answers >= ANSWERS_OF_SOURCE && answers <= most_since(begun_us) && largest == 16,
       "8000 that are plausible get few answers (%u), none larger than itself", answers);
    close(fd);
    bed_close(&bed);
}

/* An INIT leaves nothing that could hide from its peer that an association is gone; and who takes
 * no associations leaves INITs without an answer. */
static void without_state(void)
{
    struct bed bed;
    struct address own;
    unsigned answers;
    open_bed(&bed);
    int fd = udp_socket(&own);
    send_init(fd, transport_local(bed.server), 7);
    bed_run(&bed, SECOND / 50);
    ok(largest_answer(fd, &answers) > 16 && answers == 1, "an INIT is answered");
    send_stray(fd, transport_local(bed.server), 7, SCTP_CHUNK_HEARTBEAT);
    bed_run(&bed, SECOND / 50);
    ok(largest_answer(fd, &answers) == 16 && answers == 1, "what comes then is out of the blue");
    send_init(fd, transport_local(bed.client), 7);
    bed_run(&bed, SECOND / 50);
    largest_answer(fd, &answers);
    ok(!answers, "an endpoint that takes no associations does not answer INIT");
    close(fd);
    bed_close(&bed);
}

/* There is no place that a flood could take between INIT and COOKIE ECHO. */
static void flood_before_the_cookie(void)
{
    struct bed bed;
    open_bed(&bed);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    flood(&bed, 10, 50, true);
    ok(bed_wait(&bed, is_up, user, SECOND) && user->up, "a flood keeps nobody's cookie out");
    bed_close(&bed);
    free(user);
}

int main(void)
{
    for (int i = 0; i < 2; i++) { /* then with authenticated chunks */
        bed_auth = i;
        noise_while_traffic_flows();
        forgeries();
    }
    bed_auth = false;
    acknowledgements_of_more(BLIND);
    acknowledgements_of_more(SIGHTED);
    flood_of_inits();
    strangers();
    without_state();
    flood_before_the_cookie();
    return tap_done();
}
