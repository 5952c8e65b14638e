/* transport/udp/datagram_batch.h: packets to one peer that leave in one GSO send. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "base/address.h"

/* The way of packets to a peer. All of it is compared, so unset bytes must be zero. */
struct datagram_route {
    struct address to;
    struct address from; /* own address at a wildcard socket; length 0: the system chooses */
    bool gso;            /* the peer bears it: see datagram.h */
};

/* Batches that one socket collects for one sendmmsg. */
#define DATAGRAM_BATCHES 16
/* Payload of the largest UDP datagram over IPv4, 65507, rounded down. */
#define DATAGRAM_BATCH_SIZE 65500

struct datagram_batch {
    struct address to, from;
    uint32_t length;  /* bytes */
    uint32_t segment; /* size of each packet but the last */
    uint32_t packets;
    bool closed; /* a shorter packet was the last */
    uint8_t *bytes;
};

/* DATAGRAM_BATCHES of them. Owns: caller, datagram_batch_free_array. */
struct datagram_batch *datagram_batch_new_array(void);
void datagram_batch_free_array(struct datagram_batch *batches);

/* Empties it for packets of that route. */
void datagram_batch_begin(struct datagram_batch *batch, const struct datagram_route *route);
/* Room for the next packet, of at most size bytes; NULL: it does not go with those in
 * the batch. */
uint8_t *datagram_batch_room(struct datagram_batch *batch, const struct datagram_route *route,
                             size_t size);
/* It was written there, and has length bytes. */
void datagram_batch_add(struct datagram_batch *batch, size_t length);

/* Sends them. Returns the number of batches that the system took, or -1 with errno of the first. */
int datagram_batch_send(struct datagram_batch *batches, unsigned count, int fd);

/* Each packet as a datagram of its own. Returns how many were not taken. */
unsigned datagram_batch_send_singly(struct datagram_batch *batch, int fd);

/* Control messages of a datagram that has come. */
struct datagram_notes {
    size_t joined;      /* 0: it is one packet */
    struct address own; /* length 0: not told; else the bytes behind its length are as they were */
};

/* Of a header that recvmsg has filled. */
void datagram_notes_read(struct datagram_notes *notes, struct msghdr *header);
