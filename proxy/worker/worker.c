/* Workers: threads with a loop each, and the mail between them. */
#include "proxy/worker/worker.h"

#include <semaphore.h>
#include <stdio.h>

#include "base/message.h"
#include "base/thread.h"

_Thread_local struct worker *worker_of_thread;

void worker_post(struct worker *worker, struct mail *mail)
{
    if (worker == worker_current())
        mailbox_post_own(&worker->mailbox, mail);
    else
        mailbox_post(&worker->mailbox, mail);
}

static void deliver_stop(struct mail *mail)
{
    loop_stop(container_of(mail, struct worker, stop)->loop);
}

int worker_init(struct worker *worker, unsigned index, struct resolver *resolver)
{
    *worker = (struct worker){.index = index,
                              .stop.deliver = deliver_stop,
                              .resolver = resolver,
                              .reset_timeout_us = WORKER_RESET_TIMEOUT_US,
                              .loop = loop_new()};
    if (!worker->loop)
        return -1;
    if (mailbox_init(&worker->mailbox, worker->loop) < 0) {
        loop_free(worker->loop);
        worker->loop = NULL;
        return -1;
    }
    worker->plain = message_new(MESSAGE_MAX);
    turn_init(&worker->turn, worker->loop);
    return 0;
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    worker_of_thread = worker;
    loop_run(worker->loop);
    message_cache_clear();
    return NULL;
}

int worker_start(struct worker *worker)
{
    char name[16];
    snprintf(name, sizeof name, "worker/%u", worker->index);
    int error = thread_start(&worker->thread, name, run, worker);
    worker->runs = !error;
    return error;
}

void worker_stop(struct worker *worker)
{
    mailbox_post(&worker->mailbox, &worker->stop);
}

void worker_join(struct worker *worker)
{
    thread_join(worker->thread);
    worker->runs = false;
}

void worker_fini(struct worker *worker)
{
    if (!worker->loop)
        return;
    mailbox_fini(&worker->mailbox);
    message_free(worker->plain);
    message_free(worker->readahead);
    loop_free(worker->loop);
    worker->loop = NULL;
}

/* A function that another thread waits for. */
struct call {
    struct mail mail;
    void (*function)(void *argument);
    void *argument;
    sem_t done;
};

static void deliver_call(struct mail *mail)
{
    struct call *call = container_of(mail, struct call, mail);
    call->function(call->argument);
    sem_post(&call->done);
}

void worker_call(struct worker *worker, void (*function)(void *argument), void *argument)
{
    if (!worker->runs) {
        function(argument);
        return;
    }
    must(!worker_current());
    struct call call = {.mail.deliver = deliver_call, .function = function, .argument = argument};
    sem_init(&call.done, 0, 0);
    mailbox_post(&worker->mailbox, &call.mail);
    while (sem_wait(&call.done) < 0)
        ;
    sem_destroy(&call.done);
}
