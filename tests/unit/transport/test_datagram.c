/* UDP sockets that move packets in bulk. */
#include "transport/udp/datagram.h"

#include <string.h>
#include <unistd.h>

#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"
#include "transport/udp/datagram_batch.h"

static struct {
    unsigned packets, batches, refused;
    size_t bytes, sizes[400];
    bool damaged;
    struct address own, from;
} got;

static void on_packet(struct datagram_socket *self, const struct address *from,
                      const struct address *own, uint8_t *packet, size_t length)
{
    (void)self;
    got.from = *from;
    got.own = *own;
    for (size_t i = 1; i < length; i++)
        got.damaged = got.damaged || packet[i] != (uint8_t)(packet[0] + i);
    if (got.packets < 400)
        got.sizes[got.packets] = length;
    got.packets++;
    got.bytes += length;
}

static void on_batch_end(struct datagram_socket *self)
{
    (void)self;
    got.batches++;
}

static void on_refused(struct datagram_socket *self, const struct address *peer)
{
    (void)self;
    (void)peer;
    got.refused++;
}

static void open_socket(struct datagram_socket *socket, struct loop *loop, const char *local)
{
    static const struct datagram_events events = {
        .on_packet = on_packet, .on_batch_end = on_batch_end, .on_refused = on_refused};
    *socket = (struct datagram_socket){.events = &events};
    struct address address = bed_address(local);
    char why[128];
    must(datagram_open(socket, loop, &address, false, why, sizeof why) == ERR_OK);
}

static void send_packet(struct datagram_socket *socket, const struct address *to, uint8_t first,
                        size_t length)
{
    static uint8_t packet[65536];
    for (size_t i = 0; i < length; i++)
        packet[i] = (uint8_t)(first + i);
    struct datagram_route route;
    memset(&route, 0, sizeof route);
    route.to = *to;
    route.gso = true;
    datagram_send(socket, &route, packet, length);
}

static void wait_for_packets(struct loop *loop, unsigned count)
{
    for (int turns = 0; got.packets < count && turns < 100; turns++)
        loop_turn(loop, 10000);
}

static void bulk(struct loop *loop)
{
    struct datagram_socket a, b;
    open_socket(&a, loop, "127.0.0.1:0");
    open_socket(&b, loop, "127.0.0.1:0");
    memset(&got, 0, sizeof got);
    for (unsigned i = 0; i < 200; i++)
        send_packet(&a, &b.local, (uint8_t)i, 1400);
    send_packet(&a, &b.local, 7, 90);
    ok(!got.packets, "packets collect");
    datagram_flush(&a);
    wait_for_packets(loop, 201);
    ok(got.packets == 201 && !got.damaged, "and arrive one by one (%u)", got.packets);
    ok(got.sizes[0] == 1400 && got.sizes[200] == 90, "with their sizes, in order");
    ok(a.counters.calls_out <= 2, "by %lu system calls", (unsigned long)a.counters.calls_out);
    memset(&got, 0, sizeof got);
    for (unsigned i = 1; i <= 300; i++) /* growing: none fits the batch before */
        send_packet(&a, &b.local, (uint8_t)i, i);
    datagram_flush(&a);
    wait_for_packets(loop, 300);
    ok(got.packets == 300 && got.bytes == 300 * 301 / 2 && !got.damaged, "sizes may change");
    memset(&got, 0, sizeof got);
    for (unsigned i = 0; i < 20; i++)
        send_packet(&a, &b.local, (uint8_t)i, 60000);
    datagram_flush(&a);
    wait_for_packets(loop, 20);
    ok(got.packets == 20 && !got.damaged, "large packets arrive, too");
    memset(&got, 0, sizeof got);
    for (unsigned i = 0; i < 4; i++)
        send_packet(&a, &b.local, (uint8_t)i, i % 2 ? 30000 : 300);
    ok(!a.batch_count, "a packet of a record leaves at once");
    wait_for_packets(loop, 4);
    ok(got.packets == 4 && got.sizes[0] == 300 && got.sizes[1] == 30000 && got.sizes[2] == 300 &&
           !got.damaged,
       "behind what was collected before it");
    datagram_close(&a);
    datagram_close(&b);
}

/* Without checksums the kernel refuses GSO (EINVAL), as it does on devices without checksums. */
static void gso_refused(struct loop *loop)
{
    struct datagram_socket a, b;
    open_socket(&a, loop, "127.0.0.1:0");
    open_socket(&b, loop, "127.0.0.1:0");
    int on = 1;
    must(setsockopt(a.fd.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == 0);
    memset(&got, 0, sizeof got);
    for (unsigned i = 0; i < 40; i++)
        send_packet(&a, &b.local, (uint8_t)i, 1400);
    datagram_flush(&a);
    ok(a.counters.calls_out > 0 && !a.counters.dropped_out, "where GSO is refused");
    wait_for_packets(loop, 40);
    ok(got.packets == 40 && !got.damaged, "packets go one by one");
    datagram_close(&a);
    datagram_close(&b);
}

static void refusal(struct loop *loop)
{
    struct datagram_socket a, b;
    open_socket(&a, loop, "127.0.0.1:0");
    open_socket(&b, loop, "127.0.0.1:0");
    struct address gone = b.local;
    datagram_close(&b);
    memset(&got, 0, sizeof got);
    send_packet(&a, &gone, 1, 100);
    datagram_flush(&a);
    for (int turns = 0; !got.refused && turns < 100; turns++)
        loop_turn(loop, 10000);
    ok(got.refused == 1, "a closed port is reported");
    open_socket(&b, loop, "127.0.0.1:0");
    send_packet(&a, &gone, 1, 100);
    datagram_flush(&a); /* leaves an error pending at the socket */
    send_packet(&a, &b.local, 1, 100);
    datagram_flush(&a);
    wait_for_packets(loop, 1);
    ok(got.packets == 1, "and costs no packet to others");
    datagram_close(&a);
    datagram_close(&b);
}

static void addresses(struct loop *loop)
{
    struct datagram_socket four, six;
    open_socket(&four, loop, "127.0.0.1:0");
    open_socket(&six, loop, "[::]:0");
    struct address peer = bed_address("1.2.3.4:56"), wire;
    ok(datagram_wire_address(&four, &peer, &wire) && address_equal(&wire, &peer),
       "an IPv4 socket takes IPv4 as it is");
    ok(datagram_wire_address(&six, &peer, &wire) && wire.any.sa_family == AF_INET6,
       "an IPv6 socket as mapped address");
    struct address plain = datagram_plain_address(&wire);
    ok(address_equal(&plain, &peer), "which maps back");
    struct address other = bed_address("[::1]:5");
    ok(!datagram_wire_address(&four, &other, &wire), "IPv6 cannot be reached by an IPv4 socket");
    datagram_close(&four);
    datagram_close(&six);
}

static void own_address(struct loop *loop)
{
    struct datagram_socket a, b;
    open_socket(&a, loop, "127.0.0.1:0");
    open_socket(&b, loop, "0.0.0.0:0");
    memset(&got, 0, sizeof got);
    struct address to = bed_address("127.0.0.5:0");
    to.in.sin_port = b.local.in.sin_port;
    send_packet(&a, &to, 1, 100);
    datagram_flush(&a);
    wait_for_packets(loop, 1);
    ok(got.packets == 1 && got.own.in.sin_addr.s_addr == to.in.sin_addr.s_addr,
       "a wildcard socket tells where a packet came in");
    struct datagram_route back;
    memset(&back, 0, sizeof back);
    back.to = a.local;
    back.from = got.own;
    datagram_send(&b, &back, "\1", 1);
    datagram_flush(&b);
    wait_for_packets(loop, 2);
    ok(got.packets == 2 && got.from.in.sin_addr.s_addr == to.in.sin_addr.s_addr && !got.own.length,
       "and answers from there");
    datagram_close(&a);
    datagram_close(&b);
}

static bool append(struct datagram_batch *batch, const struct datagram_route *route, size_t length)
{
    uint8_t *room = datagram_batch_room(batch, route, length);
    if (room) {
        memset(room, 1, length);
        datagram_batch_add(batch, length);
    }
    return room;
}

static void begin(struct datagram_batch *batch, const struct datagram_route *route, size_t length)
{
    datagram_batch_begin(batch, route);
    must(append(batch, route, length));
}

/* A packet written into the batch itself, which turns out shorter. */
static void reserved(struct loop *loop)
{
    struct datagram_socket a, b;
    struct datagram_route route;
    open_socket(&a, loop, "127.0.0.1:0");
    open_socket(&b, loop, "127.0.0.1:0");
    memset(&got, 0, sizeof got);
    memset(&route, 0, sizeof route);
    route.to = b.local;
    route.gso = true;
    for (uint8_t i = 0; i < 4; i++) {
        size_t length = i == 2 ? 500 : 1400;
        uint8_t *room = datagram_reserve(&a, &route, 1400);
        for (size_t k = 0; k < length; k++)
            room[k] = (uint8_t)(i + k);
        datagram_commit(&a, length);
    }
    a.cut.above = 100; /* on its way out: nothing is left behind */
    must(datagram_reserve(&a, &route, 1400));
    datagram_commit(&a, 1400);
    ok(a.batch_count == 2 && a.batches[0].packets == 3,
       "three packets go together, the last short");
    datagram_flush(&a);
    wait_for_packets(loop, 4);
    ok(got.packets == 4 && got.sizes[2] == 500 && got.sizes[3] == 1400 && !got.damaged,
       "what was written in place arrives");
    datagram_close(&a);
    datagram_close(&b);
}

static void batches(void)
{
    struct datagram_batch *array = datagram_batch_new_array(), *batch = &array[0];
    struct datagram_route a = {.to = bed_address("127.0.0.1:1"), .gso = true}, b = a, c = a;
    b.to.in.sin_port++;
    c.from = a.to;
    begin(batch, &a, 1000);
    ok(append(batch, &a, 1000), "equal sizes join");
    ok(!append(batch, &b, 1000), "another peer does not");
    ok(!append(batch, &c, 1000), "nor another own address");
    ok(!append(batch, &a, 1001), "nor a larger packet");
    ok(append(batch, &a, 999), "a smaller one does");
    ok(!append(batch, &a, 999), "as the last");
    begin(batch, &a, 100);
    unsigned joined = 1;
    while (append(batch, &a, 100))
        joined++;
    ok(joined == 64, "at most 64 packets go together");
    begin(batch, &a, 40000);
    ok(!append(batch, &a, 40000), "and 64 KB");
    a.gso = false;
    begin(batch, &a, 100);
    ok(!append(batch, &a, 100), "none join for a peer that bears no GSO");
    datagram_batch_free_array(array);
}

/* ---- INITs ---- */

static unsigned inits, others;

static void count_kind(struct datagram_socket *self, const struct address *from,
                       const struct address *own, uint8_t *packet, size_t length)
{
    (void)self, (void)from, (void)own;
    static const uint8_t none[4];
    must(length >= 8);
    *(memcmp(packet + 4, none, sizeof none) ? &others : &inits) += 1;
}

static void flood(struct loop *loop)
{
    static const struct datagram_events events = {.on_packet = count_kind,
                                                  .on_batch_end = on_batch_end};
    struct datagram_socket server = {.events = &events, .sharers = 1};
    struct address address = bed_address("127.0.0.1:0");
    char why[128];
    must(datagram_open(&server, loop, &address, false, why, sizeof why) == ERR_OK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    uint8_t packet[32] = {0};
    for (int i = 0; i < 20000; i++)
        (void)!sendto(fd, packet, sizeof packet, 0, &server.local.any, server.local.length);
    packet[7] = 1; /* verification tag */
    (void)!sendto(fd, packet, sizeof packet, 0, &server.local.any, server.local.length);
    loop_turn(loop, 0);
    ok(others == 1, "a packet behind 20 000 INITs comes in the next turn");
    ok(inits > 0 && inits <= 16, "with a few of them (%u)", inits);
    for (unsigned before = 0; before != inits;) {
        before = inits;
        loop_turn(loop, 0);
    }
    ok(inits > 100 && inits < 15000, "their queue holds no more than %u", inits);
    close(fd);
    datagram_close(&server);
}

int main(void)
{
    struct loop *loop = loop_new();
    bulk(loop);
    own_address(loop);
    gso_refused(loop);
    refusal(loop);
    addresses(loop);
    batches();
    flood(loop);
    reserved(loop);
    loop_free(loop);
    return tap_done();
}
