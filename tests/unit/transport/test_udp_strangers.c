/* People without credentials: what one packet of theirs must not do. Their floods are in
 * test_udp_garbage. */
#include "tests/unit/transport/stranger.h"
#include "transport/udp/unverified.h"

static void open_bed(struct bed *bed)
{
    *bed = (struct bed){.ops = &udp_ops, .options = bed_default_options()};
    bed->options.mtu = 1500;
    bed_open_at(bed, "127.0.0.1:0", "127.0.0.1:0");
}

/* ---- INIT and INIT ACK ---- */

static const struct address *server_of(struct bed *bed)
{
    return transport_local(bed->server);
}

/* An INIT with count parameters of this type and size; what came back. */
static struct heard *ask(struct bed *bed, int fd, uint16_t port, uint16_t type, size_t size,
                         size_t count, size_t *asked)
{
    static uint8_t parameters[PACKET_MAX], packet[PACKET_MAX];
    struct wire_writer writer = wire_writer(parameters, sizeof parameters);
    memset(parameters, 0, sizeof parameters);
    for (size_t i = 0; i < count; i++) {
        wire_put_u16(&writer, type);
        wire_put_u16(&writer, (uint16_t)(4 + size));
        writer.at += (size + 3) & ~(size_t)3;
    }
    *asked = stranger_init(packet, port, UDP_SCTP_PORT, 0x2234567u + port, parameters,
                           (size_t)(writer.at - parameters));
    stranger_send(fd, server_of(bed), packet, *asked);
    bed_run(bed, SECOND / 100);
    return stranger_answers(fd);
}

static void large_inits(void)
{
    struct bed bed;
    struct address own;
    size_t asked;
    open_bed(&bed);
    bool bounded = true;
    unsigned answered = 0;
    uint16_t port = 50000;
    static const size_t counts[] = {0, 1, 2, 10, 100, 300, 1000, 3270, 3271, 6540, 13000};
    static const uint16_t types[] = {0xc0fe, 0x40fe, 0x80fe, 0x00fe, 0x8002, 0x8003,
                                     0x8004, 0x8008, 5,      7,      11,     0xc000};
    for (unsigned t = 0; t < sizeof types / sizeof *types; t++) {
        int fd = stranger_socket_at(10 + t, &own); /* one source would not get so many answers */
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            size_t size = t & 1 ? 0 : 4 * (c & 1); /* also such that fill INIT ACK differently */
            if (counts[c] * (4 + size) > 65000)
                continue;
            struct heard *answers = ask(&bed, fd, ++port, types[t], size, counts[c], &asked);
            if (answers->bytes > 3 * asked) {
                tap_note("%zu of type %04x: %zu bytes for %zu", counts[c], types[t], answers->bytes,
                         asked);
                bounded = false;
            }
            answered += answers->count;
        }
        close(fd);
    }
    ok(true, "INITs of every size and content are survived");
    ok(bounded && answered > 20,
       "and none is answered with more than three times its size (%u are)", answered);
    struct bed_user *user = bed_connect(&bed);
    ok(user->up, "and a client gets in");
    bed_close(&bed);
    free(user);
}

/* An observer of the client's INIT answers it before the server can. */
static bool swell_init_ack(struct observer *self, uint8_t *bytes, size_t length, bool to_server)
{
    static uint8_t swollen[PACKET_MAX];
    if (to_server || bytes[SCTP_HEADER] != SCTP_CHUNK_INIT_ACK)
        return true;
    size_t size = 60000;
    memcpy(swollen, bytes, length);
    for (size_t i = 0; i < size; i += 4)
        memcpy(swollen + length + i, (const uint8_t[]){0xc0, 0xfe, 0, 4}, 4);
    swollen[SCTP_HEADER + 2] = (uint8_t)((length - SCTP_HEADER + size) >> 8);
    swollen[SCTP_HEADER + 3] = (uint8_t)(length - SCTP_HEADER + size);
    sctp_wire_seal(swollen, length + size);
    stranger_send(self->front.fd, &self->client, swollen, length + size);
    return true; /* the server's own comes behind it */
}

static void large_init_ack(void)
{
    struct bed bed;
    open_bed(&bed);
    struct observer *observer = observer_new(&bed);
    observer->on_packet = swell_init_ack;
    struct bed_user *user = observer_connect(&bed, observer);
    ok(user->up, "an INIT ACK of 60 KB is survived, and not believed");
    observer_free(observer);
    bed_close(&bed);
    free(user);
}

/* ---- what ends inside a call ---- */

struct watched {
    struct observer *observer;
    struct bed_user *server_side;
    int fd;
    bool answered, sent;
    uint32_t tag;
};

static bool is_inactive(const struct watched *w)
{
    struct association_status status;
    association_status(w->server_side->association, &status);
    for (size_t i = 0; i < status.path_count; i++)
        if (status.paths[i].state == PATH_INACTIVE)
            return true;
    return false;
}

/* Answers one question of the server's as the client would, then no more; when the path is given
 * up, repeats a SACK of the client's there. */
static bool make_path_and_leave_it(void *argument)
{
    struct watched *w = argument;
    uint8_t packet[2000];
    ssize_t length;
    while ((length = recv(w->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
        if (length < PROBE_SIZE || packet[SCTP_HEADER] != SCTP_CHUNK_HEARTBEAT || w->answered)
            continue;
        probe_reply(packet, w->tag, 0);
        stranger_send(w->fd, &w->observer->server, packet, PROBE_SIZE);
        w->answered = true;
    }
    if (w->answered && !w->sent && w->server_side->association && is_inactive(w)) {
        stranger_send(w->fd, &w->observer->server, w->observer->sack, w->observer->sack_length);
        w->sent = true;
    }
    return w->sent;
}

static void path_that_ends_under_a_packet(void)
{
    struct bed bed;
    struct address own;
    open_bed(&bed);
    struct observer *observer = observer_new(&bed);
    struct bed_user *user = observer_connect(&bed, observer);
    struct watched w = {.observer = observer,
                        .server_side = bed_latest(&bed),
                        .fd = stranger_socket(&own),
                        .tag = observer->server_tag};
    w.server_side->echo = true;
    for (uint32_t i = 0; i < 4; i++)
        bed_send(user, 1, i, 100, 0);
    bed_wait_messages(user, 4, SECOND);
    bed_run(&bed, SECOND / 2); /* the SACK of the last echo */
    must(observer->sack_length);
    struct probe probe = {.path = 0, .nonce = {1, 2, 3}};
    uint8_t packet[PROBE_SIZE];
    probe_request(packet, PROBE_SIZE, observer->ports, w.tag, &probe);
    stranger_send(w.fd, &observer->server, packet, sizeof packet);
    ok(bed_wait(&bed, make_path_and_leave_it, &w, 15 * SECOND),
       "a path of somebody who saw packets comes and goes");
    bed_run(&bed, SECOND / 10);
    ok(user->up && w.server_side->up, "a packet there just when it ends is survived");
    close(w.fd);
    observer_free(observer);
    bed_close(&bed);
    free(user);
}

/* ---- what is believed before it is known ---- */

/* A client with two paths to a server, of which the second goes by the observer. */
static struct bed_user *connect_by_two(struct bed *bed, struct observer *observer)
{
    struct address remotes[2] = {*transport_local(bed->server), observer->front_address};
    struct bed_user *user = bed_user_new(bed);
    must(association_connect(bed->client, remotes, 2, &user->events, &user->association) == ERR_OK);
    bed_wait(bed, bed_both_up, user, 5 * SECOND);
    return user;
}

static size_t active_paths(struct bed_user *user)
{
    struct association_status status = {0};
    size_t active = 0;
    if (user->association)
        association_status(user->association, &status);
    for (size_t i = 0; i < status.path_count; i++)
        active += status.paths[i].state == PATH_ACTIVE;
    return active;
}

static bool has_two_paths(void *user)
{
    return active_paths(user) == 2;
}

static void init_to_a_client(void)
{
    struct bed bed;
    uint8_t packet[PACKET_MAX];
    open_bed(&bed);
    struct observer *observer = observer_new(&bed);
    struct bed_user *user = connect_by_two(&bed, observer);
    ok(bed_wait(&bed, has_two_paths, user, 5 * SECOND), "a client has two paths");
    for (int i = 0; i < 2; i++) { /* to the port of its association, to the one of endpoints */
        size_t length = stranger_init(packet, UDP_SCTP_PORT,
                                      i ? UDP_SCTP_PORT : observer->ports.source, 77, "", 0);
        stranger_send(observer->front.fd, &observer->client, packet, length);
        bed_run(&bed, SECOND / 50);
    }
    ok(active_paths(user) == 2, "an INIT from one of the server's addresses takes none away");
    if (bed_auth) { /* an observer of the tags says that nobody is there */
        stranger_chunk(packet,
                       (struct packet_ports){observer->ports.destination, observer->ports.source},
                       observer->server_tag, SCTP_CHUNK_ABORT << 8 | 1, "", 0);
        stranger_send(observer->front.fd, &observer->client, packet, SCTP_HEADER + 4);
        loop_turn(bed.loop, 0);
        loop_turn(bed.loop, 0);
        ok(active_paths(user) == 2, "nor does an ABORT that nothing authenticates");
    }
    bed_run(&bed, SECOND * 3 / 2);
    ok(active_paths(user) == 2 && user->up, "nor a second later");
    observer_free(observer);
    bed_close(&bed);
    free(user);
}

static struct udp_association *inside(struct bed_user *user)
{
    return container_of(user->association, struct udp_association, base);
}

/* 200 DATA that are far ahead, HEARTBEAT ACK and a SACK of what was never sent,
 * from the client's own address; AUTH with a MAC that is none in front of them, if mac. */
static void send_false_ones(struct observer *observer, uint32_t tag, bool mac)
{
    static uint8_t packet[PACKET_MAX], with[PACKET_MAX];
    static const uint8_t auth[28] = {SCTP_CHUNK_AUTH, 0, 0, 28, 0, 0, 0, 1};
    for (uint32_t i = 0; i < 202; i++) {
        size_t length =
            i < 200 ? stranger_data(packet, observer->ports, tag, observer->acknowledged + 5000 + i,
                                    1000)
            : i == 200 ? stranger_chunk(packet, observer->ports, tag, SCTP_CHUNK_HEARTBEAT_ACK << 8,
                                        "\0\1\0\10abcd", 8)
                       : stranger_sack(packet, observer->ports, tag, observer->acknowledges + 100);
        if (!mac || i == 200) {
            stranger_send(observer->back.fd, &observer->server, packet, length);
            continue;
        }
        memcpy(with, packet, SCTP_HEADER);
        memcpy(with + SCTP_HEADER, auth, sizeof auth);
        memcpy(with + SCTP_HEADER + sizeof auth, packet + SCTP_HEADER, length - SCTP_HEADER);
        sctp_wire_seal(with, length + sizeof auth);
        stranger_send(observer->back.fd, &observer->server, with, length + sizeof auth);
    }
}

static bool nothing_to_the_server(struct observer *self, uint8_t *bytes, size_t length,
                                  bool to_server)
{
    (void)self;
    (void)bytes;
    (void)length;
    return !to_server;
}

static size_t held_by(const struct udp_association *self)
{
    struct sctp_status status;
    sctp_association_status(self->engine, &status);
    return status.held;
}

static void what_is_not_the_peers(void)
{
    struct bed bed;
    open_bed(&bed);
    struct observer *observer = observer_new(&bed);
    struct bed_user *user = observer_connect(&bed, observer), *server_side = bed_latest(&bed);
    server_side->echo = true;
    for (uint32_t i = 0; i < 4; i++)
        bed_send(user, 1, i, 100, 0);
    bed_wait_messages(user, 4, SECOND);
    bed_run(&bed, SECOND / 5);
    observer->on_packet = nothing_to_the_server; /* its heartbeats would be a sign of life */
    bed_run(&bed, SECOND / 50);
    struct udp_association *peer = inside(server_side);
    uint64_t heard_us = peer->heard_us = 1;
    struct sctp_net_status before, after;
    must(sctp_association_net_status(peer->engine, 0, &before));
    send_false_ones(observer, observer->server_tag ^ 0x100, bed_auth);
    bed_run(&bed, SECOND / 20);
    must(sctp_association_net_status(peer->engine, 0, &after));
    ok(!held_by(peer), "DATA with another tag is not kept");
    ok(before.srtt_us == after.srtt_us, "nor HEARTBEAT ACK or a SACK measured");
    ok(peer->heard_us == heard_us, "nor is any of it a sign of life");
    send_false_ones(observer, observer->server_tag, bed_auth);
    loop_turn(bed.loop, 0);
    loop_turn(bed.loop, 0);
    must(sctp_association_net_status(peer->engine, 0, &after));
    ok(before.srtt_us == after.srtt_us,
       "with the right tag HEARTBEAT ACK is measured only if it is the answer");
    if (bed_auth)
        ok(peer->heard_us == heard_us && !held_by(peer),
           "and nothing is believed, or kept, without a good MAC");
    ok(user->up && server_side->up, "and nothing has ended");
    observer_free(observer);
    bed_close(&bed);
    free(user);
}

/* ---- before the peer has proved who it is ---- */

/* DATA of this size from TSN 2 on, of which the first is missing. Returns what was sent. */
static size_t send_all_but_first(struct observer *observer, struct bed *bed, size_t bytes,
                                 uint32_t first)
{
    static uint8_t packet[PACKET_MAX];
    size_t sent = 0;
    for (uint32_t i = 0; sent < bytes; i++) {
        sent += stranger_data(packet, observer->ports, observer->server_tag, first + i, 1000);
        stranger_send(observer->back.fd, &observer->server, packet, SCTP_HEADER + 16 + 1000);
        loop_turn(bed->loop, 0);
    }
    return sent;
}

static bool is_settled(void *user)
{
    return ((struct bed_user *)user)->up || ((struct bed_user *)user)->down;
}

static struct bed_user *connect_to(struct bed *bed, const struct address *to)
{
    struct bed_user *user = bed_user_new(bed);
    must(association_connect(bed->client, to, 1, &user->events, &user->association) == ERR_OK);
    bed_wait(bed, is_settled, user, 5 * SECOND);
    return user;
}

static struct bed_user *connect_one(struct bed *bed)
{
    return connect_to(bed, transport_local(bed->server));
}

/* The server's user hears of it by its first message. */
static struct bed_user *connect_and_say(struct bed *bed, const struct address *to)
{
    unsigned before = bed->accepted_count;
    struct bed_user *user = connect_to(bed, to);
    bed_send(user, 1, 0, 100, 0);
    while (bed->accepted_count == before && !user->down)
        loop_turn(bed->loop, 20000);
    return user;
}

#define MANY 80 /* 80 times what one may keep is more than all may */

static void what_the_unverified_may_keep(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    static struct bed_user *users[MANY], *server_side[MANY];
    static struct observer *observers[MANY];
    bed.options.distrusts = true;
    bed.options.max_associations = 2 * MANY;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct udp *server = container_of(bed.server, struct udp, base);
    for (int i = 0; i < MANY; i++) {
        observers[i] = observer_new_at(&bed, 2 + (unsigned)i / 40);
        users[i] = connect_and_say(&bed, &observers[i]->front_address);
        server_side[i] = bed_latest(&bed);
        for (uint32_t k = 1; k < 24; k++)
            bed_send(users[i], 1, k, 1000, 0);
        bed_wait_messages(server_side[i], 24, SECOND);
    }
    ok(server_side[MANY - 1]->messages == 24,
       "those that are not verified can say what a handshake says");
    size_t most = 0;
    for (int i = 0; i < MANY; i++) {
        send_all_but_first(observers[i], &bed, 300000, observers[i]->acknowledged + 30);
        size_t held = held_by(inside(server_side[i]));
        most = held > most ? held : most;
    }
    ok(most > 100000 && most <= UDP_UNVERIFIED_ONE, "one takes no more than its share (%zu)", most);
    ok(server->unverified.held > UDP_UNVERIFIED_ALL / 2 &&
           server->unverified.held <=
               UDP_UNVERIFIED_ALL + MANY * (UDP_UNVERIFIED_LEAST + UDP_UNVERIFIED_ADDED),
       "all no more than theirs (%zu)", server->unverified.held);
    for (int i = 0; i < MANY; i++)
        association_trust(server_side[i]->association);
    ok(!server->unverified.held && !server->unverified.count, "who is verified does not count");
    struct bed_user *late = connect_and_say(&bed, transport_local(bed.server)),
                    *peer = bed_latest(&bed);
    association_trust(peer->association);
    for (uint32_t k = 0; k < 300; k++)
        bed_send(late, 2, k, 10000, 0);
    ok(bed_wait_messages(peer, 301, 5 * SECOND), "nor is bounded by it");
    for (int i = 0; i < MANY; i++)
        observer_free(observers[i]);
    bed_close(&bed);
    ok(true, "all of it is given back");
    for (int i = 0; i < MANY; i++)
        free(users[i]);
    free(late);
}

/* Associations that come up and never say who they are. */
static bool bed_connect_and_free(struct bed *bed)
{
    struct bed_user *user = connect_one(bed);
    bool up = user->up;
    association_close(user->association, ASSOCIATION_ABORT, NULL);
    bed_wait_down(user, SECOND);
    free(user);
    return up;
}

/* Of one source: so few that all of them are young until the test has looked. */
#define FEW 64

static void those_who_never_say(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    struct bed_user *users[FEW], *late;
    bed.options.distrusts = true;
    bed.options.max_associations = FEW + 2;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    container_of(bed.server, struct udp, base)->unverified.most_of_source = FEW;
    unsigned up = 0;
    for (int i = 0; i < FEW; i++) {
        users[i] = i ? connect_one(&bed) : connect_and_say(&bed, transport_local(bed.server));
        up += users[i]->up;
    }
    ok(bed.accepted_count == 1, "of those who say nothing the acceptor hears nothing");
    ok(up == FEW, "one source may have so many (%u)", up);
    late = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &late->events,
                             &late->association) == ERR_OK);
    ok(bed_wait_down(late, SECOND) && !late->ups && late->reason == ERR_TRANSPORT_REFUSED &&
           !users[0]->down,
       "and no more while they are young: %s", late->detail);
    free(late);
    bed_run(&bed, SECOND);
    association_trust(bed.accepted[0]->association);
    late = connect_one(&bed);
    ok(late->up && bed_connect_and_free(&bed) && users[1]->down && users[0]->up,
       "then the oldest makes room for its own, but not one that is verified");
    ok(bed_connect_and_free(&bed) && bed_connect_and_free(&bed) && bed_connect_and_free(&bed) &&
           users[0]->up && late->up,
       "where there may be no more in all, strangers make room for strangers");
    bed_close(&bed);
    for (int i = 0; i < FEW; i++)
        free(users[i]);
    free(late);
}

static void those_who_are_silent(void)
{
    struct bed bed = {.ops = &udp_ops, .options = bed_default_options()};
    bed.options.distrusts = true;
    bed.options.connect_timeout_us = SECOND / 2;
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    struct bed_user *user = connect_one(&bed);
    ok(user->up && bed_wait_down(user, 2 * SECOND) && user->reason == ERR_TRANSPORT_ABORTED &&
           !bed.accepted_count,
       "who is up and says nothing is put out in time: %s", user->detail);
    bed_close(&bed);
    free(user);
}

int main(void)
{
    what_the_unverified_may_keep();
    those_who_never_say();
    those_who_are_silent();
    for (int i = 0; i < 2; i++) {
        bed_auth = i;
        large_inits();
        large_init_ack();
        path_that_ends_under_a_packet();
        init_to_a_client();
        what_is_not_the_peers();
    }
    return tap_done();
}
