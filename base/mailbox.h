/* base/mailbox.h: the only way between threads: many post, the loop's thread receives.
 *
 * Lock-free; the reader is woken (eventfd) only by the first mail after it emptied the box, so a
 * burst costs one system call. Mails of one poster arrive in the order in which they were posted.
 */
#pragma once

#include <stdatomic.h>

#include "base/loop.h"

/* Embedded in what is sent. deliver runs on the receiving thread and then owns the mail. */
struct mail {
    void (*deliver)(struct mail *self);
    struct mail *next; /* private */
};

struct mailbox {
    _Atomic(struct mail *) head;
    struct loop *loop;
    struct loop_fd wake;
    struct loop_task own; /* delivers without the eventfd */
};

/* Returns 0, or -1 with errno. Thread: the loop's, or before it runs. */
int mailbox_init(struct mailbox *box, struct loop *loop);
/* Delivers what is left, then closes. Nobody may post any more: join the posters first (a poster
 * touches the box until mailbox_post returns, after its mail may have been delivered).
 * Thread: the loop's, not inside a delivery. */
void mailbox_fini(struct mailbox *box);
/* Owns: the mail passes to the receiver. Thread: any. */
void mailbox_post(struct mailbox *box, struct mail *mail);
/* The same without a system call; it arrives in this turn, after this call. Thread: the loop's. */
void mailbox_post_own(struct mailbox *box, struct mail *mail);
