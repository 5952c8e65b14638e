/* tls/helper.c: a thread that waits for tokens, or for Redis. */
#include "tls/helper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/thread.h"

struct queue {
    STAILQ_HEAD(helper_tasks, tls_helper_task) tasks;
    size_t count;
};

struct tls_helper {
    const char *name;
    pthread_mutex_t lock; /* guards all below, and state and is_dropped of each task */
    pthread_cond_t asked;
    struct queue queues[2]; /* [1]: urgent */
    pthread_t thread;
    bool has_thread, told_failure, ends;
};

static void deliver(struct mail *mail)
{
    struct tls_helper_task *task = container_of(mail, struct tls_helper_task, mail);
    task->on_done(task);
}

void tls_helper_answer(struct tls_helper_task *task)
{
    task->state = TLS_HELPER_DONE;
    task->mail.deliver = deliver;
    mailbox_post(task->reply_to, &task->mail);
}

static struct tls_helper_task *pop(struct tls_helper *helper)
{
    for (int i = 1; i >= 0; i--) {
        struct tls_helper_task *task = STAILQ_FIRST(&helper->queues[i].tasks);
        if (!task)
            continue;
        STAILQ_REMOVE_HEAD(&helper->queues[i].tasks, others);
        helper->queues[i].count--;
        return task;
    }
    return NULL;
}

/* The mail is posted under the lock: who cancels the task may close the mailbox right afterwards.
 */
static void finish_locked(struct tls_helper *helper, struct tls_helper_task *task)
{
    if (!task->is_dropped && task->reply_to) {
        tls_helper_answer(task);
        return;
    }
    pthread_mutex_unlock(&helper->lock);
    task->on_dropped(task);
    pthread_mutex_lock(&helper->lock);
}

static void *serve(void *argument)
{
    struct tls_helper *helper = argument;
    pthread_mutex_lock(&helper->lock);
    while (!helper->ends) {
        struct tls_helper_task *task = pop(helper);
        if (!task) {
            pthread_cond_wait(&helper->asked, &helper->lock);
            continue;
        }
        task->state = TLS_HELPER_RUNNING;
        pthread_mutex_unlock(&helper->lock);
        task->run(task);
        pthread_mutex_lock(&helper->lock);
        finish_locked(helper, task);
    }
    pthread_mutex_unlock(&helper->lock);
    return NULL;
}

struct tls_helper *tls_helper_new(const char *name)
{
    struct tls_helper *helper = check_alloc(sizeof *helper);
    helper->name = name;
    pthread_mutex_init(&helper->lock, NULL);
    pthread_cond_init(&helper->asked, NULL);
    for (size_t i = 0; i < 2; i++)
        STAILQ_INIT(&helper->queues[i].tasks);
    return helper;
}

void tls_helper_free(struct tls_helper *helper)
{
    if (!helper)
        return;
    pthread_mutex_lock(&helper->lock);
    helper->ends = true;
    pthread_cond_signal(&helper->asked);
    pthread_mutex_unlock(&helper->lock);
    if (helper->has_thread)
        thread_join(helper->thread);
    pthread_mutex_lock(&helper->lock);
    for (struct tls_helper_task *task; (task = pop(helper));)
        finish_locked(helper, task);
    pthread_mutex_unlock(&helper->lock);
    pthread_cond_destroy(&helper->asked);
    pthread_mutex_destroy(&helper->lock);
    free(helper);
}

/* Tries again for each task; the log says once that it failed. */
static void start_locked(struct tls_helper *helper)
{
    int error = thread_start(&helper->thread, helper->name, serve, helper);
    helper->has_thread = error == 0;
    if (error && !helper->told_failure)
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "cannot start the thread \"%s\": %s",
                  helper->name, strerror(error));
    helper->told_failure |= error != 0;
}

bool tls_helper_begin(struct tls_helper *helper, struct tls_helper_task *task, size_t max)
{
    struct queue *queue = &helper->queues[task->is_urgent];
    pthread_mutex_lock(&helper->lock);
    if (!helper->has_thread)
        start_locked(helper);
    bool is_taken = helper->has_thread && queue->count < max;
    if (is_taken) {
        STAILQ_INSERT_TAIL(&queue->tasks, task, others);
        queue->count++;
        pthread_cond_signal(&helper->asked);
    }
    pthread_mutex_unlock(&helper->lock);
    return is_taken;
}

enum tls_helper_state tls_helper_cancel(struct tls_helper *helper, struct tls_helper_task *task)
{
    struct queue *queue = &helper->queues[task->is_urgent];
    pthread_mutex_lock(&helper->lock);
    enum tls_helper_state state = task->state;
    if (state == TLS_HELPER_QUEUED) {
        STAILQ_REMOVE(&queue->tasks, task, tls_helper_task, others);
        queue->count--;
    }
    task->is_dropped = true;
    pthread_mutex_unlock(&helper->lock);
    return state;
}
