/* mux/scheduler.h: picks the stream that sends next into the association: deficit round robin by
 * bytes (RFC 8290 sections 3 and 4: new flows first), so that a small message never waits for more
 * than one quantum of each bulk stream. Holds no messages: entries are embedded in the owner's
 * per-stream struct, which has the queue. Pure code. Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* 16 full records: data of one stream is read together from its socket, arrives together
 * and is written with one system call. With four records 16 bulk connections take a tenth more time
 * at both ends. */
#define SCHEDULER_QUANTUM (16 * 16645)
/* After this many bytes in its turn an entry goes on only while no other has sent less. */
#define SCHEDULER_SMALL (4 * 16645)

struct scheduler_entry {
    TAILQ_ENTRY(scheduler_entry) others;
    uint64_t since;  /* scheduler.sent when it got its quantum */
    int32_t deficit; /* bytes it may still send this round */
    uint8_t list;    /* enum place of scheduler.c; 0: none */
};
TAILQ_HEAD(scheduler_list, scheduler_entry);

/* new_flows: began to send just now, before all others. old_flows: in turn. An entry that has
 * nothing more rests in its place of old_flows until its turn comes, so that a pause does not make
 * it new each time (RFC 8290 section 4.2). But while some of its quantum is left it is sparse: it
 * may go first again with the rest of it, and with a whole quantum when a round of all active
 * entries has been sent since. Otherwise a 64-byte message beside 64 bulk streams waits for a whole
 * round of them at each of its turns (measured: 2 to 3 ms of 3 to 5). */
struct scheduler {
    struct scheduler_list new_flows, old_flows;
    uint64_t sent;    /* bytes, by all */
    uint32_t quantum; /* bytes of one entry's turn, at most SCHEDULER_QUANTUM */
    uint32_t active;  /* entries that have something to send */
};

void scheduler_init(struct scheduler *scheduler);
/* Shorter turns for a slow line, from now on: 1..SCHEDULER_QUANTUM bytes. */
void scheduler_set_quantum(struct scheduler *scheduler, uint32_t quantum);
/* The entry has something to send; a no-op when it is in already. */
void scheduler_add(struct scheduler *scheduler, struct scheduler_entry *entry);
/* Takes it out, from any state. Needed before its memory goes: also an entry that has sent all may
 * still rest here. */
void scheduler_remove(struct scheduler *scheduler, struct scheduler_entry *entry);
/* The entry whose turn it is; NULL: none. The same until scheduler_sent, _add or _remove. */
struct scheduler_entry *scheduler_next(struct scheduler *scheduler);
/* The entry of scheduler_next sent length bytes and has more to send, or not. */
void scheduler_sent(struct scheduler *scheduler, struct scheduler_entry *entry, size_t length,
                    bool has_more);
