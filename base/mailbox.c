/* Mail between threads: a lock-free stack, and an eventfd that wakes its reader. */
#include "base/mailbox.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

/* Posters push on a stack (Treiber's); the reader takes the whole stack with one exchange, so the
 * ABA problem of popping cannot arise, and turns it round. */
static struct mail *take_all(struct mailbox *box)
{
    struct mail *mail = atomic_exchange_explicit(&box->head, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (mail) {
        struct mail *earlier = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = earlier;
    }
    return oldest;
}

static void deliver_all(struct mailbox *box)
{
    for (struct mail *mail = take_all(box); mail;) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

static void on_wake(struct loop_fd *self, uint32_t epoll_events)
{
    (void)epoll_events;
    struct mailbox *box = container_of(self, struct mailbox, wake);
    eventfd_t ignored;
    /* Before the exchange: a mail posted after it must leave the descriptor readable. */
    (void)eventfd_read(box->wake.fd, &ignored);
    deliver_all(box);
}

static void on_own(struct loop_task *self)
{
    deliver_all(container_of(self, struct mailbox, own));
}

int mailbox_init(struct mailbox *box, struct loop *loop)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -1;
    *box = (struct mailbox){
        .loop = loop, .wake = {.on_events = on_wake, .fd = fd}, .own.on_run = on_own};
    if (loop_fd_add(loop, &box->wake, EPOLLIN) < 0) {
        close(fd);
        return -1;
    }
    return 0;
}

void mailbox_fini(struct mailbox *box)
{
    /* A mail may be answered to the same box. */
    while (atomic_load_explicit(&box->head, memory_order_acquire))
        deliver_all(box);
    loop_task_cancel(box->loop, &box->own);
    loop_fd_remove(box->loop, &box->wake);
    close(box->wake.fd);
    box->wake.fd = -1;
}

/* Returns whether the box was empty. The mail is the reader's from here on. */
static bool push(struct mailbox *box, struct mail *mail)
{
    struct mail *head = atomic_load_explicit(&box->head, memory_order_relaxed);
    do
        mail->next = head;
    while (!atomic_compare_exchange_weak_explicit(&box->head, &head, mail, memory_order_release,
                                                  memory_order_relaxed));
    return !head;
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    if (push(box, mail))
        (void)eventfd_write(box->wake.fd, 1);
}

void mailbox_post_own(struct mailbox *box, struct mail *mail)
{
    (void)push(box, mail);
    loop_task_queue(box->loop, &box->own);
}
