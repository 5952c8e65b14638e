#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define EVENTS_A_TURN 256

/* The deadline is copied next to the pointer, so that sifting touches only the heap. */
struct heap_entry {
    uint64_t deadline;
    struct loop_timer *timer;
};

struct loop {
    int epoll;
    bool stopping;
    bool coarse; /* no epoll_pwait2: waits are rounded up to milliseconds */
    uint64_t now;
    int watched;

    struct epoll_event events[EVENTS_A_TURN];
    int event_at, event_count; /* the part of events not yet handed out */

    struct heap_entry *heap; /* binary, [1] is the earliest */
    int timers, heap_capacity;

    struct loop_task tasks; /* ring; the sentinel */
};

static uint64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct loop *loop_new(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return NULL;
    struct loop *loop = check_alloc(sizeof *loop);
    loop->epoll = epoll;
    loop->now = monotonic_us();
    loop->tasks.next = loop->tasks.previous = &loop->tasks;
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    must(loop->watched == 0);
    must(loop->timers == 0);
    must(loop->tasks.next == &loop->tasks);
    close(loop->epoll);
    free(loop->heap);
    free(loop);
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->now;
}

static int control(struct loop *loop, int operation, struct loop_fd *self, uint32_t epoll_events)
{
    struct epoll_event event = {.events = epoll_events, .data.ptr = self};
    return epoll_ctl(loop->epoll, operation, self->fd, &event);
}

int loop_fd_add(struct loop *loop, struct loop_fd *self, uint32_t epoll_events)
{
    must(self->index == 0);
    if (control(loop, EPOLL_CTL_ADD, self, epoll_events) < 0)
        return -1;
    self->index = 1;
    loop->watched++;
    return 0;
}

int loop_fd_modify(struct loop *loop, struct loop_fd *self, uint32_t epoll_events)
{
    return control(loop, EPOLL_CTL_MOD, self, epoll_events);
}

static void forget(struct loop *loop, struct loop_fd *self)
{
    self->index = 0;
    loop->watched--;
    for (int i = loop->event_at; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == self)
            loop->events[i].data.ptr = NULL;
}

void loop_fd_remove(struct loop *loop, struct loop_fd *self)
{
    if (self->index == 0)
        return;
    (void)control(loop, EPOLL_CTL_DEL, self, 0);
    forget(loop, self);
}

void loop_fd_close(struct loop *loop, struct loop_fd *self)
{
    if (self->index != 0)
        forget(loop, self);
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static void place(struct loop *loop, int at, struct heap_entry entry)
{
    loop->heap[at] = entry;
    entry.timer->index = at;
}

static void sift(struct loop *loop, int at, struct heap_entry entry)
{
    struct heap_entry *heap = loop->heap;
    for (; at > 1 && entry.deadline < heap[at / 2].deadline; at /= 2)
        place(loop, at, heap[at / 2]);
    for (int child; (child = 2 * at) <= loop->timers; at = child) {
        if (child < loop->timers && heap[child + 1].deadline < heap[child].deadline)
            child++;
        if (entry.deadline <= heap[child].deadline)
            break;
        place(loop, at, heap[child]);
    }
    place(loop, at, entry);
}

static void grow_heap(struct loop *loop)
{
    if (loop->timers + 1 < loop->heap_capacity)
        return;
    loop->heap_capacity = loop->heap_capacity ? 2 * loop->heap_capacity : 64;
    loop->heap = check_resize(loop->heap, (size_t)loop->heap_capacity * sizeof *loop->heap);
}

void loop_timer_set(struct loop *loop, struct loop_timer *self, uint64_t deadline_us)
{
    int at = self->index;
    if (at == 0) {
        grow_heap(loop);
        at = ++loop->timers;
    }
    self->deadline = deadline_us;
    sift(loop, at, (struct heap_entry){.deadline = deadline_us, .timer = self});
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *self)
{
    int at = self->index;
    if (at == 0)
        return;
    self->index = 0;
    struct heap_entry last = loop->heap[loop->timers--];
    if (last.timer != self)
        sift(loop, at, last);
}

bool loop_timer_is_set(const struct loop_timer *self)
{
    return self->index != 0;
}

/* At most as many as are set now: a timer that sets itself to the past cannot hold the turn. */
static void expire_timers(struct loop *loop)
{
    for (int left = loop->timers; left > 0 && loop->timers > 0; left--) {
        struct loop_timer *timer = loop->heap[1].timer;
        if (loop->heap[1].deadline > loop->now)
            return;
        loop_timer_cancel(loop, timer);
        timer->on_expire(timer);
    }
}

void loop_task_queue(struct loop *loop, struct loop_task *self)
{
    if (self->queued)
        return;
    self->queued = true;
    self->next = &loop->tasks;
    self->previous = loop->tasks.previous;
    self->previous->next = self;
    loop->tasks.previous = self;
}

void loop_task_cancel(struct loop *loop, struct loop_task *self)
{
    (void)loop; /* the ring has no count; the parameter keeps the calls alike */
    if (!self->queued)
        return;
    self->queued = false;
    self->previous->next = self->next;
    self->next->previous = self->previous;
}

static void run_tasks(struct loop *loop)
{
    while (loop->tasks.next != &loop->tasks) {
        struct loop_task *task = loop->tasks.next;
        loop_task_cancel(loop, task);
        task->on_run(task);
    }
}

static uint64_t wait_us(const struct loop *loop, uint64_t most)
{
    if (loop->tasks.next != &loop->tasks)
        return 0;
    if (loop->timers == 0 || most == 0)
        return most;
    uint64_t now = monotonic_us(), deadline = loop->heap[1].deadline;
    uint64_t until = deadline > now ? deadline - now : 0;
    return until < most ? until : most;
}

static int wait_coarse(struct loop *loop, uint64_t us)
{
    const uint64_t longest_ms = 1000 * 1000 * 1000; /* fits an int */
    uint64_t ms = us / 1000 + (us % 1000 != 0);
    int timeout = us == UINT64_MAX ? -1 : (int)(ms < longest_ms ? ms : longest_ms);
    return epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN, timeout);
}

/* epoll_wait counts in milliseconds; a pacing timer of 200 µs would come five times too late. */
static int wait_for_events(struct loop *loop, uint64_t us)
{
    if (us == 0 || us == UINT64_MAX || loop->coarse)
        return wait_coarse(loop, us);
    struct timespec timeout = {.tv_sec = (time_t)(us / 1000000),
                               .tv_nsec = (long)(us % 1000000 * 1000)};
    int count = epoll_pwait2(loop->epoll, loop->events, EVENTS_A_TURN, &timeout, NULL);
    if (count < 0 && errno == ENOSYS) { /* before Linux 5.11, or under valgrind */
        loop->coarse = true;
        return wait_coarse(loop, us);
    }
    return count;
}

static void hand_out_events(struct loop *loop, int count)
{
    loop->event_count = count;
    for (loop->event_at = 0; loop->event_at < loop->event_count;) {
        struct epoll_event event = loop->events[loop->event_at++];
        struct loop_fd *fd = event.data.ptr;
        if (fd)
            fd->on_events(fd, event.events);
    }
}

void loop_turn(struct loop *loop, uint64_t max_wait_us)
{
    int count = wait_for_events(loop, wait_us(loop, max_wait_us));
    must(count >= 0 || errno == EINTR);
    loop->now = monotonic_us();
    hand_out_events(loop, count > 0 ? count : 0);
    expire_timers(loop);
    run_tasks(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping)
        loop_turn(loop, UINT64_MAX);
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
