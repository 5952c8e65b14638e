/* tests/unit/tls/twin.h: the same ciphertext for our records and for the GnuTLS session that they
 * were taken from, to see whether both make the same of it. */
#pragma once

#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/forger.h"
#include "tests/unit/tls/mixed.h"
#include "tests/unit/tls/random.h"

struct twin {
    struct mixed mixed;      /* ours is ours alone */
    gnutls_session_t gnutls; /* the one that it was taken from */
    uint8_t *input;          /* for that */
    size_t size, at;
};

/* The results of a run. */
enum twin_end { TWIN_LIVES, TWIN_CLOSED, TWIN_DEAD };
struct outcome {
    uint8_t *data;
    size_t size, room;
    enum twin_end end;
    int alert; /* told to the peer; 0: none, it has told one itself */
};

static struct tls_established *twin_learns;

static inline int twin_on_secret(gnutls_session_t gnutls, const char *label,
                                 const gnutls_datum_t *secret)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    struct tls_record *record = &twin_learns->record;
    bool of_client = strcmp(label, "CLIENT_TRAFFIC_SECRET_0") == 0;
    if (of_client || strcmp(label, "SERVER_TRAFFIC_SECRET_0") == 0)
        tls_record_learn(record, of_client == session->is_server ? &record->in : &record->out,
                         secret->data, secret->size);
    return 0;
}

static inline ssize_t twin_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
    struct twin *twin = pointer;
    size_t left = twin->size - twin->at;
    size = size < left ? size : left;
    if (!size) {
        gnutls_transport_set_errno(twin->gnutls, EAGAIN);
        return -1;
    }
    memcpy(data, twin->input + twin->at, size);
    twin->at += size;
    return (ssize_t)size;
}

static inline int twin_pull_timeout(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
    const struct twin *twin = pointer;
    (void)milliseconds;
    return twin->at < twin->size;
}

static inline ssize_t twin_push(gnutls_transport_ptr_t pointer, const giovec_t *vectors, int count)
{
    ssize_t size = 0;
    (void)pointer;
    for (int i = 0; i < count; i++)
        size += (ssize_t)vectors[i].iov_len;
    return size;
}

static inline void twin_open(struct twin *twin, struct bed *bed, bool ours_is_server)
{
    memset(twin, 0, sizeof *twin);
    start_mixed(&twin->mixed, bed, ours_is_server);
    struct tls_session *session = twin->mixed.ours->session;
    twin_learns = session->established;
    session->established = NULL; /* GnuTLS stays */
    gnutls_session_set_keylog_function(session->gnutls, twin_on_secret);
    must(shake(&twin->mixed.pair));
    must(tls_record_take(&twin_learns->record, session->gnutls));
    twin->gnutls = session->gnutls;
    session->gnutls = NULL;
    session->established = twin_learns;
    gnutls_session_set_keylog_function(twin->gnutls, NULL);
    gnutls_transport_set_ptr(twin->gnutls, twin);
    gnutls_transport_set_pull_function(twin->gnutls, twin_pull);
    gnutls_transport_set_pull_timeout_function(twin->gnutls, twin_pull_timeout);
    gnutls_transport_set_vec_push_function(twin->gnutls, twin_push);
}

static inline void twin_close(struct twin *twin)
{
    gnutls_deinit(twin->gnutls);
    free_pair(&twin->mixed.pair);
    free(twin->input);
}

/* To both; to ours in pieces, each with no byte behind its end. */
static inline void twin_feed(struct twin *twin, const uint8_t *bytes, size_t length)
{
    size_t way = random_below(4);
    twin->input = realloc(twin->input, twin->size + length + 1);
    must(twin->input);
    memcpy(twin->input + twin->size, bytes, length);
    twin->size += length;
    for (size_t at = 0, part; at < length; at += part) {
        part = way == 0   ? 1 + random_below(length < 3000 ? 9 : 900)
               : way == 1 ? 1 + random_below(3000)
                          : MESSAGE_MAX;
        part = part < length - at ? part : length - at;
        struct message *piece = message_new(part);
        memcpy(piece->data, bytes + at, part);
        piece->length = (uint32_t)part;
        tls_session_feed(twin->mixed.ours->session, piece);
    }
}

static inline void outcome_add(struct outcome *outcome, const uint8_t *data, size_t length)
{
    must(outcome->size + length <= outcome->room);
    memcpy(outcome->data + outcome->size, data, length);
    outcome->size += length;
}

static inline void twin_read_ours(struct twin *twin, struct outcome *outcome)
{
    struct tls_session *session = twin->mixed.ours->session;
    const uint8_t *data;
    size_t length;
    enum err result;
    while ((result = tls_session_read(session, &data, &length)) == ERR_OK)
        outcome_add(outcome, data, length);
    outcome->end = result == ERR_AGAIN        ? TWIN_LIVES
                   : result == ERR_TLS_CLOSED ? TWIN_CLOSED
                                              : TWIN_DEAD;
    if (outcome->end != TWIN_DEAD)
        return;
    outcome->alert = session->alert;
    must(tls_session_read(session, &data, &length) == result);
    must(tls_session_write(session, "x", 1) == result);
}

static inline void twin_read_gnutls(struct twin *twin, struct outcome *outcome)
{
    static uint8_t data[20000];
    ssize_t rc;
    size_t before;
    do {
        clock_shift += 2; /* another second, another 8 KeyUpdates */
        before = twin->at;
        rc = gnutls_record_recv(twin->gnutls, data, sizeof data);
        if (rc > 0)
            outcome_add(outcome, data, (size_t)rc);
    } while (rc > 0 || (rc == GNUTLS_E_AGAIN && twin->at != before));
    outcome->end = rc == GNUTLS_E_AGAIN ? TWIN_LIVES : rc == 0 ? TWIN_CLOSED : TWIN_DEAD;
    if (outcome->end == TWIN_DEAD && rc != GNUTLS_E_FATAL_ALERT_RECEIVED)
        outcome->alert = gnutls_error_to_alert((int)rc, NULL);
}

/* A bed whose tickets are still good. */
static inline void twin_renew(struct bed *bed, const char *cipher)
{
    if (clock_shift < 1000)
        return;
    close_bed(bed);
    clock_shift = 0;
    open_bed(bed, cipher);
}
