/* Authenticated chunks (transport/auth.h): what somebody on the path can no longer forge, ends that
 * differ, and keys that change while data flows. */
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/auth.h"
#include "transport/packet.h"
#include "transport/udp.h"

/* Between the two ends; sees all, and the headers of the latest packet each way. */
struct relay {
    struct loop *loop;
    struct loop_fd front, back; /* the client sends to front, the server to back */
    struct address client, server;
    uint8_t to_client[PACKET_HEADER], to_server[PACKET_HEADER];
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
                              &self->client.length)) > PACKET_HEADER) {
        if (bytes[PACKET_HEADER] == PACKET_CHUNK_INIT && (size_t)length <= sizeof self->init) {
            memcpy(self->init, bytes, (size_t)length);
            self->init_length = (size_t)length;
        } else {
            memcpy(self->to_server, bytes, PACKET_HEADER);
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
    while ((length = recv(fd->fd, bytes, sizeof bytes, 0)) > PACKET_HEADER) {
        memcpy(self->to_client, bytes, PACKET_HEADER);
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
    uint8_t packet[PACKET_HEADER + 4];
    const uint8_t *header = to_server ? self->to_server : self->to_client;
    memcpy(packet, header, PACKET_HEADER);
    if (flags) /* the tag reflected: of the other direction */
        memcpy(packet + 4, (to_server ? self->to_client : self->to_server) + 4, 4);
    memcpy(packet + PACKET_HEADER, (uint8_t[]){type, flags, 0, 4}, 4);
    packet_seal(packet, sizeof packet);
    const struct address *to = to_server ? &self->server : &self->client;
    must(sendto(to_server ? self->back.fd : self->front.fd, packet, sizeof packet, 0, &to->any,
                to->length) == sizeof packet);
}

static void init_again(struct relay *self)
{
    must(sendto(self->back.fd, self->init, self->init_length, 0, &self->server.any,
                self->server.length) == (ssize_t)self->init_length);
}

/* ---- two ends and their keys ---- */

struct ends {
    struct bed bed;
    struct relay *relay;
    struct bed_user *user, *peer;
    uint16_t settled_here, settled_there;
};

static struct ends *ends; /* of the case that runs: the events have no place for it */

static void on_settled(struct association_events *events, uint16_t number)
{
    *(events == &ends->user->events ? &ends->settled_here : &ends->settled_there) = number;
}

static void begin(struct ends *self, bool auth)
{
    *self = (struct ends){
        .bed = {.ops = &udp_ops, .options = bed_default_options()},
    };
    ends = self;
    self->bed.options.auth = auth;
    bed_open_at(&self->bed, "127.0.0.1:0", "127.0.0.1:0");
    struct address address;
    self->relay = relay_open(&self->bed, &address);
    self->user = bed_user_new(&self->bed);
    must(association_connect(self->bed.client, &address, 1, &self->user->events,
                             &self->user->association) == ERR_OK);
    bed_wait(&self->bed, bed_both_up, self->user, 5 * SECOND);
    self->peer = bed_latest(&self->bed);
    self->user->events.on_auth_settled = self->peer->events.on_auth_settled = on_settled;
}

static void end(struct ends *self)
{
    relay_close(self->relay);
    bed_close(&self->bed);
    free(self->user);
}

static enum err add(struct bed_user *user, uint16_t number, uint8_t seed)
{
    uint8_t key[TRANSPORT_AUTH_KEY];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(seed + i);
    return association_auth_add(user->association, number, key);
}

static bool both_settled(void *argument)
{
    const uint16_t *number = argument;
    return ends->settled_here == *number && ends->settled_there == *number;
}

/* As two ends do it that tell each other. */
static bool change_key(struct ends *self, uint16_t old, uint16_t number)
{
    return add(self->user, number, (uint8_t)number) == ERR_OK &&
           add(self->peer, number, (uint8_t)number) == ERR_OK &&
           association_auth_use(self->user->association, number) == ERR_OK &&
           association_auth_use(self->peer->association, number) == ERR_OK &&
           bed_wait(&self->bed, both_settled, &number, 5 * SECOND) &&
           association_auth_drop(self->user->association, old) == ERR_OK &&
           association_auth_drop(self->peer->association, old) == ERR_OK;
}

static bool arrives(struct bed_user *from, struct bed_user *to, uint64_t within_us)
{
    uint64_t before = to->messages;
    bed_send(from, 1, (uint32_t)before, 5000, 0);
    return bed_wait_messages(to, before + 1, within_us);
}

/* ---- forged packets ---- */

static void forged_abort(bool auth)
{
    struct ends self;
    begin(&self, auth);
    if (auth)
        ok(change_key(&self, 0, 1), "both ends take a key");
    must(arrives(self.user, self.peer, SECOND) && arrives(self.peer, self.user, SECOND));
    forge(self.relay, PACKET_CHUNK_ABORT, 0, true);
    forge(self.relay, PACKET_CHUNK_ABORT, 0, false);
    if (auth) {
        ok(arrives(self.user, self.peer, SECOND) && arrives(self.peer, self.user, SECOND) &&
               !self.user->down && !self.peer->down,
           "with authentication a forged ABORT ends nothing");
        forge(self.relay, PACKET_CHUNK_ABORT, 1, true);
        forge(self.relay, PACKET_CHUNK_ABORT, 1, false);
        init_again(self.relay);
        bed_run(&self.bed, SECOND * 3 / 2);
        ok(arrives(self.user, self.peer, SECOND) && arrives(self.peer, self.user, SECOND) &&
               !self.user->down && !self.peer->down,
           "nor one with the tag reflected, nor an INIT again");
    } else {
        bed_wait_down(self.user, SECOND);
        bed_wait_down(self.peer, SECOND);
        ok(self.user->reason == ERR_TRANSPORT_ABORTED && self.peer->reason == ERR_TRANSPORT_ABORTED,
           "without authentication one forged ABORT ends an association (%s, %s)",
           err_name(self.user->reason), err_name(self.peer->reason));
    }
    end(&self);
}

static void before_a_key(void)
{
    struct ends self;
    begin(&self, true);
    forge(self.relay, PACKET_CHUNK_ABORT, 0, true);
    forge(self.relay, PACKET_CHUNK_ABORT, 0, false);
    ok(arrives(self.user, self.peer, SECOND) && arrives(self.peer, self.user, SECOND),
       "chunks without authentication are refused from the beginning");
    association_close(self.user->association, ASSOCIATION_ABORT, "a real one");
    ok(bed_wait_down(self.peer, SECOND) && self.peer->reason == ERR_TRANSPORT_ABORTED &&
           !strcmp(self.peer->detail, "a real one"),
       "the peer's own ABORT is heard (%s)", self.peer->detail);
    end(&self);
}

/* ---- keys ---- */

static void wrong_key(void)
{
    struct ends self;
    begin(&self, true);
    must(add(self.user, 1, 1) == ERR_OK && add(self.peer, 1, 2) == ERR_OK);
    must(arrives(self.user, self.peer, SECOND));
    must(association_auth_use(self.user->association, 1) == ERR_OK);
    ok(!arrives(self.user, self.peer, SECOND / 2), "with another key nothing arrives");
    end(&self);
}

static void dropped_key(void)
{
    struct ends self;
    begin(&self, true);
    must(add(self.peer, 1, 1) == ERR_OK && add(self.user, 1, 1) == ERR_OK);
    must(association_auth_use(self.peer->association, 1) == ERR_OK);
    must(arrives(self.user, self.peer, SECOND));
    ok(association_auth_drop(self.peer->association, 0) == ERR_OK, "key 0 can be dropped");
    ok(!arrives(self.user, self.peer, SECOND / 2), "what has a dropped key does not arrive");
    end(&self);
}

static void unknown_key(void)
{
    struct ends self;
    begin(&self, true);
    ok(association_auth_use(self.user->association, 7) == ERR_TRANSPORT_SOCKET,
       "a key that was never added cannot be used");
    ok(association_auth_drop(self.user->association, 0) == ERR_TRANSPORT_SOCKET,
       "nor the one in use be dropped");
    end(&self);
}

#define ROUNDS 20

static void under_load(void)
{
    struct ends self;
    begin(&self, true);
    uint32_t sent = 0;
    bool changed = true;
    for (uint16_t round = 0; round < ROUNDS && changed; round++) {
        for (unsigned i = 0; i < 50; i++, sent++) {
            bed_send(self.user, 1, sent, 16000, 0);
            bed_send(self.peer, 1, sent, 16000, 0);
        }
        changed = change_key(&self, round, (uint16_t)(round + 1));
    }
    ok(changed && self.settled_here == ROUNDS, "keys change %d times under load (%u, %u)", ROUNDS,
       self.settled_here, self.settled_there);
    ok(bed_wait_messages(self.peer, sent, 5 * SECOND) &&
           bed_wait_messages(self.user, sent, 5 * SECOND) && !self.user->disorders &&
           !self.peer->disorders && !self.user->damaged && !self.peer->damaged,
       "and all %u messages arrive each way, whole and in order", sent);
    end(&self);
}

/* ---- ends that differ, and peers that are gone ---- */

static void ends_differ(bool client_has)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.auth = !client_has;
    bed_open_at(&bed, NULL, "127.0.0.1:0");
    bed.options.auth = client_has;
    bed.client = bed_open_one(&bed, "127.0.0.1:0", NULL);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    bed_wait_down(user, SECOND);
    struct bed_user *peer = bed.accepted_count ? bed_latest(&bed) : NULL;
    if (client_has && peer)
        bed_wait_down(peer, SECOND);
    ok(client_has ? user->reason == ERR_TRANSPORT_AUTH && !user->ups
                  : user->down && !strcmp(user->detail, AUTH_MISSING),
       "%s: the client is told so (%s: %s)",
       client_has ? "only the client authenticates" : "only the server", err_name(user->reason),
       user->detail);
    if (client_has)
        ok(peer && peer->reason == ERR_TRANSPORT_ABORTED && !strcmp(peer->detail, AUTH_MISSING),
           "and the server, too");
    else
        ok(!peer, "and the server's user never sees it");
    bed_close(&bed);
    free(user);
}

/* The client dies without a word and comes back at the same port. */
static void peer_restarts(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.auth = true;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *old = bed_connect(&bed), *old_peer = bed_latest(&bed);
    struct address same_port = *transport_local(bed.client);
    must(arrives(old, old_peer, SECOND));
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
    ok(arrives(user, peer, SECOND), "and data flows");
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
    must(arrives(user, bed_latest(&bed), SECOND));
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
    wrong_key();
    dropped_key();
    unknown_key();
    under_load();
    ends_differ(true);
    ends_differ(false);
    peer_restarts();
    server_restarts();
    through_a_small_path();
    return tap_done();
}
