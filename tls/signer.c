#include "tls/signer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/thread.h"
#include "tls/handshake.h"
#include "tls/session_private.h"
#include "tls/signer_private.h"

enum place {
    PLACE_QUEUE,
    PLACE_THREAD, /* in use by it */
    PLACE_MAIL,   /* done: the mail is under way, or was delivered */
};

struct tls_step {
    struct mail mail;
    struct tls_signer *signer;
    struct tls_session *session; /* NULL: gone, and the mail still comes */
    struct mailbox *reply_to;
    enum place place; /* with the lock */
    bool is_orphan;   /* with the lock: the thread frees the session */
    bool is_back;     /* of the session's thread: the mail was delivered */
    int rc;
    struct message_queue sent;     /* of the thread, while it has the session */
    struct message_queue received; /* of the session's own thread */
    struct tls_step *next;
};

struct tls_signer {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct tls_step *first, **last;
    pthread_t thread;
    bool has_thread, ends;
};

static void free_step(struct tls_step *step)
{
    message_queue_clear(&step->sent);
    message_queue_clear(&step->received);
    free(step);
}

/* ---- the thread ---- */

static struct tls_step *next_locked(struct tls_signer *signer)
{
    while (!signer->first && !signer->ends)
        pthread_cond_wait(&signer->asked, &signer->lock);
    struct tls_step *step = signer->first;
    if (!step)
        return NULL;
    signer->first = step->next;
    if (!signer->first)
        signer->last = &signer->first;
    step->place = PLACE_THREAD;
    return step;
}

/* The lock keeps the mailbox open: who abandons the step may close it right afterwards. */
static bool give_back_locked(struct tls_step *step)
{
    if (step->is_orphan)
        return false;
    step->place = PLACE_MAIL;
    mailbox_post(step->reply_to, &step->mail);
    return true;
}

static void *run(void *argument)
{
    struct tls_signer *signer = argument;
    struct tls_step *step;
    pthread_mutex_lock(&signer->lock);
    while ((step = next_locked(signer))) {
        pthread_mutex_unlock(&signer->lock);
        step->rc = tls_handshake_step(step->session);
        pthread_mutex_lock(&signer->lock);
        if (give_back_locked(step))
            continue;
        pthread_mutex_unlock(&signer->lock);
        step->session->master->step = NULL;
        tls_session_free(step->session);
        free_step(step);
        pthread_mutex_lock(&signer->lock);
    }
    pthread_mutex_unlock(&signer->lock);
    return NULL;
}

struct tls_signer *tls_signer_new(void)
{
    struct tls_signer *signer = check_alloc(sizeof *signer);
    pthread_mutex_init(&signer->lock, NULL);
    pthread_cond_init(&signer->asked, NULL);
    signer->last = &signer->first;
    return signer;
}

void tls_signer_free(struct tls_signer *signer)
{
    if (!signer)
        return;
    pthread_mutex_lock(&signer->lock);
    must(!signer->first);
    signer->ends = true;
    pthread_cond_signal(&signer->asked);
    pthread_mutex_unlock(&signer->lock);
    if (signer->has_thread)
        thread_join(signer->thread);
    pthread_cond_destroy(&signer->asked);
    pthread_mutex_destroy(&signer->lock);
    free(signer);
}

/* ---- the session's thread ---- */

static void on_mail(struct mail *mail)
{
    struct tls_step *step = container_of(mail, struct tls_step, mail);
    struct tls_session *session = step->session;
    if (!session) {
        free_step(step);
        return;
    }
    step->is_back = true;
    session->output->on_ready(session->output);
}

static bool ask(struct tls_signer *signer, struct tls_step *step)
{
    pthread_mutex_lock(&signer->lock);
    if (!signer->has_thread)
        signer->has_thread = thread_start(&signer->thread, "signer", run, signer) == 0;
    if (signer->has_thread) {
        *signer->last = step;
        signer->last = &step->next;
        pthread_cond_signal(&signer->asked);
    }
    pthread_mutex_unlock(&signer->lock);
    return signer->has_thread;
}

bool tls_signer_has(const struct tls_session *session)
{
    return session->master && session->master->step;
}

bool tls_signer_begin(struct tls_session *session)
{
    struct tls_signer *signer = session->credentials->signer;
    /* Nobody signs before he has heard the peer. */
    if (!signer || !session->master || !session->output->on_ready || !session->input.first)
        return false;
    struct tls_step *step = check_alloc(sizeof *step);
    *step = (struct tls_step){.mail.deliver = on_mail,
                              .signer = signer,
                              .session = session,
                              .reply_to = session->output->reply_to};
    session->master->step = step;
    if (ask(signer, step))
        return true;
    session->master->step = NULL;
    free_step(step);
    return false;
}

bool tls_signer_take(struct tls_session *session, int *rc)
{
    struct tls_step *step = session->master->step;
    struct message *message;
    if (!step->is_back)
        return false;
    *rc = step->rc;
    session->master->step = NULL;
    while ((message = message_queue_pop(&step->sent)))
        session->output->on_output(session->output, message);
    while ((message = message_queue_pop(&step->received)))
        tls_session_feed(session, message);
    free_step(step);
    return true;
}

void tls_signer_feed(struct tls_session *session, struct message *message)
{
    struct message_queue *received = &session->master->step->received;
    if (received->count < TLS_WAITING_MAX)
        message_queue_push(received, message);
    else
        message_free(message);
}

void tls_signer_put_out(struct tls_session *session, struct message *message)
{
    message_queue_push(&session->master->step->sent, message);
}

static void unlink_locked(struct tls_signer *signer, struct tls_step *step)
{
    struct tls_step **link = &signer->first;
    while (*link != step)
        link = &(*link)->next;
    *link = step->next;
    if (signer->last == &step->next)
        signer->last = link;
}

bool tls_signer_abandon(struct tls_session *session)
{
    struct tls_step *step = tls_signer_has(session) ? session->master->step : NULL;
    if (!step)
        return false;
    struct tls_signer *signer = step->signer;
    pthread_mutex_lock(&signer->lock);
    enum place place = step->place;
    if (place == PLACE_QUEUE)
        unlink_locked(signer, step);
    step->is_orphan = place == PLACE_THREAD;
    pthread_mutex_unlock(&signer->lock);
    if (place == PLACE_THREAD)
        return true;
    session->master->step = NULL;
    if (place == PLACE_MAIL && !step->is_back)
        step->session = NULL; /* the mail frees it */
    else
        free_step(step);
    return false;
}
