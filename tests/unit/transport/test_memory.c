/* The faults of the memory transport, and its two ends on two threads. */
#include "tests/memory/memory.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "tests/conformance/transport_bed.h"
#include "tests/lib/tap.h"

static void with_faults(struct bed *bed, struct memory_faults faults)
{
    memory_set_faults(&faults);
    bed_open(bed, &memory_ops);
    memory_set_faults(&(struct memory_faults){0});
}

static void delay_and_jitter(void)
{
    struct bed bed;
    with_faults(&bed,
                (struct memory_faults){.seed = tap_seed(), .delay_us = 20000, .jitter_us = 10000});
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    loop_turn(bed.loop, 0);
    uint64_t start = loop_now(bed.loop);
    static uint32_t numbers[10];
    for (unsigned i = 0; i < 200; i++)
        bed_send(user, (uint16_t)(i % 10), numbers[i % 10]++, 100, 0);
    bed_wait_messages(peer, 1, SECOND);
    ok(loop_now(bed.loop) - start >= 20000, "the delay passes before the first arrives");
    ok(bed_wait_messages(peer, 200, SECOND), "all arrive");
    ok(!peer->disorders, "in order within each stream");
    bed_close(&bed);
    free(user);
}

static void spurious_again(void)
{
    struct bed bed;
    with_faults(&bed, (struct memory_faults){.seed = tap_seed(), .again_percent = 40});
    struct bed_user *user = bed_connect(&bed);
    for (uint32_t i = 0; i < 300; i++)
        bed_send(user, 1, i, 50, 0);
    ok(bed_wait_messages(bed_latest(&bed), 300, SECOND), "every message gets through");
    ok(user->writables > 50, "after ERR_AGAIN for no reason (%u times)", user->writables);
    bed_close(&bed);
    free(user);
}

static void small_queue(void)
{
    struct bed bed;
    with_faults(&bed, (struct memory_faults){.queue_bytes = 1000});
    struct bed_user *user = bed_connect(&bed);
    struct message *message = bed_message(1, 1, 100, 0);
    bed_send(user, 1, 0, 1000, 0);
    ok(association_send(user->association, message) == ERR_AGAIN, "the queue's size is honoured");
    message_free(message);
    bed_wait_messages(bed_latest(&bed), 1, SECOND);
    bed_run(&bed, SECOND / 100);
    ok(user->writables == 1, "on_writable follows");
    bed_close(&bed);
    free(user);
}

static void vanishing(void)
{
    struct bed bed;
    with_faults(&bed, (struct memory_faults){.lose_after = 20});
    struct bed_user *user = bed_connect(&bed), *peer = bed_latest(&bed);
    uint32_t sent = 0;
    while (bed_send(user, 1, sent, 100, 0))
        sent++;
    ok(bed_wait_down(peer, SECOND) && user->down, "the association vanishes");
    ok(user->reason == ERR_TRANSPORT_LOST && peer->reason == ERR_TRANSPORT_LOST, "on both sides");
    ok(sent < 30, "after about 20 messages (%u)", sent);
    bed_close(&bed);
    free(user);
}

static void slow_connect_times_out(void)
{
    struct bed bed = {.ops = &memory_ops, .options = bed_default_options()};
    bed.options.connect_timeout_us = 20000;
    memory_set_faults(&(struct memory_faults){.delay_us = SECOND});
    bed_open_at(&bed, "127.0.0.1:0", "127.0.0.1:0");
    memory_set_faults(&(struct memory_faults){0});
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_TRANSPORT_TIMEOUT,
       "a peer that is too slow is given up");
    bed_close(&bed);
    free(user);
}

/* ---- two threads ---- */

struct server_thread {
    struct bed bed;
    _Atomic bool ready, stop;
};

static void *serve(void *argument)
{
    struct server_thread *self = argument;
    bed_open_at(&self->bed, NULL, "127.0.0.1:0");
    atomic_store(&self->ready, true);
    while (!atomic_load(&self->stop))
        loop_turn(self->bed.loop, 1000);
    bed_close(&self->bed);
    message_cache_clear();
    return NULL;
}

static void two_threads(void)
{
    static struct server_thread server;
    server.bed = (struct bed){.ops = &memory_ops, .options = bed_default_options(), .echo = true};
    pthread_t thread;
    must(thread_start(&thread, "server", serve, &server) == 0);
    while (!atomic_load(&server.ready))
        sched_yield();
    struct bed bed = {.ops = &memory_ops, .options = bed_default_options()};
    bed_open_at(&bed, "127.0.0.1:0", NULL);
    struct bed_user *user = bed_user_new(&bed);
    must(association_connect(bed.client, transport_local(server.bed.server), 1, &user->events,
                             &user->association) == ERR_OK);
    while (!user->up && !user->down)
        loop_turn(bed.loop, 1000);
    for (uint32_t i = 0; i < 200;
         i++) /* fewer bytes than a queue holds: the echo must not be told ERR_AGAIN */
        bed_send(user, 3, i, 1000, 0);
    ok(bed_wait_messages(user, 200, 5 * SECOND) && !user->disorders && !user->damaged,
       "200 messages go to another thread and come back");
    atomic_store(&server.stop, true);
    thread_join(thread);
    ok(bed_wait_down(user, SECOND) && user->reason == ERR_TRANSPORT_ABORTED,
       "its end is seen here");
    bed_close(&bed);
    free(user);
}

int main(void)
{
    delay_and_jitter();
    spurious_again();
    small_queue();
    vanishing();
    slow_connect_times_out();
    two_threads();
    return tap_done();
}
