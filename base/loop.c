/* The event loop of one thread: epoll, a heap of timers with one timerfd, and tasks. */
#include "base/loop.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/busy_poll.h"
#include "base/check.h"
#include "base/clock.h"

#define EVENTS_A_TURN 256

/* The deadline is copied next to the pointer, so that sifting touches only the heap. */
struct heap_entry {
    uint64_t deadline;
    struct loop_timer *timer;
};

struct loop {
    int epoll;
    bool stopping;
    uint64_t now;
    int watched;

    struct epoll_event events[EVENTS_A_TURN];
    int event_at, event_count; /* the part of events not yet handed out */

    struct heap_entry *heap; /* binary, [1] is the earliest */
    int timers, heap_capacity;
    struct loop_fd alarm; /* a timerfd */
    uint64_t alarm_at;    /* when it rings, UINT64_MAX: it is not set */
    struct busy_poll busy_poll;

    TAILQ_HEAD(loop_tasks, loop_task) tasks;
};

static int control(struct loop *loop, int operation, struct loop_fd *self, uint32_t epoll_events)
{
    struct epoll_event event = {.events = epoll_events, .data.ptr = self};
    return epoll_ctl(loop->epoll, operation, self->fd, &event);
}

static void release(struct loop *loop)
{
    int saved_errno = errno;
    if (loop->alarm.fd >= 0)
        close(loop->alarm.fd);
    if (loop->epoll >= 0)
        close(loop->epoll);
    free(loop->heap);
    free(loop);
    errno = saved_errno;
}

/* Edge-triggered, so nothing has to be read; expire_timers runs the timers that are due. */
static void on_alarm(struct loop_fd *alarm, uint32_t events)
{
    (void)events;
    container_of(alarm, struct loop, alarm)->alarm_at = UINT64_MAX;
}

struct loop *loop_new(void)
{
    struct loop *loop = check_alloc(sizeof *loop);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->alarm.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    loop->alarm.on_events = on_alarm;
    loop->alarm_at = UINT64_MAX;
    loop->now = clock_us();
    TAILQ_INIT(&loop->tasks);
    if (loop->epoll < 0 || loop->alarm.fd < 0 ||
        control(loop, EPOLL_CTL_ADD, &loop->alarm, EPOLLIN | EPOLLET) < 0) {
        release(loop);
        return NULL;
    }
    return loop;
}

void loop_busy_poll(struct loop *loop, uint32_t window_us)
{
    loop->busy_poll = (struct busy_poll){.window_us = window_us};
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    must(loop->watched == 0);
    must(loop->timers == 0);
    must(TAILQ_EMPTY(&loop->tasks));
    release(loop);
}

uint64_t loop_now(const struct loop *loop)
{
    return loop->now;
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
    if (at != 0 && self->deadline == deadline_us)
        return;
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
    TAILQ_INSERT_TAIL(&loop->tasks, self, others);
}

void loop_task_cancel(struct loop *loop, struct loop_task *self)
{
    if (!self->queued)
        return;
    self->queued = false;
    TAILQ_REMOVE(&loop->tasks, self, others);
}

static void run_tasks(struct loop *loop)
{
    for (struct loop_task *task; (task = TAILQ_FIRST(&loop->tasks));) {
        loop_task_cancel(loop, task);
        task->on_run(task);
    }
}

/* One alarm for the earliest timer, not a timeout for each wait: a timer of the kernel's that is
 * its processor's next is written into the hardware when it is set and again when it is cancelled,
 * 10 µs each in a virtual machine, and a small message took four of them. An alarm for a timer
 * that has gone stays: it rings once in vain. */
static void set_alarm(struct loop *loop, uint64_t at)
{
    if (at >= loop->alarm_at)
        return;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / 1000000), .tv_nsec = (long)(at % 1000000 * 1000)}};
    if (at == 0)
        when.it_value.tv_nsec = 1; /* 0 would unset it */
    must(timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    loop->alarm_at = at;
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

/* Returns how many there are; 0 also after a signal. */
static int take_events(struct loop *loop, int timeout)
{
    int count = epoll_wait(loop->epoll, loop->events, EVENTS_A_TURN, timeout);
    must(count >= 0 || errno == EINTR);
    loop->now = clock_us();
    return count > 0 ? count : 0;
}

static int poll_events(struct loop *loop, uint64_t begun, uint64_t until)
{
    int count = take_events(loop, 0);
    while (count == 0 && loop->now < until) {
        sched_yield();
        count = take_events(loop, 0);
    }
    busy_poll_polled(&loop->busy_poll, count > 0, loop->now - begun, loop->now);
    return count;
}

static uint64_t next_due(const struct loop *loop, uint64_t now, uint64_t max_wait_us)
{
    uint64_t due = max_wait_us == UINT64_MAX ? UINT64_MAX : now + max_wait_us;
    return loop->timers && loop->heap[1].deadline < due ? loop->heap[1].deadline : due;
}

static int wait_for_events(struct loop *loop, uint64_t max_wait_us)
{
    uint64_t begun = clock_us(), due = next_due(loop, begun, max_wait_us);
    if (due <= begun)
        return take_events(loop, 0);
    uint64_t until = begun + busy_poll_window(&loop->busy_poll, begun);
    bool polls = until > begun;
    int count = polls ? poll_events(loop, begun, until < due ? until : due) : 0;
    if (count || (polls && loop->now >= due))
        return count;
    set_alarm(loop, due);
    count = take_events(loop, -1);
    if (!polls)
        busy_poll_slept(&loop->busy_poll, loop->now - begun);
    return count;
}

void loop_turn(struct loop *loop, uint64_t max_wait_us)
{
    bool waits = max_wait_us && TAILQ_EMPTY(&loop->tasks);
    hand_out_events(loop, waits ? wait_for_events(loop, max_wait_us) : take_events(loop, 0));
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
