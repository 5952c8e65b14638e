/* tests/memory/memory_end.h: one end of an association of the memory transport, and the packets
 * that the two ends write to each other. The structures that memory*.c share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/mailbox.h"
#include "base/quote.h"
#include "tests/memory/memory.h"
#include "transport/association.h"

#define MEMORY_DETAIL_MAX 200

enum packet_kind {
    PACKET_CONNECT,  /* streams */
    PACKET_ACCEPT,   /* streams */
    PACKET_DATA,     /* message */
    PACKET_ARRIVED,  /* bytes of a message that was delivered */
    PACKET_SHUTDOWN, /* everything sent has arrived; end when the same holds for you */
    PACKET_FINISHED, /* the answer */
    PACKET_ABORT,    /* detail */
    PACKET_LOST,
};

/* It travels between two ends. from and to are numbers of ends, so that a packet to one that
 * is gone finds nobody. */
struct packet {
    struct mail mail;
    TAILQ_ENTRY(packet) link;
    enum packet_kind kind;
    struct memory *transport; /* the receiver's, set when it is posted */
    uint64_t from_transport, from, to;
    uint64_t due_us;
    struct message *message;
    uint32_t bytes;
    uint16_t streams;
    char detail[QUOTE_ROOM(MEMORY_DETAIL_MAX)];
};
TAILQ_HEAD(packets, packet);

struct memory_end {
    struct association base;
    struct memory *transport;
    struct address peer;
    uint64_t number, peer_transport, peer_number;
    bool peer_shutting, want_writable;
    uint16_t streams;
    size_t in_flight;
    uint64_t moved;          /* messages sent and received */
    struct packets packets;  /* by due_us */
    uint64_t *due_us;        /* of the latest message of each stream */
    uint64_t latest_due_us;  /* of any packet */
    uint64_t control_due_us; /* of any but a message */
    struct loop_timer packet_timer, limit_timer;
    struct loop_task writable_task;
};

struct memory {
    struct transport base;
    struct memory *next; /* of the registry */
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses; /* transport_refuse */
    struct memory_faults faults;
    struct address local;
    uint64_t number, random;
    struct mailbox box;
};

/* registry.c */

/* The port that names an endpoint at that address. */
uint16_t memory_port_of(const struct address *address);
/* Takes its number and its port, a free one where that is 0. False: the port is taken. */
bool memory_enlist(struct memory *self);
void memory_delist(struct memory *self);
/* Number of the endpoint at a port; 0: there is none. Thread: any. */
uint64_t memory_at_port(uint16_t port);
/* The next number of its kind in this process. Thread: any. */
uint64_t memory_new_number(void);
/* Below limit (0 gives 0), from the endpoint's seed. */
uint64_t memory_random(struct memory *self, uint64_t limit);
/* Owns: the packet. False when that endpoint is gone; the packet is then, too. Thread: any. */
bool memory_post(struct packet *packet, uint64_t transport);
void memory_packet_free(struct packet *packet);
/* The address of an endpoint, or otherwise when it is gone. Thread: any. */
struct address memory_address(uint64_t transport, const struct address *otherwise);

/* memory_end.c */

struct memory_end *memory_end_new(struct memory *transport, const struct address *peer);
/* Ends it from any state; on_down follows in a task. */
void memory_end_go_down(struct memory_end *self, enum err reason, const char *detail);

/* To the peer's end. Owns: caller, memory_post. */
struct packet *memory_end_packet(const struct memory_end *from, enum packet_kind kind);

/* association_send, association_close, association_status. */
enum err memory_end_send(struct association *association, struct message *message);
void memory_end_close(struct association *association, enum association_close how,
                      const char *detail);
void memory_end_status(struct association *association, struct association_status *status);
