/* proxy/worker/worker.h: one worker: a thread with its loop, its mailbox and its scratch memory.
 *
 * Workers share nothing but what is read-only or atomic; they tell each other things by mail. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/message.h"
#include "proxy/worker/gather.h"
#include "proxy/worker/turn.h"

struct lingering;
struct resolver;

/* A reset waits this long for progress of the data before it: for a stream that takes the bytes of
 * the local end, or for a local end that takes the bytes of the peer. */
#define WORKER_RESET_TIMEOUT_US 10000000

struct worker {
    struct loop *loop;
    struct mailbox mailbox;
    pthread_t thread;
    unsigned index;
    struct mail stop;
    bool runs;                 /* for worker_call: from worker_start to worker_join */
    struct resolver *resolver; /* of the process */
    struct turn turn;
    LIST_HEAD(lingering_list, lingering) lingering; /* proxy/local/linger.h */
    size_t lingering_bytes;
    uint64_t reset_timeout_us; /* WORKER_RESET_TIMEOUT_US, but in tests */
    struct gather gather;      /* within connection_deliver to connection_push */
    struct message *plain;     /* room for the next record: tls_session_write_message */
    struct message *readahead; /* for the next read of a socket; NULL: a connection has it */
};

/* Makes the loop and the mailbox; the thread does not run yet. Returns 0, or -1 with errno. */
int worker_init(struct worker *worker, unsigned index, struct resolver *resolver);
/* Starts the thread. Returns 0 or an errno value. Thread: main. */
int worker_start(struct worker *worker);
/* Makes the thread end after the mail that is under way; worker_join waits for it. Thread: any. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);
/* After worker_join (or without worker_start). */
void worker_fini(struct worker *worker);

extern _Thread_local struct worker *worker_of_thread; /* private */

/* The worker whose thread this is; NULL on other threads. */
static inline struct worker *worker_current(void)
{
    return worker_of_thread;
}

/* Asserts that the caller may touch what belongs to the worker: it is the worker's thread, or no
 * thread runs the worker (its beginning, its end, tests). One compare with a thread-local. */
#define worker_assert(worker) must(worker_current() == (worker) || !(worker)->runs)

/* Posts mail; it is delivered later in every case, never inside this call: also when worker is the
 * current one (then without a system call). Order of one poster is kept. Thread: any. */
void worker_post(struct worker *worker, struct mail *mail);

/* Runs function(argument) on the worker's thread and waits for it: for what is rare, like the
 * start, the end and the status of a tunnel. Called directly when the worker does not run.
 * Thread: main only, because a worker that waits for another holds up its streams. */
void worker_call(struct worker *worker, void (*function)(void *argument), void *argument);
