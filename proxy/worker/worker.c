/* Workers: threads with a loop each, and the mail between them. */
#include "proxy/worker/worker.h"

#include <semaphore.h>
#include <stdio.h>

#include "base/message.h"
#include "base/thread.h"

_Thread_local struct worker *worker_of_thread;

static void deliver_own(struct loop_task *task)
{
    struct worker *worker = container_of(task, struct worker, own_task);
    struct mail *mail = worker->own_first;
    worker->own_first = NULL;
    worker->own_last = &worker->own_first;
    while (mail) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

void worker_post(struct worker *worker, struct mail *mail)
{
    if (worker != worker_current()) {
        mailbox_post(&worker->mailbox, mail);
        return;
    }
    mail->next = NULL;
    *worker->own_last = mail;
    worker->own_last = &mail->next;
    loop_task_queue(worker->loop, &worker->own_task);
}

static void deliver_stop(struct mail *mail)
{
    loop_stop(container_of(mail, struct worker, stop)->loop);
}

int worker_init(struct worker *worker, unsigned index, struct resolver *resolver)
{
    *worker = (struct worker){.index = index,
                              .own_task.on_run = deliver_own,
                              .stop.deliver = deliver_stop,
                              .resolver = resolver,
                              .patience_us = WORKER_PATIENCE_US,
                              .loop = loop_new()};
    worker->own_last = &worker->own_first;
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
    snprintf(name, sizeof(name), "worker/%u", worker->index);
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
    must(!worker->own_first);
    message_free(worker->plain);
    message_free(worker->readahead);
    loop_free(worker->loop);
    worker->loop = NULL;
}

struct errand {
    struct mail mail;
    void (*function)(void *argument);
    void *argument;
    sem_t done;
};

static void deliver_errand(struct mail *mail)
{
    struct errand *errand = container_of(mail, struct errand, mail);
    errand->function(errand->argument);
    sem_post(&errand->done);
}

void worker_call(struct worker *worker, void (*function)(void *argument), void *argument)
{
    if (!worker->runs) {
        function(argument);
        return;
    }
    must(!worker_current());
    struct errand errand = {
        .mail.deliver = deliver_errand, .function = function, .argument = argument};
    sem_init(&errand.done, 0, 0);
    mailbox_post(&worker->mailbox, &errand.mail);
    while (sem_wait(&errand.done) < 0)
        ;
    sem_destroy(&errand.done);
}
