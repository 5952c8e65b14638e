/* The event loop: order of events, timers, tasks; removal inside callbacks. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/loop.h"
#include "tests/lib/tap.h"

#define NEVER UINT64_MAX

static struct loop *loop;

/* Events in order, one letter each. */
static char history[64];
static size_t happened;

static void forget(void)
{
    happened = 0;
    history[0] = '\0';
}

static void note(char letter)
{
    if (happened < sizeof history - 1)
        history[happened++] = letter;
    history[happened] = '\0';
}

static bool was(const char *expected)
{
    for (size_t i = 0; i <= happened; i++)
        if (history[i] != expected[i]) {
            tap_note("history: \"%s\"", history);
            return false;
        }
    return true;
}

/* A pipe that is readable for ever, watched. */
struct source {
    struct loop_fd fd;
    int write_end;
    char letter;
    struct source *removes; /* in its callback */
};

static void on_readable(struct loop_fd *self, uint32_t events)
{
    struct source *source = container_of(self, struct source, fd);
    note(events & EPOLLIN ? source->letter : '?');
    if (source->removes)
        loop_fd_remove(loop, &source->removes->fd);
}

static void source_open(struct source *source, char letter)
{
    int ends[2];
    must(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    *source = (struct source){
        .fd = {.on_events = on_readable, .fd = ends[0]}, .write_end = ends[1], .letter = letter};
    must(loop_fd_add(loop, &source->fd, EPOLLIN) == 0);
}

static void source_close(struct source *source)
{
    loop_fd_remove(loop, &source->fd);
    close(source->fd.fd);
    close(source->write_end);
}

static void descriptors(void)
{
    struct source a;
    source_open(&a, 'a');
    forget();
    loop_turn(loop, NEVER);
    ok(was("a"), "a readable descriptor is told");
    ok(loop_fd_modify(loop, &a.fd, 0) == 0, "its events can be changed");
    forget();
    loop_turn(loop, 0);
    ok(was(""), "and are then not told");
    loop_fd_remove(loop, &a.fd);
    loop_fd_remove(loop, &a.fd);
    ok(loop_fd_modify(loop, &a.fd, EPOLLIN) == -1 && errno == ENOENT, "a removed one is unknown");
    ok(loop_fd_add(loop, &a.fd, EPOLLIN) == 0, "but can be added again");
    source_close(&a);
    struct loop_fd bad = {.on_events = on_readable, .fd = -1};
    ok(loop_fd_add(loop, &bad, EPOLLIN) == -1 && errno == EBADF, "no descriptor, no watch");
}

static void removal_in_a_batch(void)
{
    struct source a, b;
    source_open(&a, 'x');
    source_open(&b, 'x');
    a.removes = &b;
    b.removes = &a;
    forget();
    loop_turn(loop, NEVER);
    ok(was("x"), "of two ready ones the first removes the other: it hears nothing");
    a.removes = b.removes = NULL;
    forget();
    loop_turn(loop, NEVER);
    ok(was("x"), "nor in the next turn");
    source_close(&a);
    source_close(&b);
}

static void self_removal(void)
{
    struct source a;
    source_open(&a, 'a');
    a.removes = &a;
    forget();
    loop_turn(loop, NEVER);
    loop_turn(loop, 0);
    ok(was("a"), "a descriptor can remove itself");
    source_close(&a);
}

/* More than one epoll_wait returns: all must be told within two turns. */
static void many_descriptors(void)
{
    enum { MANY = 300 };
    struct source *sources = check_alloc(MANY * sizeof *sources);
    for (int i = 0; i < MANY; i++) {
        source_open(&sources[i], 'm');
        sources[i].removes = &sources[i];
    }
    int left = 0;
    loop_turn(loop, NEVER);
    loop_turn(loop, 0);
    for (int i = 0; i < MANY; i++) {
        left += sources[i].fd.index != 0;
        source_close(&sources[i]);
    }
    ok(left == 0, "%d ready descriptors were told in two turns", MANY);
    free(sources);
}

struct timer {
    struct loop_timer timer;
    char letter;
    struct timer *cancels;
    bool again;
};

static void on_expire(struct loop_timer *self)
{
    struct timer *timer = container_of(self, struct timer, timer);
    note(loop_timer_is_set(self) ? '!' : timer->letter);
    if (timer->cancels)
        loop_timer_cancel(loop, &timer->cancels->timer);
    if (timer->again)
        loop_timer_set(loop, self, 0);
}

static void timers(void)
{
    struct timer a = {.timer.on_expire = on_expire, .letter = 'a'}, b = a, c = a;
    b.letter = 'b';
    c.letter = 'c';
    uint64_t now = loop_now(loop);
    loop_timer_set(loop, &a.timer, now + 3000);
    loop_timer_set(loop, &b.timer, now + 1000);
    loop_timer_set(loop, &c.timer, now + 2000);
    forget();
    while (loop_timer_is_set(&a.timer))
        loop_turn(loop, NEVER);
    ok(was("bca"), "timers fire in the order of their deadlines");
    ok(loop_now(loop) >= now + 3000, "and not too early");

    b.cancels = &c;
    loop_timer_set(loop, &b.timer, 1);
    loop_timer_set(loop, &c.timer, 2);
    forget();
    loop_turn(loop, NEVER);
    loop_timer_cancel(loop, &c.timer);
    ok(was("b") && !loop_timer_is_set(&c.timer), "a due timer can be cancelled by another");

    a.again = true;
    loop_timer_set(loop, &a.timer, 0);
    forget();
    loop_turn(loop, NEVER);
    loop_turn(loop, NEVER);
    ok(was("aa"), "a timer that sets itself to the past does not hold the turn");
    loop_timer_cancel(loop, &a.timer);
}

/* A shortest wait in ten, because another process may take the processor meanwhile. */
static void timer_resolution(void)
{
    uint64_t shortest = NEVER;
    for (int i = 0; i < 10; i++) {
        struct timer a = {.timer.on_expire = on_expire};
        loop_turn(loop, 0);
        uint64_t start = loop_now(loop);
        loop_timer_set(loop, &a.timer, start + 200);
        while (loop_timer_is_set(&a.timer))
            loop_turn(loop, NEVER);
        if (loop_now(loop) - start < shortest)
            shortest = loop_now(loop) - start;
    }
    tap_note("a timer of 200 us fired after %llu us", (unsigned long long)shortest);
    ok(shortest >= 200, "a short timer does not fire early");
    ok(shortest < 1000, "a timer of 200 us is not rounded up to a millisecond");
}

/* The timer that the kernel was asked to ring for may go, or an earlier one may come. */
static void alarm_moves(void)
{
    struct timer far = {.timer.on_expire = on_expire, .letter = 'f'}, near = far;
    near.letter = 'n';
    loop_turn(loop, 0);
    uint64_t start = loop_now(loop);
    loop_timer_set(loop, &far.timer, start + 60000000);
    loop_turn(loop, 1000);
    loop_timer_set(loop, &near.timer, start + 2000);
    forget();
    while (loop_timer_is_set(&near.timer) && loop_now(loop) < start + 30000000)
        loop_turn(loop, 5000000);
    ok(was("n") && loop_now(loop) < start + 5000000, "one set while a later one is waited for");

    loop_turn(loop, 0);
    start = loop_now(loop);
    loop_timer_set(loop, &near.timer, start + 3000);
    loop_turn(loop, 1000);
    loop_timer_set(loop, &near.timer, start + 20000);
    forget();
    int turns = 0;
    for (; loop_timer_is_set(&near.timer) && turns < 10; turns++)
        loop_turn(loop, 5000000);
    ok(was("n") && loop_now(loop) >= start + 20000, "one put off while it is waited for");
    ok(turns <= 3, "for which the loop turns once in vain (%d turns)", turns);
    loop_timer_cancel(loop, &far.timer);
}

enum { HEAP = 2000 };
static uint64_t last_fired;
static int fired, out_of_order;

static void on_ordered(struct loop_timer *self)
{
    out_of_order += self->deadline < last_fired;
    last_fired = self->deadline;
    fired++;
}

static void heap_order(void)
{
    struct loop_timer *heap = check_alloc(HEAP * sizeof *heap);
    unsigned seed = (unsigned)tap_seed();
    int cancelled = 0;
    for (int i = 0; i < HEAP; i++)
        heap[i].on_expire = on_ordered;
    for (int i = 0; i < 5 * HEAP; i++)
        loop_timer_set(loop, &heap[rand_r(&seed) % HEAP], (uint64_t)rand_r(&seed) % 5000 + 1);
    for (int i = 0; i < HEAP; i++)
        if (rand_r(&seed) % 3 == 0 || !loop_timer_is_set(&heap[i])) {
            loop_timer_cancel(loop, &heap[i]);
            cancelled++;
        }
    last_fired = 0;
    fired = out_of_order = 0;
    loop_turn(loop, 0);
    ok(out_of_order == 0, "moved and cancelled at random, timers keep their order");
    ok(fired == HEAP - cancelled, "%d set, %d fired", HEAP - cancelled, fired);
    free(heap);
}

struct task {
    struct loop_task task;
    char letter;
    struct task *queues, *cancels;
};

static void on_run(struct loop_task *self)
{
    struct task *task = container_of(self, struct task, task);
    note(task->letter);
    if (task->queues)
        loop_task_queue(loop, &task->queues->task);
    if (task->cancels)
        loop_task_cancel(loop, &task->cancels->task);
}

static void tasks(void)
{
    struct task a = {.task.on_run = on_run, .letter = 'a'}, b = a, c = a;
    b.letter = 'b';
    c.letter = 'c';
    a.queues = &c;
    loop_task_queue(loop, &a.task);
    loop_task_queue(loop, &b.task);
    loop_task_queue(loop, &a.task);
    forget();
    loop_turn(loop, NEVER);
    ok(was("abc"), "tasks run once, in order, and those they queue in the same turn");

    a.queues = NULL;
    a.cancels = &b;
    loop_task_queue(loop, &a.task);
    loop_task_queue(loop, &b.task);
    forget();
    loop_turn(loop, NEVER);
    loop_task_cancel(loop, &b.task);
    ok(was("a"), "a queued task can be cancelled by another");
}

static void on_expire_queue(struct loop_timer *self)
{
    static struct task t = {.task.on_run = on_run, .letter = 't'};
    (void)self;
    note('e');
    loop_task_queue(loop, &t.task);
}

static void order_of_a_turn(void)
{
    struct source d;
    struct task a = {.task.on_run = on_run, .letter = 'a'};
    struct loop_timer timer = {.on_expire = on_expire_queue};
    source_open(&d, 'd');
    loop_task_queue(loop, &a.task);
    loop_timer_set(loop, &timer, 0);
    forget();
    loop_turn(loop, NEVER);
    ok(was("deat"), "a turn: descriptors, then timers, then tasks");
    source_close(&d);
}

static void on_run_stop(struct loop_task *self)
{
    (void)self;
    note('s');
    loop_stop(loop);
}

static void stopping(void)
{
    struct loop_task stop = {.on_run = on_run_stop};
    forget();
    loop_task_queue(loop, &stop);
    loop_run(loop);
    ok(was("s"), "a loop runs until it is stopped");
    loop_stop(loop);
    loop_run(loop);
    ok(was("s"), "stopped beforehand, it returns at once");
}

static uint64_t processor_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void on_ring(struct loop_fd *self, uint32_t events)
{
    uint64_t times;
    must(events & EPOLLIN && read(self->fd, &times, sizeof times) == sizeof times);
}

/* So many waits for an event 20 us away; returns how often the thread slept. */
static long short_waits(int count)
{
    struct loop_fd bell = {.on_events = on_ring,
                           .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    const struct itimerspec soon = {.it_value.tv_nsec = 20000};
    struct rusage before, after;
    must(bell.fd >= 0 && loop_fd_add(loop, &bell, EPOLLIN) == 0);
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < count; i++) {
        must(timerfd_settime(bell.fd, 0, &soon, NULL) == 0);
        loop_turn(loop, NEVER);
    }
    getrusage(RUSAGE_THREAD, &after);
    loop_fd_close(loop, &bell);
    return after.ru_nvcsw - before.ru_nvcsw;
}

/* After waits that were short the loop looks for events, but not for long. If others take the
 * processor it does not for a while: the test wants one good moment of many. */
static void looking(void)
{
    enum { WAITS = 200, TRIES = 500 };
    loop_busy_poll(loop, 0);
    long slept = short_waits(WAITS), least = WAITS;
    ok(slept > WAITS / 2, "a loop that may not look sleeps (%ld of %d waits)", slept, WAITS);
    loop_busy_poll(loop, 50);
    for (int i = 0; i < TRIES && least > WAITS / 4; i++)
        if ((slept = short_waits(WAITS)) < least)
            least = slept;
    ok(least <= WAITS / 4, "events are found by looking: it slept in %ld of %d waits", least,
       WAITS);
    struct timer b = {.timer.on_expire = on_expire, .letter = 'b'};
    uint64_t start = loop_now(loop), spent = processor_us();
    loop_timer_set(loop, &b.timer, start + 100000);
    forget();
    while (loop_timer_is_set(&b.timer))
        loop_turn(loop, NEVER);
    spent = processor_us() - spent;
    ok(was("b") && loop_now(loop) >= start + 100000, "a timer fires after the loop has looked");
    ok(spent < 20000, "and slept: %d us of 100 ms", (int)spent);
}

static void everything(void)
{
    descriptors();
    removal_in_a_batch();
    self_removal();
    many_descriptors();
    timers();
    timer_resolution();
    alarm_moves();
    heap_order();
    tasks();
    order_of_a_turn();
    stopping();
}

int main(void)
{
    loop = loop_new();
    must(loop != NULL);
    everything();
    loop_busy_poll(loop, 50);
    everything();
    looking();
    loop_free(loop);
    loop_free(NULL);
    return tap_done();
}
