/* tls/signer.c: the thread that waits for tokens. */
#include "tls/signer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/thread.h"

struct tls_signer {
    pthread_mutex_t lock; /* guards all below, and state and is_cancelled of each step */
    pthread_cond_t asked;
    STAILQ_HEAD(, tls_signer_step) queue;
    pthread_t thread;
    bool has_thread, ends;
};

static void deliver(struct mail *mail)
{
    struct tls_signer_step *step = container_of(mail, struct tls_signer_step, mail);
    step->on_done(step);
}

/* The mail is posted under the lock: who cancels the step may close the mailbox right afterwards.
 */
static void run_locked(struct tls_signer *signer, struct tls_signer_step *step)
{
    STAILQ_REMOVE_HEAD(&signer->queue, others);
    step->state = TLS_SIGNER_RUNNING;
    pthread_mutex_unlock(&signer->lock);
    step->run(step);
    pthread_mutex_lock(&signer->lock);
    if (!step->is_cancelled) {
        step->state = TLS_SIGNER_DONE;
        step->mail.deliver = deliver;
        mailbox_post(step->reply_to, &step->mail);
        return;
    }
    pthread_mutex_unlock(&signer->lock);
    step->on_cancelled(step);
    pthread_mutex_lock(&signer->lock);
}

static void *serve(void *argument)
{
    struct tls_signer *signer = argument;
    pthread_mutex_lock(&signer->lock);
    while (!signer->ends || !STAILQ_EMPTY(&signer->queue)) {
        if (STAILQ_EMPTY(&signer->queue))
            pthread_cond_wait(&signer->asked, &signer->lock);
        else
            run_locked(signer, STAILQ_FIRST(&signer->queue));
    }
    pthread_mutex_unlock(&signer->lock);
    return NULL;
}

struct tls_signer *tls_signer_new(void)
{
    struct tls_signer *signer = check_alloc(sizeof *signer);
    pthread_mutex_init(&signer->lock, NULL);
    pthread_cond_init(&signer->asked, NULL);
    STAILQ_INIT(&signer->queue);
    return signer;
}

void tls_signer_free(struct tls_signer *signer)
{
    if (!signer)
        return;
    pthread_mutex_lock(&signer->lock);
    must(STAILQ_EMPTY(&signer->queue));
    signer->ends = true;
    pthread_cond_signal(&signer->asked);
    pthread_mutex_unlock(&signer->lock);
    if (signer->has_thread)
        thread_join(signer->thread);
    pthread_cond_destroy(&signer->asked);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
}

bool tls_signer_begin(struct tls_signer *signer, struct tls_signer_step *step)
{
    pthread_mutex_lock(&signer->lock);
    if (!signer->has_thread)
        signer->has_thread = thread_start(&signer->thread, "signer", serve, signer) == 0;
    bool has_thread = signer->has_thread;
    if (has_thread) {
        STAILQ_INSERT_TAIL(&signer->queue, step, others);
        pthread_cond_signal(&signer->asked);
    }
    pthread_mutex_unlock(&signer->lock);
    return has_thread;
}

enum tls_signer_state tls_signer_cancel(struct tls_signer *signer, struct tls_signer_step *step)
{
    pthread_mutex_lock(&signer->lock);
    enum tls_signer_state state = step->state;
    if (state == TLS_SIGNER_QUEUED)
        STAILQ_REMOVE(&signer->queue, step, tls_signer_step, others);
    step->is_cancelled = true;
    pthread_mutex_unlock(&signer->lock);
    return state;
}
