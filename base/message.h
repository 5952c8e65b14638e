/* base/message.h: one SCTP message on its way between transport, TLS and the threads.
 *
 * Freed messages are kept in a small cache of each thread, and pass in batches from the threads
 * that free to those that allocate: malloc and free of 16 KB cost 2 us when the two are different
 * threads, this 0.15. All of it is bounded: 1.1 MB for each thread, 9 MB for the process. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"

/* Largest message either side sends: one TLS record of 2^14 bytes with its header and expansion
 * (RFC 8446 section 5.2: 2^14 + 256 + 5), or several smaller ones together. */
#define MESSAGE_MAX 16645

struct message {
    struct mail mail;     /* so that it can travel by itself */
    struct message *next; /* link for its owner */
    void *owner;          /* receiver's object when it travels by mail */
    uint32_t length;      /* bytes used in data */
    uint32_t capacity;    /* bytes there */
    uint32_t offset;      /* first byte not yet consumed by the reader */
    uint16_t stream;      /* SCTP stream id */
    uint8_t epoch;        /* number of the TLS session of that stream (docs/PROTOCOL.md) */
    uint8_t data[];
};

/* A message of at most MESSAGE_SMALL bytes takes this much; a larger one takes 20 KB. */
#define MESSAGE_SMALL 2048

/* A message with at least capacity bytes. Owns: caller. Thread: any. */
struct message *message_new(size_t capacity);
/* With exactly capacity bytes, not from the cache: for messages that wait long, by the thousand.
 * Owns: caller. Thread: any. */
struct message *message_new_exact(size_t capacity);
/* A copy of exactly its length, which replaces it: bytes, stream and epoch are kept, links are not.
 * Owns: caller. */
struct message *message_exact(struct message *message);
/* message_exact for a message that is small and took 2 KB, else the message itself: for those that
 * wait by the thousand. Owns: caller. */
struct message *message_fit(struct message *message);
/* NULL is fine. Thread: any, not only the one that made it. */
void message_free(struct message *message);
/* Gives this thread's cache back to the system: call before a thread ends. */
void message_cache_clear(void);

/* First-in first-out list of messages; zero-initialised is empty. */
struct message_queue {
    struct message *first, **last;
    size_t bytes; /* sum of length */
    size_t count;
};
/* Owns: the queue. */
void message_queue_push(struct message_queue *queue, struct message *message);
/* Back to the front: it was popped, and it is not its turn yet. Owns: the queue. */
void message_queue_push_front(struct message_queue *queue, struct message *message);
/* NULL when empty. Owns: caller. */
struct message *message_queue_pop(struct message_queue *queue);
/* Frees all of them. */
void message_queue_clear(struct message_queue *queue);
