/* tls/established.c: the child of TLS 1.3 that goes on without GnuTLS. */
#include "tls/session_private.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/wire.h"

/* A peer that does nothing but change its keys is stopped: a change costs as much as ten short
 * records. It may do so 8 times in a second, and 64 times that come at once; and once more for each
 * record of data, which costs it credit. A peer that changes keys only after data, as our own
 * sender and GnuTLS's do, is never stopped, however late and close together all of it comes. */
#define UPDATE_MS      125
#define UPDATES_MAX_MS (64 * UPDATE_MS)

enum handshake_type { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 };

/* GnuTLS tells secrets as a key log (that of NSS), all along the handshake. */
static int on_secret(gnutls_session_t gnutls, const char *label, const gnutls_datum_t *secret)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    bool of_client = strcmp(label, "CLIENT_TRAFFIC_SECRET_0") == 0;
    if (!of_client && strcmp(label, "SERVER_TRAFFIC_SECRET_0") != 0)
        return 0;
    struct tls_record *record = &session->established->record;
    tls_record_learn(record, of_client == session->is_server ? &record->in : &record->out,
                     secret->data, secret->size);
    return 0;
}

void tls_established_prepare(struct tls_session *session)
{
    if (session->credentials->rules.records == TLS_RECORDS_GNUTLS || gnutls_fips140_mode_enabled())
        return;
    session->established = check_alloc(sizeof *session->established);
    gnutls_session_set_keylog_function(session->gnutls, on_secret);
}

void tls_established_begin(struct tls_session *session)
{
    if (tls_record_take(&session->established->record, session->gnutls)) {
        gnutls_deinit(session->gnutls);
        session->gnutls = NULL;
        return;
    }
    gnutls_session_set_keylog_function(session->gnutls, NULL);
    tls_established_free(session->established);
    session->established = NULL;
}

void tls_established_free(struct tls_established *established)
{
    if (!established)
        return;
    message_free(established->read);
    tls_established_release(established);
    tls_record_clear(&established->record);
    free(established);
}

/* ---- out ---- */

static void send_record(struct tls_session *session, enum tls_record_type type, const void *data,
                        size_t length)
{
    session->output->on_output(
        session->output, tls_record_message(&session->established->record, type, data, length));
}

static enum err fail(struct tls_session *session, int alert, const char *what)
{
    tls_failure_set(session, ERR_TLS_RECORD, alert, "%s", what);
    return tls_failure_tell(session);
}

/* Our direction only; asks nothing of the peer's. */
enum err tls_established_rekey(struct tls_session *session)
{
    static const uint8_t update[] = {KEY_UPDATE, 0, 0, 1, 0};
    struct tls_record *record = &session->established->record;
    struct tls_record_keys next;
    if (!tls_record_next(record, &record->out, &next))
        return fail(session, GNUTLS_A_INTERNAL_ERROR, "our next keys could not be derived");
    send_record(session, TLS_RECORD_HANDSHAKE, update, sizeof update);
    tls_record_install(&record->out, &next);
    session->owes_update = false;
    return ERR_OK;
}

/* However often the peer has asked for new keys, it gets one change, before the next data (RFC 8446
 * section 4.6.3). */
static enum err rekey_if_due(struct tls_session *session)
{
    return session->owes_update || tls_record_is_worn(&session->established->record)
               ? tls_established_rekey(session)
               : ERR_OK;
}

enum err tls_established_write(struct tls_session *session, const void *data, size_t length)
{
    enum err result = rekey_if_due(session);
    if (result == ERR_OK)
        send_record(session, TLS_RECORD_DATA, data, length);
    return result;
}

_Static_assert(TLS_SESSION_HEADROOM == TLS_RECORD_HEADER, "data lie where they are encrypted");

enum err tls_established_write_message(struct tls_session *session, struct message *message,
                                       size_t length)
{
    enum err result = rekey_if_due(session);
    if (result != ERR_OK) {
        message_free(message);
        return result;
    }
    message->length = (uint32_t)tls_record_seal(&session->established->record, TLS_RECORD_DATA,
                                                message->data, length);
    session->output->on_output(session->output, message);
    return ERR_OK;
}

/* ---- in ---- */

/* Brings size bytes together in the first message. Each byte is copied once at most, however small
 * the messages are. False: they are not there yet. */
static bool gather(struct message_queue *queue, size_t size)
{
    struct message *first = queue->first, *next;
    if (!first || first->length - first->offset >= size)
        return first;
    first = message_queue_pop(queue);
    if (first->capacity - first->offset < size) {
        struct message *larger = message_new(size);
        larger->length = first->length - first->offset;
        memcpy(larger->data, first->data + first->offset, larger->length);
        message_free(first);
        first = larger;
    }
    while (first->length - first->offset < size && (next = queue->first)) {
        size_t part = size - (first->length - first->offset);
        if (part > next->length - next->offset)
            part = next->length - next->offset;
        memcpy(first->data + first->length, next->data + next->offset, part);
        first->length += (uint32_t)part;
        next->offset += (uint32_t)part;
        if (next->offset == next->length)
            message_free(message_queue_pop(queue));
    }
    message_queue_push_front(queue, first);
    return first->length - first->offset >= size;
}

/* The next whole record. ERR_AGAIN: it is not there yet. */
static enum err take_record(struct tls_session *session, uint8_t **bytes, size_t *size)
{
    struct message_queue *queue = &session->input;
    if (!gather(queue, TLS_RECORD_HEADER))
        return ERR_AGAIN;
    const uint8_t *header = queue->first->data + queue->first->offset;
    *size = TLS_RECORD_HEADER + (size_t)(header[3] << 8 | header[4]);
    if (header[0] != TLS_RECORD_DATA)
        return fail(session, GNUTLS_A_UNEXPECTED_MESSAGE, "an unencrypted record");
    if (*size > TLS_RECORD_HEADER + TLS_RECORD_CIPHER_MAX)
        return fail(session, GNUTLS_A_RECORD_OVERFLOW, "a record that is too long");
    if (!gather(queue, *size))
        return ERR_AGAIN;
    struct message *message = queue->first;
    *bytes = message->data + message->offset;
    message->offset += (uint32_t)*size;
    if (message->offset == message->length)
        session->established->read = message_queue_pop(queue);
    return ERR_OK;
}

static enum err on_key_update(struct tls_session *session, uint8_t wants_ours)
{
    struct tls_established *established = session->established;
    int64_t now = (int64_t)(clock_us() / 1000);
    if (established->updates_until < now)
        established->updates_until = now;
    established->updates_until += UPDATE_MS;
    if (established->updates_until - now > UPDATES_MAX_MS)
        return fail(session, GNUTLS_A_UNEXPECTED_MESSAGE, "the peer changes its keys too often");
    if (wants_ours > 1)
        return fail(session, GNUTLS_A_ILLEGAL_PARAMETER, "a malformed KeyUpdate");
    if (!tls_record_update(&established->record, &established->record.in))
        return fail(session, GNUTLS_A_INTERNAL_ERROR, "the peer's next keys could not be derived");
    session->owes_update |= wants_ours;
    return ERR_OK;
}

/* Tickets of a child are of no use. A KeyUpdate ends its record (RFC 8446 section 5.1). */
static enum err on_handshake(struct tls_session *session, const uint8_t *data, size_t length)
{
    struct wire_reader reader = wire_reader(data, length);
    do {
        uint8_t type = wire_get_u8(&reader);
        size_t size = (size_t)wire_get(&reader, 3);
        const uint8_t *body = wire_get_bytes(&reader, size);
        if (body && type == KEY_UPDATE && size == 1 && !wire_left(&reader))
            return on_key_update(session, body[0]);
        if (!body || type != NEW_SESSION_TICKET || session->is_server)
            return fail(session, GNUTLS_A_UNEXPECTED_MESSAGE,
                        "an unexpected handshake message after the handshake");
    } while (wire_left(&reader));
    return ERR_OK;
}

static enum err on_alert(struct tls_session *session, const uint8_t *data, size_t length)
{
    if (length != 2) /* RFC 8446 section 5.4 for the empty one */
        return fail(session, length ? GNUTLS_A_DECODE_ERROR : GNUTLS_A_UNEXPECTED_MESSAGE,
                    "an alert that is not two bytes long");
    if (data[1] == GNUTLS_A_USER_CANCELED) /* close_notify follows */
        return ERR_OK;
    if (data[1] != GNUTLS_A_CLOSE_NOTIFY)
        return tls_failure_from_alert(session, data[1], ERR_TLS_RECORD);
    session->is_closed = true;
    message_queue_clear(&session->input);
    return ERR_TLS_CLOSED;
}

/* ERR_OK: data. ERR_AGAIN: it was dealt with. */
static enum err read_record(struct tls_session *session, uint8_t *bytes, size_t size,
                            const uint8_t **data, size_t *length)
{
    enum tls_record_type type;
    int alert = tls_record_open(&session->established->record, bytes, size, &type, data, length);
    if (alert)
        return fail(session, alert,
                    alert == GNUTLS_A_BAD_RECORD_MAC ? "a record that cannot be authenticated"
                                                     : "a malformed record");
    enum err result;
    switch (type) {
    case TLS_RECORD_DATA:
        session->has_read = true;
        session->unheard = 0;
        session->established->updates_until -= UPDATE_MS;
        return ERR_OK;
    case TLS_RECORD_HANDSHAKE:
        result = on_handshake(session, *data, *length);
        break;
    case TLS_RECORD_ALERT:
        result = on_alert(session, *data, *length);
        break;
    default:
        result = fail(session, GNUTLS_A_UNEXPECTED_MESSAGE, "a record of unknown type");
    }
    return result == ERR_OK ? ERR_AGAIN : result;
}

enum err tls_established_read(struct tls_session *session, const uint8_t **data, size_t *length)
{
    enum err result;
    uint8_t *bytes = NULL;
    size_t size = 0;
    do {
        message_free(session->established->read);
        session->established->read = NULL;
        result = take_record(session, &bytes, &size);
        if (result != ERR_OK)
            return result;
        result = read_record(session, bytes, size, data, length);
    } while (result == ERR_AGAIN);
    return result;
}

bool tls_established_hold(struct tls_established *established)
{
    struct message *message = established->read;
    if (!message)
        return false;
    established->read = NULL;
    message->next = established->held;
    established->held = message;
    return true;
}

void tls_established_release(struct tls_established *established)
{
    for (struct message *message; (message = established->held);) {
        established->held = message->next;
        message_free(message);
    }
}
