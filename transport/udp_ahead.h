/* transport/udp_ahead.h: packets that are too far ahead for usrsctp wait here until it has caught
 * up.
 *
 * usrsctp notes what has arrived in a map of 4096 TSNs behind the last that it has all before, and
 * drops what is further on. While nothing is lost that does not matter; but at 1 Gbit/s and 100 ms
 * 9000 packets are in flight, and one loss would make more than half of them lost, which the sender
 * learns by a time-out only.
 *
 * Who has seen the peer's tag can put something here, so nothing here is in the way of anything:
 * packets wait in the order of their TSNs, the furthest make room for nearer ones, and none stays
 * when there was no progress for a while. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Further ahead is nothing that a peer may have sent: usrsctp counts 256 bytes at least for each
 * TSN in the 16 MB of its window. */
#define UDP_AHEAD_TSNS 65536
/* SCTP repeats what is missing several times in this time. */
#define UDP_AHEAD_STAYS_US 5000000

struct udp_association;
struct udp_ahead_packet;

/* All zero: nothing waits. */
struct udp_ahead {
    TAILQ_HEAD(udp_ahead_list, udp_ahead_packet) packets; /* by TSN */
    struct udp_ahead_packet *given;                       /* by the latest udp_ahead_next */
    size_t bytes;
    uint32_t cumulative;  /* our last SACK: all until here has arrived */
    uint64_t progress_us; /* when that changed, or the first of those that wait came */
    bool known;
};

void udp_ahead_init(struct udp_ahead *self);
void udp_ahead_fini(struct udp_ahead *self);

/* A SACK of ours leaves. */
void udp_ahead_note(struct udp_ahead *self, const uint8_t *packet, size_t length, uint64_t now_us);

/* A checked packet of the peer, with the right tag. True: it is kept, or dropped. */
bool udp_ahead_keep(struct udp_association *self, const uint8_t *packet, size_t length);

/* The next that is no longer too far ahead, NULL: none. Lives until the next call. */
const uint8_t *udp_ahead_next(struct udp_ahead *self, size_t *length);

/* Gives usrsctp all of those. Afterwards the association may have ended. */
void udp_ahead_release(struct udp_association *self);

/* Time passes: forgets what has waited in vain. */
void udp_ahead_tick(struct udp_ahead *self, uint64_t now_us);
