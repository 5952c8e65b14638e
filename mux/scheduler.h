/* mux/scheduler.h: whose message goes next into the association: deficit round robin by bytes
 * (RFC 8290 sections 3 and 4: new flows first), so that a small message never waits for more than
 * one quantum of each bulk stream. Holds no messages: entries are embedded in the owner's
 * per-stream struct, which has the queue. Pure code. Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* 16 full records: what belongs to one stream is read together from its socket, arrives together
 * and is written with one system call. With four records 16 bulk connections take a tenth more time
 * at both ends. */
#define SCHEDULER_QUANTUM (16 * 16645)
/* After so much in its turn one goes on only while none is there that has sent less. */
#define SCHEDULER_SMALL (4 * 16645)

struct scheduler_entry {
    TAILQ_ENTRY(scheduler_entry) others;
    uint64_t since;  /* scheduler.sent when it got its quantum */
    int32_t deficit; /* bytes it may still send this round */
    uint8_t list;    /* enum place of scheduler.c; 0: none */
};
TAILQ_HEAD(scheduler_list, scheduler_entry);

/* fresh: began to send just now, before all others. old: in turn. An entry that has nothing more
 * rests in its place of old until its turn comes, so that pausing does not make it fresh each time
 * (RFC 8290 section 4.2). But while some of its quantum is left it is sparse: it may
 * go first again, with what is left of it, and with a whole one when a round of all active entries
 * has been sent since. Otherwise a 64-byte message beside 64 bulk streams waits
 * for a whole round of them at each of its turns (measured: 2 to 3 ms of 3 to 5). */
struct scheduler {
    struct scheduler_list fresh, old;
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
/* Whose turn it is; NULL: nobody. The same until scheduler_sent, _add or _remove. */
struct scheduler_entry *scheduler_next(struct scheduler *scheduler);
/* The entry of scheduler_next sent length bytes and has more to send, or not. */
void scheduler_sent(struct scheduler *scheduler, struct scheduler_entry *entry, size_t length,
                    bool has_more);
