/* Workers: mail between them and to themselves. */
#include "proxy/worker/worker.h"

#include <sched.h>
#include <stdatomic.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define WORKERS 3
#define ROUNDS  2000

/* A letter that goes round all workers; each has a number of its own. */
struct letter {
    struct mail mail;
    unsigned at, hops;
    struct worker *seen; /* worker_current when it came */
};

static struct worker workers[WORKERS];
static atomic_uint finished;
static atomic_bool wrong;

static void go_on(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    if (worker_current() != &workers[letter->at])
        atomic_store(&wrong, true);
    if (++letter->hops == ROUNDS) {
        atomic_fetch_add(&finished, 1);
        return;
    }
    /* Every third hop is to the same worker. */
    if (letter->hops % 3)
        letter->at = (letter->at + 1) % WORKERS;
    worker_post(&workers[letter->at], mail);
}

static void round_trips(void)
{
    static struct letter letters[20];
    for (unsigned i = 0; i < WORKERS; i++)
        must(worker_init(&workers[i], i, NULL) == 0);
    ok(worker_current() == NULL, "the main thread is no worker");
    for (unsigned i = 0; i < WORKERS; i++)
        must(worker_start(&workers[i]) == 0);
    for (unsigned i = 0; i < 20; i++) {
        letters[i] = (struct letter){.mail.deliver = go_on, .at = i % WORKERS};
        worker_post(&workers[i % WORKERS], &letters[i].mail);
    }
    while (atomic_load(&finished) < 20)
        sched_yield();
    ok(!atomic_load(&wrong), "20 letters make %d hops, each on the worker that it was sent to",
       ROUNDS);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_stop(&workers[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_join(&workers[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_fini(&workers[i]);
}

/* Mail in order: what a worker posts, to itself and to another, comes in the order of posting. */
struct numbered {
    struct mail mail;
    unsigned number;
};

static struct numbered to_self[100], to_other[100];
static unsigned next_of_self, next_of_other;
static atomic_bool in_order_self = true, in_order_other = true, inside;
static atomic_uint arrived;

static void take_self(struct mail *mail)
{
    if (container_of(mail, struct numbered, mail)->number != next_of_self++)
        atomic_store(&in_order_self, false);
    atomic_fetch_add(&arrived, 1);
}

static void take_other(struct mail *mail)
{
    if (container_of(mail, struct numbered, mail)->number != next_of_other++)
        atomic_store(&in_order_other, false);
    atomic_fetch_add(&arrived, 1);
}

static void post_all(struct mail *mail)
{
    (void)mail;
    for (unsigned i = 0; i < 100; i++) {
        to_self[i] = (struct numbered){.mail.deliver = take_self, .number = i};
        to_other[i] = (struct numbered){.mail.deliver = take_other, .number = i};
        worker_post(&workers[0], &to_self[i].mail);
        worker_post(&workers[1], &to_other[i].mail);
        if (next_of_self)
            atomic_store(&inside, true);
    }
}

static void order(void)
{
    struct mail begin = {.deliver = post_all};
    for (unsigned i = 0; i < 2; i++) {
        must(worker_init(&workers[i], i, NULL) == 0);
        must(worker_start(&workers[i]) == 0);
    }
    worker_post(&workers[0], &begin);
    while (atomic_load(&arrived) < 200)
        sched_yield();
    ok(atomic_load(&in_order_self), "mail to itself comes in order");
    ok(atomic_load(&in_order_other), "and to another");
    ok(!atomic_load(&inside), "never inside worker_post");
    for (unsigned i = 0; i < 2; i++) {
        worker_stop(&workers[i]);
        worker_join(&workers[i]);
        worker_fini(&workers[i]);
    }
}

static bool last_came;

static void take_last(struct mail *mail)
{
    (void)mail;
    last_came = true;
}

static void ends(void)
{
    must(worker_init(&workers[0], 0, NULL) == 0);
    worker_fini(&workers[0]);
    ok(true, "a worker that never ran");
    must(worker_init(&workers[0], 0, NULL) == 0);
    must(worker_start(&workers[0]) == 0);
    struct mail last = {.deliver = take_last};
    worker_post(&workers[0], &last);
    worker_stop(&workers[0]);
    worker_join(&workers[0]);
    worker_fini(&workers[0]);
    ok(last_came, "what was posted before the stop is delivered");
    must(worker_init(&workers[0], 0, NULL) == 0);
    must(worker_start(&workers[0]) == 0);
    worker_stop(&workers[0]);
    worker_join(&workers[0]);
    last_came = false;
    worker_post(&workers[0], &last);
    worker_fini(&workers[0]);
    ok(last_came, "and what comes behind it, at the latest by worker_fini");
}

static void note_worker(void *argument)
{
    *(struct worker **)argument = worker_current();
}

static void calls(void)
{
    struct worker *where = &workers[0];
    must(worker_init(&workers[0], 0, NULL) == 0);
    must(worker_init(&workers[1], 1, NULL) == 0);
    worker_call(&workers[1], note_worker, &where);
    ok(!where, "a call to a worker that does not run is a plain call");
    for (unsigned i = 0; i < 2; i++)
        must(worker_start(&workers[i]) == 0);
    worker_call(&workers[1], note_worker, &where);
    ok(where == &workers[1], "one to a worker that runs is made on its thread");
    for (unsigned i = 0; i < 2; i++) {
        worker_stop(&workers[i]);
        worker_join(&workers[i]);
    }
    worker_call(&workers[1], note_worker, &where);
    ok(!where, "afterwards it is a plain one again");
    for (unsigned i = 0; i < 2; i++)
        worker_fini(&workers[i]);
}

int main(void)
{
    calls();
    round_trips();
    order();
    ends();
    return tap_done();
}
