/* transport/udp/datagram.h: a UDP socket that moves packets in bulk: recvmmsg with UDP_GRO in,
 * sendmmsg with UDP_SEGMENT (GSO) out. Knows nothing of SCTP.
 *
 * Packets to one peer collect in a batch while they are of one size (the last may be smaller);
 * datagram_flush sends all batches with one system call. GSO took the prototype from 3.0 to
 * 6.1 Gbit/s at 1452 bytes.
 *
 * GSO is the route's choice, not the socket's: datagrams of a GSO send that reach the SCTP
 * encapsulation socket of a Linux kernel over loopback or veth, still joined, panic that kernel
 * (seen with 6.1 and 7.2). At a socket that is bound to no address each packet tells the own
 * address at which it came, so that an answer can leave from there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "transport/udp/datagram_batch.h"

struct datagram_counters {
    uint64_t packets_in, packets_out;
    uint64_t calls_in, calls_out; /* system calls */
    uint64_t dropped_out;         /* socket buffer full, or an error of the system */
};

struct datagram_socket;

struct datagram_events {
    /* own: the address that the packet came to, at a wildcard socket; else of length 0. */
    void (*on_packet)(struct datagram_socket *self, const struct address *from,
                      const struct address *own, uint8_t *packet, size_t length);
    void (*on_batch_end)(struct datagram_socket *self); /* after each bulk of on_packet */
    void (*on_refused)(struct datagram_socket *self, const struct address *peer);
    /* The system does not send to peer: no route, no such own address any more; or packets are
     * larger than the route takes (each is then sent in IP fragments). NULL: not wanted. */
    void (*on_trouble)(struct datagram_socket *self, const struct address *peer, bool too_large);
};

/* Lost without a word, for tests. */
struct datagram_cut {
    bool in, out; /* everything: of vanished peers and broken paths */
    size_t above; /* larger packets on their way out; 0: none are */
};

struct datagram_socket {
    /* Set before datagram_open. So many sockets of this process share the address, each on a loop
     * of its own (transport/udp/steer.h), and this one's number, in the order in which they are
     * opened; each has another one for INITs beside it. 0: it is alone, and takes all. */
    const struct datagram_events *events;
    unsigned sharers, sharer;

    struct address local;
    bool wildcard;
    struct datagram_cut cut;
    struct datagram_counters counters;
    int refusal; /* errno of the last packet that the system did not take; who asks clears it */

    /* private */
    struct loop *loop;
    struct loop_fd fd, inits;
    bool ipv6_only, waiting;
    bool gso_refused;
    unsigned gso_refusals;
    bool reserved_new; /* the batch was begun by datagram_reserve */
    struct datagram_batch *batches;
    unsigned batch_count;
};

/* Binds to local; [::] takes IPv4 too, unless ipv6_only. Returns ERR_OK, ERR_TRANSPORT_ADDRESS or
 * ERR_TRANSPORT_SOCKET with a sentence in why. Owns: caller, datagram_close. */
enum err datagram_open(struct datagram_socket *self, struct loop *loop, const struct address *local,
                       bool ipv6_only, char *why, size_t why_size);
void datagram_close(struct datagram_socket *self);

/* True: an address can be reached from this socket; *wire is its form to use (IPv4 addresses
 * become IPv4-mapped ones on an IPv6 socket that takes IPv4). */
bool datagram_wire_address(const struct datagram_socket *self, const struct address *peer,
                           struct address *wire);

/* The reverse, for people: an IPv4-mapped address becomes an IPv4 one. */
struct address datagram_plain_address(const struct address *wire);

/* Room for a packet of at most size bytes that goes to route; datagram_commit must
 * follow before anything else is done with the socket. NULL: no room (the packet would be dropped,
 * and is counted). size: at most DATAGRAM_BATCH_SIZE. */
uint8_t *datagram_reserve(struct datagram_socket *self, const struct datagram_route *route,
                          size_t size);
/* It has length bytes, 1 to size; it leaves with the next flush at the latest. */
void datagram_commit(struct datagram_socket *self, size_t length);

/* Copies the packet; it leaves with the next flush at the latest. */
void datagram_send(struct datagram_socket *self, const struct datagram_route *route,
                   const void *packet, size_t length);

/* Sends a packet now that must not become IP fragments: it is lost where it does not fit. */
void datagram_send_whole(struct datagram_socket *self, const struct datagram_route *route,
                         void *packet, size_t length);

/* Sends what was collected. Batches that the system does not take now wait for EPOLLOUT; when that
 * queue is full too, further packets are dropped and counted. */
void datagram_flush(struct datagram_socket *self);
