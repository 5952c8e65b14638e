/* transport/stack.h: the one usrsctp of this process: start and end, its clock, and the addresses
 * by which it knows its peers.
 *
 * usrsctp is process-wide state with known deadlocks and data races between threads (sctplab
 * issues 569, 649, 719, 745), so all udp transports of a process live on one loop. Its own
 * threads are never started, except one for address changes, which sleeps: that is why addresses
 * are registered once and reused, for unregistering would wake it.
 *
 * A peer is an AF_CONN address: an opaque pointer, here the number of a slot. Numbers that are
 * out of use lead nowhere, so a late packet of usrsctp cannot touch freed memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

/* The owner of a slot. on_output: a packet to be sent, without checksum; may be written to. */
struct stack_peer {
    void (*on_output)(struct stack_peer *self, uint8_t *packet, size_t length);
    uint32_t slot; /* private; 0: none */
};

/* Told after usrsctp's timers ran: they may have produced packets and notifications. */
struct stack_user {
    void (*on_tick)(struct stack_user *self);
    struct stack_user *next; /* private */
};

/* Joins the stack, starting it if nobody did. Returns ERR_OK, or ERR_TRANSPORT_SOCKET with a
 * sentence in why when another loop has it. Owns: caller, stack_leave on the same thread. */
enum err stack_join(struct stack_user *user, struct loop *loop, char *why, size_t why_size);
/* The last one ends usrsctp; all its sockets must have been closed. */
void stack_leave(struct stack_user *user);

/* Takes a slot for peer and registers its address. Owns: caller, stack_slot_give. */
void stack_slot_take(struct stack_peer *peer);
/* A no-op when it has none. */
void stack_slot_give(struct stack_peer *peer);
/* Another owner for the slot. */
void stack_slot_move(struct stack_peer *from, struct stack_peer *to);

/* The AF_CONN address of the slot. */
void *stack_address(const struct stack_peer *peer);

/* A packet from the peer, already checked. */
void stack_input(const struct stack_peer *peer, const uint8_t *packet, size_t length);

/* Notes that packets other than heartbeats are moving: timers run every few ms for a while. */
void stack_busy(void);
