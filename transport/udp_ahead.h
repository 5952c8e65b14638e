/* transport/udp_ahead.h: packets that are too far ahead for usrsctp wait here until it has caught
 * up.
 *
 * usrsctp notes what has arrived in a map of 4096 TSNs behind the last that it has all before, and
 * drops what is further on. While nothing is lost that does not matter; but at 1 Gbit/s and 100 ms
 * 9000 packets are in flight, and one loss would make more than half of them lost, which the sender
 * learns by a time-out only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct udp_association;
struct udp_ahead_packet;

/* All zero: nothing waits. */
struct udp_ahead {
    STAILQ_HEAD(udp_ahead_list, udp_ahead_packet) packets; /* in the order of their arrival */
    size_t bytes;
    uint32_t cumulative; /* our last SACK: all until here has arrived */
    bool known;
};

void udp_ahead_init(struct udp_ahead *self);
void udp_ahead_fini(struct udp_ahead *self);

/* A SACK of ours leaves. */
void udp_ahead_note(struct udp_ahead *self, const uint8_t *packet, size_t length);

/* A checked packet of the peer. True: it is kept, or too much is. */
bool udp_ahead_keep(struct udp_association *self, const uint8_t *packet, size_t length);

/* Gives usrsctp what is no longer too far ahead. Afterwards the association may have ended. */
void udp_ahead_release(struct udp_association *self);
