/* tests/memory/memory_end.h: one end of an association of the memory transport, and the letters
 * that the two ends write to each other. The structures that memory*.c share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/mailbox.h"
#include "base/quote.h"
#include "tests/memory/memory.h"

#define MEMORY_DETAIL_MAX 200

enum letter_kind {
    LETTER_CONNECT,  /* streams */
    LETTER_ACCEPT,   /* streams */
    LETTER_DATA,     /* message */
    LETTER_ARRIVED,  /* bytes of a message that was delivered */
    LETTER_SHUTDOWN, /* everything sent has arrived; end when the same holds for you */
    LETTER_FINISHED, /* the answer */
    LETTER_ABORT,    /* detail */
    LETTER_LOST,
};

/* What travels between two ends. from and to are numbers of ends, so that a letter to one that
 * is gone finds nobody. */
struct letter {
    struct mail mail;
    TAILQ_ENTRY(letter) link;
    enum letter_kind kind;
    struct memory *transport; /* the receiver's, set when it is posted */
    uint64_t from_transport, from, to;
    uint64_t due_us;
    struct message *message;
    uint32_t bytes;
    uint16_t streams;
    char detail[QUOTE_ROOM(MEMORY_DETAIL_MAX)];
};
TAILQ_HEAD(letters, letter);

enum end_state { END_INCOMING, END_CONNECTING, END_UP, END_SHUTTING, END_GONE };

struct memory_end {
    struct association base;
    TAILQ_ENTRY(memory_end) link;
    struct memory *transport;
    struct association_events *events;
    struct address peer;
    uint64_t number, peer_transport, peer_number;
    enum end_state state;
    bool peer_shutting, want_writable;
    uint16_t streams;
    size_t in_flight;
    uint64_t moved;          /* messages sent and received */
    struct letters letters;  /* by due_us */
    uint64_t *due_us;        /* of the latest message of each stream */
    uint64_t latest_due_us;  /* of any letter */
    uint64_t control_due_us; /* of any but a message */
    struct loop_timer letter_timer, limit_timer;
    struct loop_task writable_task, down_task;
    enum err reason;
    char detail[QUOTE_ROOM(MEMORY_DETAIL_MAX)];
};
TAILQ_HEAD(ends, memory_end);

struct memory {
    struct transport base;
    struct memory *next; /* of the registry */
    struct loop *loop;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses; /* transport_refuse */
    struct memory_faults faults;
    struct address local;
    uint64_t number, random;
    struct mailbox box;
    struct ends ends;
};

/* memory.c */

/* The next number of its kind in this process. Thread: any. */
uint64_t memory_new_number(void);
/* Below limit (0 gives 0), from the endpoint's seed. */
uint64_t memory_random(struct memory *self, uint64_t limit);
/* Owns: the letter. False when that endpoint is gone; the letter is then, too. Thread: any. */
bool memory_post(struct letter *letter, uint64_t transport);
/* The address of an endpoint, or otherwise when it is gone. Thread: any. */
struct address memory_address(uint64_t transport, const struct address *otherwise);

/* memory_end.c */

struct memory_end *memory_end_new(struct memory *transport, const struct address *peer);
/* Ends it from any state; on_down follows in a task. */
void memory_end_go_down(struct memory_end *self, enum err reason, const char *detail);
/* on_down now, then frees it. It must have gone down. */
void memory_end_free(struct memory_end *self);

/* To the peer's end. Owns: caller, memory_post. */
struct letter *memory_end_letter(const struct memory_end *from, enum letter_kind kind);
void memory_end_letter_free(struct letter *letter);

/* association_send, association_close, association_status. */
enum err memory_end_send(struct association *association, struct message *message);
void memory_end_close(struct association *association, enum association_close how,
                      const char *detail);
void memory_end_status(struct association *association, struct association_status *status);
