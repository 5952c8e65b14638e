/* tls/session.c: makes sessions, connects them to GnuTLS, and drives their handshake. */
#include "tls/session.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tls/helper.h"
#include "tls/session_private.h"
#include "tls/wipe.h"

/* The handshake of a master on the signer's thread. Its own thread touches nothing of the session
 * meanwhile, but what is here. */
struct tls_away {
    struct tls_helper_task step;
    struct tls_session *session; /* NULL: freed, and on_step_done still comes */
    bool is_back;                /* on_step_done came */
    int rc;                      /* GnuTLS's code */
    struct message_queue sent;   /* written by the signer's thread, while it runs the step */
    struct message_queue received;
};

static void free_away(struct tls_away *away)
{
    message_queue_clear(&away->sent);
    message_queue_clear(&away->received);
    free(away);
}

static void output(struct tls_session *session, struct message *message)
{
    if (tls_session_is_away(session))
        message_queue_push(&session->master->away->sent, message);
    else
        session->output->on_output(session->output, message);
}

/* A record, or a whole flight, becomes one message; only a flight with a long certificate chain
 * needs more. One copy: GnuTLS keeps the buffer that it encrypts into. */
static ssize_t on_push(gnutls_transport_ptr_t pointer, const giovec_t *vectors, int count)
{
    struct tls_session *session = pointer;
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += vectors[i].iov_len;

    struct message *message = NULL;
    size_t left = total;
    for (int i = 0; i < count; i++) {
        const uint8_t *from = vectors[i].iov_base;
        for (size_t length = vectors[i].iov_len; length;) {
            if (!message)
                message = message_new(left < MESSAGE_MAX ? left : MESSAGE_MAX);
            size_t room = MESSAGE_MAX - message->length;
            size_t part = length < room ? length : room;
            memcpy(message->data + message->length, from, part);
            message->length += (uint32_t)part;
            from += part;
            length -= part;
            left -= part;
            if (message->length == MESSAGE_MAX || !left) {
                output(session, message);
                message = NULL;
            }
        }
    }
    return (ssize_t)total;
}

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
    struct tls_session *session = pointer;
    size_t got = 0;
    struct message *message;
    while (got < size && (message = session->input.first)) {
        size_t part = message->length - message->offset;
        if (part > size - got)
            part = size - got;
        memcpy((uint8_t *)data + got, message->data + message->offset, part);
        message->offset += (uint32_t)part;
        got += part;
        if (message->offset == message->length)
            message_free(message_queue_pop(&session->input));
    }
    if (!got) {
        gnutls_transport_set_errno(session->gnutls, EAGAIN);
        return -1;
    }
    session->pulled += got;
    return (ssize_t)got;
}

static int on_pull_timeout(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
    (void)milliseconds;
    struct tls_session *session = pointer;
    return session->input.first ? 1 : 0;
}

static unsigned init_flags(const struct tls_session *session)
{
    unsigned flags = GNUTLS_NONBLOCK;
    if (session->credentials->mode == TLS_MODE_RAW_KEYS)
        flags |= GNUTLS_ENABLE_RAWPK;
    if (!session->is_server)
        return flags | GNUTLS_CLIENT | GNUTLS_KEY_SHARE_TOP;
    return flags | GNUTLS_SERVER | tls_resume_flags(session);
}

static bool set_up(struct tls_session *session)
{
    const struct tls_credentials *credentials = session->credentials;
    struct gnutls_priority_st *priority =
        session->master ? credentials->policy.master
                        : tls_policy_child(&credentials->policy, session->generation->version);
    if (gnutls_init(&session->gnutls, init_flags(session)) < 0) {
        session->gnutls = NULL;
        return false;
    }
    gnutls_session_t gnutls = session->gnutls;
    if (!priority || gnutls_priority_set(gnutls, priority) < 0 ||
        !tls_credentials_install(credentials, gnutls))
        return false;
    if (session->is_server) {
        gnutls_certificate_server_set_request(gnutls, GNUTLS_CERT_REQUIRE);
        /* A client does not show a certificate whose CA we do not name; we want to see it, to be
         * able to say what is wrong with it. */
        gnutls_certificate_send_x509_rdn_sequence(gnutls, 1);
        tls_resume_prepare(session);
    }
    gnutls_db_set_cache_expiration(gnutls,
                                   (int)(session->master ? credentials->rules.ticket_lifetime_s
                                                         : session->generation->lifetime_s));
    gnutls_transport_set_ptr(gnutls, session);
    gnutls_transport_set_vec_push_function(gnutls, on_push);
    gnutls_transport_set_pull_function(gnutls, on_pull);
    gnutls_transport_set_pull_timeout_function(gnutls, on_pull_timeout);
    tls_handshake_prepare(session);
    return true;
}

static struct tls_session *new_session(struct tls_credentials *credentials,
                                       struct tls_output *output)
{
    struct tls_session *session = check_alloc(sizeof *session);
    session->credentials = tls_credentials_ref(credentials);
    session->is_server = credentials->rules.role == TLS_SERVER;
    session->output = output;
    return session;
}

/* Kept until the handshake begins: one that was not used can be taken back. */
static void use_ticket(struct tls_session *session, struct tls_ticket *ticket)
{
    struct tls_master *master = session->master;
    if (ticket && !session->is_server && tls_ticket_fits(ticket, session->credentials) &&
        ticket->expires_at > master->started &&
        gnutls_session_set_data(session->gnutls, ticket->data, ticket->data_size) == 0) {
        master->expires_at = ticket->expires_at;
        master->ticket = ticket;
    } else {
        tls_ticket_free(ticket);
    }
}

struct tls_session *tls_session_new_master(struct tls_credentials *credentials,
                                           struct tls_ticket *ticket, struct tls_output *output)
{
    struct tls_session *session = new_session(credentials, output);
    struct tls_master *master = session->master = check_alloc(sizeof *session->master);
    master->started = time(NULL);
    master->expires_at = INT64_MAX;
    if (!set_up(session)) {
        tls_ticket_free(ticket);
        tls_session_free(session);
        return NULL;
    }
    use_ticket(session, ticket);
    return session;
}

struct tls_session *tls_session_new_child(struct tls_credentials *credentials,
                                          struct tls_generation *generation,
                                          struct tls_generation *previous,
                                          struct tls_output *output)
{
    struct tls_session *session = new_session(credentials, output);
    session->generation = tls_generation_ref(generation);
    session->previous = previous && session->is_server ? tls_generation_ref(previous) : NULL;
    if (!set_up(session)) {
        tls_session_free(session);
        return NULL;
    }
    if (!session->is_server && credentials->rules.resume != TLS_RESUME_NEVER)
        gnutls_session_set_data(session->gnutls, generation->data, generation->data_size);
    return session;
}

static void free_master(struct tls_master *master)
{
    if (!master)
        return;
    tls_identity_unref(master->identity);
    tls_generation_unref(master->made);
    tls_ticket_free(master->ticket);
    tls_ticket_free(master->offered);
    tls_ticket_key_unref(master->key);
    tls_wipe_free(master->stored, master->stored_size);
    free(master);
}

/* True: it is in use on the signer's thread, which frees it afterwards. */
static bool is_left_to_signer(struct tls_session *session)
{
    if (!tls_session_is_away(session))
        return false;
    struct tls_away *away = session->master->away;
    enum tls_helper_state state = tls_helper_cancel(session->credentials->signer, &away->step);
    if (state == TLS_HELPER_RUNNING)
        return true;
    session->master->away = NULL;
    if (state == TLS_HELPER_DONE && !away->is_back)
        away->session = NULL; /* on_step_done frees it */
    else
        free_away(away);
    return false;
}

void tls_session_free(struct tls_session *session)
{
    if (!session || is_left_to_signer(session))
        return;
    if (session->packet)
        gnutls_packet_deinit(session->packet);
    tls_resume_abandon(session);
    if (session->gnutls)
        gnutls_deinit(session->gnutls);
    tls_established_free(session->established);
    message_queue_clear(&session->input);
    free_master(session->master);
    tls_generation_unref(session->generation);
    tls_generation_unref(session->previous);
    tls_credentials_unref(session->credentials);
    free(session->detail);
    free(session);
}

void tls_session_feed(struct tls_session *session, struct message *message)
{
    if (tls_session_is_away(session)) {
        struct message_queue *received = &session->master->away->received;
        if (received->count < TLS_WAITING_MAX)
            message_queue_push(received, message);
        else
            message_free(message);
        return;
    }
    bool is_flood =
        session->master && !session->is_established && session->input.count >= TLS_WAITING_MAX;
    if (session->failure != ERR_OK || session->is_closed || is_flood ||
        message->offset == message->length) {
        message_free(message);
        return;
    }
    message_queue_push(&session->input, message);
    session->is_drained = false;
}

/* ---- the handshake, here or on the signer's thread ---- */

static void run_step(struct tls_helper_task *step)
{
    struct tls_away *away = container_of(step, struct tls_away, step);
    away->rc = tls_handshake_step(away->session);
}

static void on_step_done(struct tls_helper_task *step)
{
    struct tls_away *away = container_of(step, struct tls_away, step);
    struct tls_session *session = away->session;
    if (!session) {
        free_away(away);
        return;
    }
    away->is_back = true;
    session->output->on_ready(session->output);
}

static void on_step_dropped(struct tls_helper_task *step)
{
    struct tls_away *away = container_of(step, struct tls_away, step);
    away->session->master->away = NULL;
    tls_session_free(away->session);
    free_away(away);
}

/* Only a master whose key is in a token, and whose owner can be called back; nobody signs before
 * the peer's first message. False: the caller takes the step itself. */
static bool is_sent_to_signer(struct tls_session *session)
{
    struct tls_helper *signer = session->credentials->signer;
    if (!signer || !session->master || !session->output->on_ready || !session->input.first)
        return false;
    struct tls_away *away = check_alloc(sizeof *away);
    away->session = session;
    away->step = (struct tls_helper_task){.run = run_step,
                                          .on_done = on_step_done,
                                          .on_dropped = on_step_dropped,
                                          .reply_to = session->output->reply_to};
    session->master->away = away;
    if (tls_helper_begin(signer, &away->step, SIZE_MAX))
        return true;
    session->master->away = NULL;
    free_away(away);
    return false;
}

static enum err conclude(struct tls_session *session, int rc)
{
    if (rc >= 0)
        return tls_handshake_finish(session);
    return gnutls_error_is_fatal(rc) ? tls_failure_from_gnutls(session, rc, ERR_TLS_HANDSHAKE)
                                     : ERR_AGAIN;
}

/* Returns to the signer's thread if more has come meanwhile. */
static enum err come_back(struct tls_session *session)
{
    struct tls_away *away = session->master->away;
    struct message *message;
    if (!away->is_back)
        return ERR_AGAIN;
    session->master->away = NULL;
    while ((message = message_queue_pop(&away->sent)))
        session->output->on_output(session->output, message);
    while ((message = message_queue_pop(&away->received)))
        tls_session_feed(session, message);
    int rc = away->rc;
    free_away(away);
    enum err result = conclude(session, rc);
    if (result == ERR_AGAIN)
        is_sent_to_signer(session);
    return result;
}

/* Asked before a client says anything. */
static bool is_expired(const struct tls_session *session)
{
    return !session->is_server && !session->master &&
           session->credentials->rules.resume == TLS_RESUME_REQUIRE &&
           tls_generation_expires_in(session->generation) <= 0;
}

/* A ticket that is sent is used up. */
static void start(struct tls_session *session)
{
    session->has_started = true;
    if (session->master) {
        session->master->offered = session->master->ticket;
        session->master->ticket = NULL;
    }
}

enum err tls_session_handshake(struct tls_session *session)
{
    if (tls_session_is_away(session))
        return come_back(session);
    if (session->failure != ERR_OK)
        return session->failure;
    if (session->is_established)
        return ERR_OK;
    if (session->is_server && (!session->input.first || tls_resume_begin(session) == ERR_AGAIN))
        return ERR_AGAIN;
    if (!session->has_started && is_expired(session))
        return tls_failure_set(session, ERR_TLS_NOT_RESUMED, 0,
                               "the tickets of the master have expired");
    if (!session->has_started)
        start(session);
    if (is_sent_to_signer(session))
        return ERR_AGAIN;
    return conclude(session, tls_handshake_step(session));
}

struct tls_generation *tls_session_generation(struct tls_session *session)
{
    if (!session->master || !session->is_established || session->failure != ERR_OK ||
        !session->master->made)
        return NULL;
    return tls_generation_ref(session->master->made);
}

struct tls_ticket *tls_session_take_ticket(struct tls_session *session)
{
    if (!session->master || tls_session_is_away(session) || session->failure != ERR_OK)
        return NULL;
    struct tls_ticket *ticket = session->master->ticket;
    session->master->ticket = NULL;
    return ticket;
}
