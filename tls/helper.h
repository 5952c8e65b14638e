/* tls/helper.h: a thread that does what takes long, so that no worker stands still meanwhile.
 *
 * One signs with private keys in PKCS#11 tokens: a smart card needs 0.1 s or more for a signature,
 * a token in the network a round trip. So masters whose key is in a token take the steps of their
 * handshake there, one after the other (a token signs one thing at a time). A key in a file is used
 * where the session lives: that takes 0.1 to 1.5 ms. Another speaks with Redis
 * (tls/store_redis.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/mailbox.h"

struct tls_helper;

/* The thread starts when it is first needed. Owns: caller, tls_helper_free. Thread: any. */
struct tls_helper *tls_helper_new(const char *name);
/* Ends the thread: waits for the task that is under way. Those that have not begun are answered
 * without. NULL is fine. Thread: main, when nobody begins one any more. */
void tls_helper_free(struct tls_helper *helper);

/* The rest is for tls/. */

enum tls_helper_state {
    TLS_HELPER_QUEUED,
    TLS_HELPER_RUNNING,
    TLS_HELPER_DONE, /* on_done is under way, or was called */
};

/* Work for the thread; the caller fills the first five. */
struct tls_helper_task {
    void (*run)(struct tls_helper_task *self);     /* on the helper's thread */
    void (*on_done)(struct tls_helper_task *self); /* then, on the loop of reply_to, once */
    /* In place of on_done, on the helper's thread: nobody waits for it (any more). Owns: the task.
     */
    void (*on_dropped)(struct tls_helper_task *self);
    struct mailbox *reply_to; /* NULL: nobody waits */
    bool is_urgent;           /* goes before all that are not */
    bool is_dropped;          /* private from here on */
    enum tls_helper_state state;
    struct mail mail;
    STAILQ_ENTRY(tls_helper_task) others;
};

/* Queues a task whose private part is zero. False: max of its urgency wait already, or the thread
 * could not be started. Thread: that of reply_to. */
bool tls_helper_begin(struct tls_helper *helper, struct tls_helper_task *task, size_t max);
/* Answers a task that is not queued. Thread: that of reply_to. */
void tls_helper_answer(struct tls_helper_task *task);
/* QUEUED: nothing of it is called. RUNNING: on_dropped will be. DONE: on_done still comes, if it
 * has not come yet; the mailbox may close right afterwards. Thread: that of reply_to. */
enum tls_helper_state tls_helper_cancel(struct tls_helper *helper, struct tls_helper_task *task);
