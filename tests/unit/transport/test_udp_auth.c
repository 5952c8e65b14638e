/* Authenticated chunks (sctp/auth_chunks.h) on the udp transport: what somebody on the path can no
 * longer forge, and how peers are found out to be gone. Keys: tests/conformance/test_auth.c. */
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/conformance/auth_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/packet.h"
#include "transport/udp/udp.h"

/* Between the two ends; sees all, and the headers of the latest packet each way. */
struct relay {
    struct loop *loop;
    struct loop_fd front, back; /* the client sends to front, the server to back */
    struct address client, server;
    uint8_t to_client[SCTP_HEADER], to_server[SCTP_HEADER];
    uint8_t init[512]; /* the client's */
    size_t init_length;
};

static void on_front(struct loop_fd *fd, uint32_t events)
{
    struct relay *self = container_of(fd, struct relay, front);
    uint8_t bytes[66000];
    ssize_t length;
    (void)events;
    self->client.length = sizeof self->client.in6;
    while ((length = recvfrom(fd->fd, bytes, sizeof bytes, 0, &self->client.any,
                              &self->client.length)) > SCTP_HEADER) {
        if (bytes[SCTP_HEADER] == SCTP_CHUNK_INIT && (size_t)length <= sizeof self->init) {
            memcpy(self->init, bytes, (size_t)length);
            self->init_length = (size_t)length;
        } else {
            memcpy(self->to_server, bytes, SCTP_HEADER);
        }
        (void)!sendto(self->back.fd, bytes, (size_t)length, MSG_DONTWAIT, &self->server.any,
                      self->server.length);
    }
    self->client.length = sizeof self->client.in;
}

static void on_back(struct loop_fd *fd, uint32_t events)
{
    struct relay *self = container_of(fd, struct relay, back);
    uint8_t bytes[66000];
    ssize_t length;
    (void)events;
    while ((length = recv(fd->fd, bytes, sizeof bytes, 0)) > SCTP_HEADER) {
        memcpy(self->to_client, bytes, SCTP_HEADER);
        (void)!sendto(self->front.fd, bytes, (size_t)length, MSG_DONTWAIT, &self->client.any,
                      self->client.length);
    }
}

static struct address watch(struct loop *loop, struct loop_fd *fd,
                            void (*on_events)(struct loop_fd *fd, uint32_t events))
{
    struct address local = bed_address("127.0.0.1:0");
    *fd = (struct loop_fd){
        .on_events = on_events,
        .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    };
    must(fd->fd >= 0 && bind(fd->fd, &local.any, local.length) == 0 &&
         getsockname(fd->fd, &local.any, &local.length) == 0 &&
         loop_fd_add(loop, fd, EPOLLIN) == 0);
    return local;
}

static struct relay *relay_open(struct bed *bed, struct address *address)
{
    struct relay *self = check_alloc(sizeof *self);
    self->loop = bed->loop;
    self->server = *transport_local(bed->server);
    watch(bed->loop, &self->back, on_back);
    *address = watch(bed->loop, &self->front, on_front);
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

/* From the addresses of the peer, with its ports and the right tag. */
static void forge(struct relay *self, uint8_t type, uint8_t flags, bool to_server)
{
    uint8_t packet[SCTP_HEADER + 4];
    const uint8_t *header = to_server ? self->to_server : self->to_client;
    memcpy(packet, header, SCTP_HEADER);
    if (flags) /* the tag reflected: of the other direction */
        memcpy(packet + 4, (to_server ? self->to_client : self->to_server) + 4, 4);
    memcpy(packet + SCTP_HEADER, (uint8_t[]){type, flags, 0, 4}, 4);
    sctp_wire_seal(packet, sizeof packet);
    const struct address *to = to_server ? &self->server : &self->client;
    must(sendto(to_server ? self->back.fd : self->front.fd, packet, sizeof packet, 0, &to->any,
                to->length) == sizeof packet);
}

static void init_again(struct relay *self)
{
    must(sendto(self->back.fd, self->init, self->init_length, 0, &self->server.any,
                self->server.length) == (ssize_t)self->init_length);
}

struct ends {
    struct keyed_pair pair;
    struct relay *relay;
};

static void begin(struct ends *self, bool auth)
{
    struct bed *bed = &self->pair.bed;
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.auth = auth;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
    struct address address;
    self->relay = relay_open(bed, &address);
    keyed_pair_connect(&self->pair, &address);
}

static void end(struct ends *self)
{
    relay_close(self->relay);
    keyed_pair_close(&self->pair);
}

/* ---- forged packets ---- */

static void forged_abort(bool auth)
{
    struct ends self;
    begin(&self, auth);
    if (auth)
        ok(keyed_pair_change(&self.pair, 0, 1), "both ends take a key");
    must(keyed_arrives(self.pair.user, self.pair.peer, SECOND) &&
         keyed_arrives(self.pair.peer, self.pair.user, SECOND));
    forge(self.relay, SCTP_CHUNK_ABORT, 0, true);
    forge(self.relay, SCTP_CHUNK_ABORT, 0, false);
    if (auth) {
        ok(keyed_arrives(self.pair.user, self.pair.peer, SECOND) &&
               keyed_arrives(self.pair.peer, self.pair.user, SECOND) && !self.pair.user->down &&
               !self.pair.peer->down,
           "with authentication a forged ABORT ends nothing");
        forge(self.relay, SCTP_CHUNK_ABORT, 1, true);
        forge(self.relay, SCTP_CHUNK_ABORT, 1, false);
        init_again(self.relay);
        bed_run(&self.pair.bed, SECOND * 3 / 2);
        ok(keyed_arrives(self.pair.user, self.pair.peer, SECOND) &&
               keyed_arrives(self.pair.peer, self.pair.user, SECOND) && !self.pair.user->down &&
               !self.pair.peer->down,
           "nor one with the tag reflected, nor an INIT again");
    } else {
        bed_wait_down(self.pair.user, SECOND);
        bed_wait_down(self.pair.peer, SECOND);
        ok(self.pair.user->reason == ERR_TRANSPORT_ABORTED &&
               self.pair.peer->reason == ERR_TRANSPORT_ABORTED,
           "without authentication one forged ABORT ends an association (%s, %s)",
           err_name(self.pair.user->reason), err_name(self.pair.peer->reason));
    }
    end(&self);
}

static void before_a_key(void)
{
    struct ends self;
    begin(&self, true);
    forge(self.relay, SCTP_CHUNK_ABORT, 0, true);
    forge(self.relay, SCTP_CHUNK_ABORT, 0, false);
    ok(keyed_arrives(self.pair.user, self.pair.peer, SECOND) &&
           keyed_arrives(self.pair.peer, self.pair.user, SECOND),
       "chunks without authentication are refused from the beginning");
    association_close(self.pair.user->association, ASSOCIATION_ABORT, "a real one");
    ok(bed_wait_down(self.pair.peer, SECOND) && self.pair.peer->reason == ERR_TRANSPORT_ABORTED &&
           !strcmp(self.pair.peer->detail, "\"a real one\""),
       "the peer's own ABORT is heard (%s)", self.pair.peer->detail);
    end(&self);
}

/* ---- peers that are gone ---- */

/* The client dies without a word and comes back at the same port. */
static void peer_restarts(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.auth = true;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    struct address same_port = *transport_local(bed.client);
    must(keyed_arrives(old, old_peer, SECOND));
    udp_cut(bed.client, true);
    transport_free(bed.client);
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &same_port, 1, &bed.options, NULL, &bed.client, why,
                        sizeof why) == ERR_OK);
    loop_turn(bed.loop, 0);
    uint64_t start = loop_now(bed.loop);
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    uint64_t took = loop_now(bed.loop) - start;
    ok(user->up && peer != old_peer && took < 5 * SECOND,
       "a peer that restarts comes up when its old association has answered no probe (%.1f s)",
       (double)took / SECOND);
    ok(old_peer->down && old_peer->reason == ERR_TRANSPORT_RESTARTED, "which ends that (%s)",
       err_name(old_peer->reason));
    ok(keyed_arrives(user, peer, SECOND), "and data flows");
    bed_close(&bed);
    free(old);
    free(user);
}

/* The server does; its answer to what it does not know is believed when no probe is answered. */
static void server_restarts(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.auth = true;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed);
    must(keyed_arrives(user, bed_latest(&bed), SECOND));
    struct address same_port = *transport_local(bed.server);
    udp_cut(bed.server, true);
    transport_free(bed.server);
    char why[128];
    must(transport_open(&udp_ops, bed.loop, &same_port, 1, &bed.options, &bed.acceptor, &bed.server,
                        why, sizeof why) == ERR_OK);
    loop_turn(bed.loop, 0);
    uint64_t start = loop_now(bed.loop);
    bed_send(user, 1, 1, 100, 0);
    bed_wait_down(user, 5 * SECOND);
    ok(user->reason == ERR_TRANSPORT_RESTARTED,
       "an end that does not know the association any more is believed so, too (%s, %.1f s)",
       err_name(user->reason), (double)(loop_now(bed.loop) - start) / SECOND);
    bed_close(&bed);
    free(user);
}

static void through_a_small_path(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.auth = true;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    udp_cut_above(bed.client, 0, 1200);
    for (uint32_t i = 0; i < 100; i++)
        bed_send(user, 1, i, i % 2 ? 16000 : 300, 0);
    ok(bed_wait_messages(peer, 100, 10 * SECOND) && !peer->disorders && !peer->damaged,
       "packets that the path does not take arrive in pieces, with their authentication");
    bed_close(&bed);
    free(user);
}

int main(void)
{
    forged_abort(false);
    forged_abort(true);
    before_a_key();
    peer_restarts();
    server_restarts();
    through_a_small_path();
    return tap_done();
}
