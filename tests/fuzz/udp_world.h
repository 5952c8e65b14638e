/* tests/fuzz/udp_world.h: replaces the udp transport's surroundings, so that a run depends on its
 * input alone: a clock that moves only when it is told to, chance from a seed, and in place of
 * transport/udp/datagram.c a wire on which each packet lies until it is delivered. A header with
 * code, because each fuzz target is one source file; what it defines comes before the libraries'.
 */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/wire.h"
#include "transport/udp/datagram.h"
#include "transport/udp/packet.h"

#define WORLD_SOCKETS   4
#define WORLD_WIRE      128
#define WORLD_SEEN      32
#define WORLD_STRANGERS 12

struct world_packet {
    struct address from, to;
    size_t length;
    uint8_t *bytes; /* of the exact size, for the sanitizer */
};

static struct world {
    uint64_t now_us, random;
    struct datagram_socket *sockets[WORLD_SOCKETS];
    struct world_packet wire[WORLD_WIRE]; /* in the order in which it was sent */
    unsigned wire_count;
    struct world_packet seen[WORLD_SEEN]; /* ring of the latest */
    unsigned seen_count;
    size_t path_mtu; /* bytes of UDP that pass unfragmented */
    /* Strangers' addresses: what they have sent in their names, and what was sent to them. */
    size_t asked[WORLD_STRANGERS], answered[WORLD_STRANGERS];
    bool known[WORLD_STRANGERS]; /* somebody there has shown that he gets what is sent there */
    void (*on_sent)(const struct world_packet *packet);
} world;

/* ---- clock and chance ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC || !world.now_us)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = (time_t)(world.now_us / 1000000);
    now->tv_nsec = (long)(world.now_us % 1000000 * 1000);
    return 0;
}

static ssize_t world_random(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        world.random = world.random * 6364136223846793005ull + 1442695040888963407ull;
        to[i] = (uint8_t)(world.random >> 33);
    }
    return (ssize_t)size;
}

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    return world_random(to, size);
}

/* ---- addresses ---- */

static struct address world_address(uint8_t net, uint8_t host, uint16_t port)
{
    struct address address;
    memset(&address, 0, sizeof address);
    address.length = sizeof address.in;
    address.in.sin_family = AF_INET;
    address.in.sin_addr.s_addr = host ? htonl(0x0a000000u | (uint32_t)net << 8 | host) : 0;
    address.in.sin_port = htons(port);
    return address;
}

#define WORLD_STRANGE_NET 9

static struct address world_stranger(unsigned number)
{
    return world_address(WORLD_STRANGE_NET, (uint8_t)(1 + number % WORLD_STRANGERS), 7000);
}

/* -1: it is nobody's of them. */
static int world_is_stranger(const struct address *address)
{
    for (unsigned i = 0; i < WORLD_STRANGERS; i++) {
        struct address one = world_stranger(i);
        if (address_equal(address, &one))
            return (int)i;
    }
    return -1;
}

/* ---- the wire ---- */

static struct world_packet world_copy(const struct address *from, const struct address *to,
                                      const void *bytes, size_t length)
{
    struct world_packet packet = {.from = *from, .to = *to, .length = length};
    packet.bytes = malloc(length ? length : 1);
    must(packet.bytes);
    memcpy(packet.bytes, bytes, length);
    return packet;
}

static void world_remove(unsigned index)
{
    free(world.wire[index].bytes);
    world.wire_count--;
    memmove(world.wire + index, world.wire + index + 1,
            (world.wire_count - index) * sizeof *world.wire);
}

static void world_send(const struct datagram_socket *socket, const struct datagram_route *route,
                       const void *bytes, size_t length)
{
    struct address from = socket->local;
    if (socket->wildcard && route->from.length)
        from.in.sin_addr = route->from.in.sin_addr;
    struct world_packet *seen = &world.seen[world.seen_count++ % WORLD_SEEN];
    free(seen->bytes);
    *seen = world_copy(&from, &route->to, bytes, length);
    int stranger = world_is_stranger(&route->to);
    if (stranger >= 0)
        world.answered[stranger] += length;
    if (world.on_sent)
        world.on_sent(seen);
    if (world.wire_count == WORLD_WIRE)
        world_remove(0);
    world.wire[world.wire_count++] = world_copy(&from, &route->to, bytes, length);
}

static struct datagram_socket *world_socket_at(const struct address *to)
{
    for (unsigned i = 0; i < WORLD_SOCKETS; i++) {
        struct datagram_socket *one = world.sockets[i];
        if (one && (one->wildcard ? one->local.in.sin_port == to->in.sin_port &&
                                        (ntohl(to->in.sin_addr.s_addr) & 0xff) == 1
                                  : address_equal(&one->local, to)))
            return one;
    }
    return NULL;
}

/* As it would come out of a socket. */
static void world_arrive(const struct address *from, const struct address *to, const uint8_t *bytes,
                         size_t length)
{
    struct datagram_socket *socket = world_socket_at(to);
    if (!socket || !length)
        return;
    struct address own;
    memset(&own, 0, sizeof own);
    if (socket->wildcard) {
        own = *to;
        own.in.sin_port = 0;
    }
    struct world_packet packet = world_copy(from, to, bytes, length);
    socket->events->on_packet(socket, from, &own, packet.bytes, length);
    free(packet.bytes);
    socket->events->on_batch_end(socket);
}

static void world_deliver(unsigned index)
{
    struct world_packet packet = world.wire[index];
    world.wire[index].bytes = NULL;
    world_remove(index);
    world_arrive(&packet.from, &packet.to, packet.bytes, packet.length);
    free(packet.bytes);
}

static void world_begin(uint64_t seed, size_t path_mtu)
{
    world.now_us = 1000000000000ull;
    world.random = seed;
    world.path_mtu = path_mtu;
    memset(world.asked, 0, sizeof world.asked);
    memset(world.answered, 0, sizeof world.answered);
    memset(world.known, 0, sizeof world.known);
}

static void world_end(void)
{
    while (world.wire_count)
        world_remove(0);
    for (unsigned i = 0; i < WORLD_SEEN; i++) {
        free(world.seen[i].bytes);
        world.seen[i].bytes = NULL;
    }
    world.seen_count = 0;
    world.on_sent = NULL;
    world.now_us = 0;
}

/* ---- in place of transport/udp/datagram.c ---- */

enum err datagram_open(struct datagram_socket *self, struct loop *loop, const struct address *local,
                       bool ipv6_only, char *why, size_t why_size)
{
    (void)ipv6_only, (void)why, (void)why_size;
    self->local = *local;
    self->wildcard = local->in.sin_addr.s_addr == 0;
    self->loop = loop;
    for (unsigned i = 0; i < WORLD_SOCKETS; i++)
        if (!world.sockets[i]) {
            world.sockets[i] = self;
            return ERR_OK;
        }
    return ERR_TRANSPORT_SOCKET;
}

void datagram_close(struct datagram_socket *self)
{
    for (unsigned i = 0; i < WORLD_SOCKETS; i++)
        if (world.sockets[i] == self)
            world.sockets[i] = NULL;
}

bool datagram_wire_address(const struct datagram_socket *self, const struct address *peer,
                           struct address *wire)
{
    *wire = *peer;
    return peer->any.sa_family == self->local.any.sa_family;
}

struct address datagram_plain_address(const struct address *wire)
{
    return *wire;
}

static struct {
    struct datagram_route route;
    uint8_t bytes[DATAGRAM_BATCH_SIZE];
} world_reserved;

uint8_t *datagram_reserve(struct datagram_socket *self, const struct datagram_route *route,
                          size_t size)
{
    (void)self;
    must(size <= sizeof world_reserved.bytes);
    world_reserved.route = *route;
    return world_reserved.bytes;
}

void datagram_commit(struct datagram_socket *self, size_t length)
{
    datagram_send(self, &world_reserved.route, world_reserved.bytes, length);
}

void datagram_send(struct datagram_socket *self, const struct datagram_route *route,
                   const void *packet, size_t length)
{
    self->counters.packets_out++;
    world_send(self, route, packet, length);
}

void datagram_send_whole(struct datagram_socket *self, const struct datagram_route *route,
                         void *packet, size_t length)
{
    if (length <= world.path_mtu)
        datagram_send(self, route, packet, length);
}

void datagram_flush(struct datagram_socket *self)
{
    (void)self;
}
