/* base/loop.h: the event loop of one thread: descriptors (epoll), timers, deferred tasks.
 *
 * Callbacks are objects embedded in their owner's struct (container_of finds the owner).
 * Order of one turn: 1. events of descriptors, 2. expired timers, 3. tasks, until none is left.
 * An object may remove itself or any other inside a callback: no event for it follows, not even
 * one that the same epoll_wait has already returned.
 * Thread: every function below only from the thread that runs the loop (or before it runs). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct loop;

struct loop_fd {
    void (*on_events)(struct loop_fd *self, uint32_t epoll_events);
    int fd;    /* set before loop_fd_add; closing it stays the owner's business */
    int index; /* private */
};

struct loop_timer {
    void (*on_expire)(struct loop_timer *self);
    uint64_t deadline; /* µs of loop_now; private */
    int index;         /* place in the heap, 0: not set; private */
};

struct loop_task {
    void (*on_run)(struct loop_task *self);
    TAILQ_ENTRY(loop_task) others; /* private */
    bool queued;                   /* private */
};

/* NULL with errno when the system gives no descriptor. Owns: caller, loop_free. */
struct loop *loop_new(void);
/* The loop polls for events, for window_us at most, before it sleeps, while waits are short
 * (base/busy_poll.h). 0, as at the beginning: it does not. */
void loop_busy_poll(struct loop *loop, uint32_t window_us);
/* Asserts that no descriptor, timer or task is left: leaks show up here. NULL is fine. */
void loop_free(struct loop *loop);

/* Runs turns until loop_stop. */
void loop_run(struct loop *loop);
/* Makes loop_run return at the end of this turn; before loop_run, at once. Another thread must send
 * a mail (base/mailbox.h) that calls it. */
void loop_stop(struct loop *loop);
/* One turn: waits at most max_wait_us (UINT64_MAX: for ever) for the first event. For tests. */
void loop_turn(struct loop *loop, uint64_t max_wait_us);

/* Monotonic time in µs, read once a turn. */
uint64_t loop_now(const struct loop *loop);

/* Watches self->fd for epoll_events (EPOLLIN | EPOLLOUT | EPOLLET …).
 * Returns 0, or -1 with errno as epoll_ctl. */
int loop_fd_add(struct loop *loop, struct loop_fd *self, uint32_t epoll_events);
int loop_fd_modify(struct loop *loop, struct loop_fd *self, uint32_t epoll_events);
/* Forgets it; a no-op when it is not watched. Call it before close(). */
void loop_fd_remove(struct loop *loop, struct loop_fd *self);
/* Forgets it and closes self->fd, which must have no duplicate: the kernel takes a closed
 * descriptor out of epoll by itself, so this saves a system call. fd becomes -1. */
void loop_fd_close(struct loop *loop, struct loop_fd *self);

/* Sets or moves the timer to deadline_us (of loop_now; the past fires this turn, or the next one
 * when set by a timer after as many have fired as were set: none can hold the loop by itself). */
void loop_timer_set(struct loop *loop, struct loop_timer *self, uint64_t deadline_us);
/* A no-op when it is not set. A timer is unset when on_expire is called. */
void loop_timer_cancel(struct loop *loop, struct loop_timer *self);
bool loop_timer_is_set(const struct loop_timer *self);

/* Runs the task once, at the end of this turn (of the next one if called from outside);
 * a no-op when it is queued already. A task queued by a task runs in the same turn. */
void loop_task_queue(struct loop *loop, struct loop_task *self);
void loop_task_cancel(struct loop *loop, struct loop_task *self);
