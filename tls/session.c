#include "tls/session.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/established.h"
#include "tls/failure.h"
#include "tls/handshake.h"
#include "tls/resume.h"
#include "tls/session_private.h"
#include "tls/signer_private.h"
#include "tls/wipe.h"

/* Largest plaintext of a record (RFC 8446 section 5.1). */
#define RECORD_MAX 16384

/* Less is copied into a message of its size: many that wait would hold 16 KB each. */
#define COPIED_BELOW 2000

/* GnuTLS ends a session whose peer changes its keys more than 8 times in a second. What a line
 * holds up arrives all at once: so no more than two of those that come by themselves go to a peer
 * that says nothing meanwhile. */
#define REKEY_PAUSE_MS 250
#define REKEYS_UNHEARD 2

static void put_out(struct tls_session *session, struct message *message)
{
    if (tls_signer_has(session))
        tls_signer_put_out(session, message);
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
                put_out(session, message);
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
    gnutls_db_set_cache_expiration(
        gnutls,
        (int)(session->master ? credentials->ticket_lifetime_s : session->generation->lifetime_s));
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
    session->is_server = credentials->role == TLS_SERVER;
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
    if (!session->is_server && credentials->resume != TLS_RESUME_NEVER)
        gnutls_session_set_data(session->gnutls, generation->data, generation->data_size);
    return session;
}

static void release_packet(struct tls_session *session)
{
    if (session->packet)
        gnutls_packet_deinit(session->packet);
    session->packet = NULL;
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

void tls_session_free(struct tls_session *session)
{
    if (!session || tls_signer_abandon(session))
        return;
    release_packet(session);
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
    if (tls_signer_has(session)) {
        tls_signer_feed(session, message);
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

bool tls_session_has_input(const struct tls_session *session)
{
    return !tls_signer_has(session) && session->input.first && !session->input.first->offset;
}

bool tls_session_hold(struct tls_session *session)
{
    return !session->gnutls && tls_established_hold(session->established);
}

void tls_session_release(struct tls_session *session)
{
    if (!session->gnutls)
        tls_established_release(session->established);
}

enum err tls_session_handshake(struct tls_session *session)
{
    return tls_handshake_run(session);
}

/* One call into GnuTLS. It says "again" after every ticket and KeyUpdate, with more bytes there. */
static ssize_t receive(struct tls_session *session)
{
    ssize_t rc;
    uint64_t pulled;
    do {
        pulled = session->pulled;
        rc = gnutls_record_recv_packet(session->gnutls, &session->packet);
    } while ((rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED) && session->pulled != pulled);
    return rc;
}

enum err tls_session_read(struct tls_session *session, const uint8_t **data, size_t *length)
{
    release_packet(session);
    if (session->failure != ERR_OK)
        return session->failure;
    must(session->is_established);
    if (session->is_closed)
        return ERR_TLS_CLOSED;
    if (!session->gnutls)
        return tls_established_read(session, data, length);
    if (session->is_drained)
        return ERR_AGAIN;

    ssize_t rc = receive(session);
    if (rc > 0) {
        gnutls_datum_t datum;
        gnutls_packet_get(session->packet, &datum, NULL);
        *data = datum.data;
        *length = datum.size;
        session->has_read = true;
        session->unheard = 0;
        /* Spares the next call a 16 KB allocation only to learn that there is nothing. */
        session->is_drained =
            !session->input.first && !gnutls_record_check_pending(session->gnutls);
        return ERR_OK;
    }
    if (rc == 0) {
        session->is_closed = true;
        message_queue_clear(&session->input);
        return ERR_TLS_CLOSED;
    }
    if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED) {
        session->is_drained = true;
        return ERR_AGAIN;
    }
    return tls_failure_from_gnutls(session, (int)rc, ERR_TLS_RECORD);
}

/* One record, or several, if the peer insisted on smaller ones (RFC 8449). */
static enum err send_records(struct tls_session *session, const uint8_t *from, size_t length)
{
    while (length) {
        ssize_t rc = gnutls_record_send(session->gnutls, from, length);
        if (rc < 0)
            return tls_failure_from_gnutls(session, (int)rc, ERR_TLS_RECORD);
        from += rc;
        length -= (size_t)rc;
    }
    return ERR_OK;
}

/* By itself, after so many bytes. */
static bool is_rekey_due(const struct tls_session *session)
{
    return session->credentials->rekey_bytes &&
           session->unkeyed >= session->credentials->rekey_bytes &&
           session->unheard < REKEYS_UNHEARD;
}

/* So many bytes went out. */
static enum err wrote(struct tls_session *session, size_t length)
{
    session->unkeyed += length;
    if (is_rekey_due(session) && tls_session_rekey(session) != ERR_OK)
        return session->failure; /* ERR_OK: it was too soon, the next record tries again */
    return ERR_OK;
}

enum err tls_session_write(struct tls_session *session, const void *data, size_t length)
{
    if (session->failure != ERR_OK || !length)
        return session->failure;
    must(session->is_established && length <= RECORD_MAX);
    enum err result = session->gnutls ? send_records(session, data, length)
                                      : tls_established_write(session, data, length);
    return result == ERR_OK ? wrote(session, length) : result;
}

enum err tls_session_write_message(struct tls_session *session, struct message **plain,
                                   size_t length)
{
    if (session->gnutls || length < COPIED_BELOW)
        return tls_session_write(session, (*plain)->data + TLS_SESSION_HEADROOM, length);
    if (session->failure != ERR_OK)
        return session->failure;
    must(session->is_established && length <= RECORD_MAX);
    enum err result = tls_established_write_message(session, *plain, length);
    *plain = message_new(MESSAGE_MAX);
    return result == ERR_OK ? wrote(session, length) : result;
}

enum err tls_session_rekey(struct tls_session *session)
{
    if (session->failure != ERR_OK)
        return session->failure;
    must(session->is_established);
    if (session->gnutls && gnutls_protocol_get_version(session->gnutls) != GNUTLS_TLS1_3)
        return ERR_OK;
    int64_t now = (int64_t)(clock_us() / 1000);
    if (session->rekeyed_at && now - session->rekeyed_at < REKEY_PAUSE_MS)
        return ERR_AGAIN;
    /* Our own direction only: when both ends ask the other for theirs at once, GnuTLS 3.7 takes it
     * for an error and closes the session. */
    if (session->gnutls) {
        int rc = gnutls_session_key_update(session->gnutls, 0);
        if (rc < 0)
            return tls_failure_from_gnutls(session, rc, ERR_TLS_RECORD);
    } else if (tls_established_rekey(session) != ERR_OK) {
        return session->failure;
    }
    session->rekeyed_at = now;
    session->unkeyed = 0;
    if (session->unheard < REKEYS_UNHEARD)
        session->unheard++;
    return ERR_OK;
}

enum err tls_session_export(struct tls_session *session, const char *label, uint8_t *out,
                            size_t size)
{
    must(session->is_established && session->gnutls);
    /* Fails only for an impossible size: it is derived from a secret that is there. */
    int rc = gnutls_prf_rfc5705(session->gnutls, strlen(label), label, 0, NULL, size, (char *)out);
    return rc < 0 ? ERR_INTERNAL : ERR_OK;
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
    if (!session->master || tls_signer_has(session) || session->failure != ERR_OK)
        return NULL;
    struct tls_ticket *ticket = session->master->ticket;
    session->master->ticket = NULL;
    return ticket;
}
