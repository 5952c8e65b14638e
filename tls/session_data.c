/* tls/session_data.c: data through an established session, and facts about it. */
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "tls/session_private.h"

/* Largest plaintext of a record (RFC 8446 section 5.1). */
#define RECORD_MAX 16384

/* Less is copied into a message of its size: many that wait would hold 16 KB each. */
#define COPIED_BELOW 2000

/* GnuTLS ends a session whose peer changes its keys more than 8 times in a second. A line that was
 * held up delivers many at once: so at most two of those that come by themselves go to a peer that
 * says nothing meanwhile. */
#define REKEY_PAUSE_MS 250
#define REKEYS_UNHEARD 2

bool tls_session_has_input(const struct tls_session *session)
{
    return !tls_session_is_away(session) && session->input.first && !session->input.first->offset;
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
    if (session->packet)
        gnutls_packet_deinit(session->packet);
    session->packet = NULL;
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

/* True if rekey_bytes were written since the last KeyUpdate. */
static bool is_rekey_due(const struct tls_session *session)
{
    return session->credentials->rules.rekey_bytes &&
           session->unkeyed >= session->credentials->rules.rekey_bytes &&
           session->unheard < REKEYS_UNHEARD;
}

/* Counts bytes that went out, and changes the keys when that is due. */
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

/* Without GnuTLS it is that of the master, as was checked. */
static gnutls_protocol_t version_of(const struct tls_session *session)
{
    return session->gnutls ? gnutls_protocol_get_version(session->gnutls)
                           : (gnutls_protocol_t)session->generation->version;
}

bool tls_session_is_resumed(const struct tls_session *session)
{
    return session->is_established && session->is_resumed;
}

const char *tls_session_detail(const struct tls_session *session)
{
    return !tls_session_is_away(session) && session->detail ? session->detail : "";
}

const char *tls_session_version(const struct tls_session *session)
{
    const char *name = gnutls_protocol_get_name(version_of(session));
    return name ? name : "";
}

bool tls_session_is_13(const struct tls_session *session)
{
    return version_of(session) == GNUTLS_TLS1_3;
}

const char *tls_session_cipher(const struct tls_session *session)
{
    const char *name = gnutls_cipher_get_name(
        session->gnutls ? gnutls_cipher_get(session->gnutls)
                        : (gnutls_cipher_algorithm_t)session->generation->cipher);
    return name ? name : "";
}

enum tls_records tls_session_records(const struct tls_session *session)
{
    return session->gnutls ? TLS_RECORDS_GNUTLS : TLS_RECORDS_OWN;
}

bool tls_session_is_left_to_gnutls(const struct tls_session *session)
{
    return session->gnutls && !session->master &&
           session->credentials->rules.records == TLS_RECORDS_OWN &&
           version_of(session) == GNUTLS_TLS1_3;
}

const char *tls_session_peer(const struct tls_session *session)
{
    const struct tls_identity *identity = tls_session_identity(session);
    return identity ? identity->label : "";
}

const struct tls_identity *tls_session_identity(const struct tls_session *session)
{
    return session->master ? session->master->identity : session->generation->identity;
}
