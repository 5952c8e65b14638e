/* tls/signer.h: a thread for private keys in PKCS#11 tokens. A smart card needs 0.1 s or more for a
 * signature and a token in the network a round trip; a worker would stand still meanwhile. So
 * masters whose key is in a token take the steps of their handshake here, one after the other (a
 * token signs one thing at a time). A key in a file is used where the session lives: that takes 0.1
 * to 1.5 ms. */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "base/mailbox.h"

struct tls_signer;

/* The thread starts when it is first needed. Owns: caller, tls_signer_free. Thread: any. */
struct tls_signer *tls_signer_new(void);
/* Ends the thread: waits for the signature that is under way. NULL is fine. Thread: main, when all
 * sessions are freed, and all credentials that name it. */
void tls_signer_free(struct tls_signer *signer);

/* The rest is for tls/. */

enum tls_signer_state {
    TLS_SIGNER_QUEUED,
    TLS_SIGNER_RUNNING,
    TLS_SIGNER_DONE, /* on_done is under way, or was called */
};

/* Work for the thread; the caller fills the first four. */
struct tls_signer_step {
    void (*run)(struct tls_signer_step *self);     /* on the signer's thread */
    void (*on_done)(struct tls_signer_step *self); /* then, on the loop of reply_to, once */
    /* In place of on_done, on the signer's thread: the step was cancelled while it ran. */
    void (*on_cancelled)(struct tls_signer_step *self);
    struct mailbox *reply_to;
    struct mail mail; /* private from here on */
    enum tls_signer_state state;
    bool is_cancelled;
    STAILQ_ENTRY(tls_signer_step) others;
};

/* Queues a zeroed step. False: the thread could not be started. Thread: that of reply_to. */
bool tls_signer_begin(struct tls_signer *signer, struct tls_signer_step *step);
/* QUEUED: nothing of it is called. RUNNING: on_cancelled will be. DONE: on_done still comes, if it
 * has not come yet; the mailbox may close right afterwards. Thread: that of reply_to. */
enum tls_signer_state tls_signer_cancel(struct tls_signer *signer, struct tls_signer_step *step);
