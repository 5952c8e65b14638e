/* tls/handshake.c: the hooks and checks of the handshake of masters and children. */
#include "tls/session_private.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "tls/wipe.h"

/* The code that our callbacks return to stop GnuTLS; the reason is in the session by then. */
#define STOP GNUTLS_E_INSUFFICIENT_CREDENTIALS

static bool is_12(const struct tls_session *session)
{
    return gnutls_protocol_get_version(session->gnutls) == GNUTLS_TLS1_2;
}

static enum err refuse_not_resumed(struct tls_session *session)
{
    /* unknown_psk_identity is what RFC 8446 has for "no acceptable PSK": the peer learns why. */
    return tls_failure_set(session, ERR_TLS_NOT_RESUMED, GNUTLS_A_UNKNOWN_PSK_IDENTITY,
                           "the %s did not resume the session from its master",
                           session->is_server ? "client" : "server");
}

/* Verifies what the peer showed, or what of it is in the ticket. */
static enum err verify(struct tls_session *session)
{
    struct tls_verdict verdict;
    tls_verify_peer(session->credentials, session->gnutls, &verdict);
    if (verdict.err != ERR_OK)
        return tls_failure_set(session, verdict.err, verdict.alert, "%s", verdict.detail);
    session->is_verified = true;
    if (session->master) {
        tls_identity_unref(session->master->identity);
        session->master->identity = verdict.identity;
        return ERR_OK;
    }
    const struct tls_identity *expected = session->generation->identity;
    if (!tls_identity_is_same(verdict.identity, expected))
        tls_failure_set(session, ERR_TLS_NOT_RESUMED, GNUTLS_A_BAD_CERTIFICATE,
                        "not resumed, and the peer (\"%s\") is not that of the master (\"%s\")",
                        verdict.identity->label, expected->label);
    tls_identity_unref(verdict.identity);
    return session->failure;
}

/* Called in full handshakes only. For a child that must be resumed the end is here, before the
 * costly signatures. */
static int on_certificate(gnutls_session_t gnutls)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    if (!session->master && session->credentials->rules.resume == TLS_RESUME_REQUIRE)
        refuse_not_resumed(session);
    else
        verify(session);
    return session->failure == ERR_OK ? 0 : STOP;
}

/* A full handshake that would be refused anyway costs the server nothing but the ClientHello. */
static int on_client_hello(gnutls_session_t gnutls, unsigned type, unsigned when, unsigned incoming,
                           const gnutls_datum_t *body)
{
    (void)type, (void)when, (void)incoming, (void)body;
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    if (gnutls_session_is_resumed(gnutls))
        return 0;
    refuse_not_resumed(session);
    return STOP;
}

static struct tls_generation *new_generation(struct tls_session *session, int64_t expires_at)
{
    struct tls_generation *generation = tls_generation_new();
    generation->version = (int)gnutls_protocol_get_version(session->gnutls);
    generation->cipher = (int)gnutls_cipher_get(session->gnutls);
    generation->started = session->master->started;
    generation->expires_at = expires_at;
    generation->lifetime_s = session->credentials->rules.ticket_lifetime_s;
    generation->identity = tls_identity_ref(session->master->identity);
    return generation;
}

/* When the tickets of this master end. GnuTLS counts from the first full handshake of the chain; a
 * resumed server writes what is left into ticket_lifetime, a fresh one the whole. Both counted from
 * before our first message: too early by the handshake's time, never too late. */
static int64_t expiry(const struct tls_session *session, uint32_t lifetime)
{
    const struct tls_master *master = session->master;
    if (lifetime > session->credentials->rules.ticket_lifetime_s)
        lifetime = session->credentials->rules.ticket_lifetime_s;
    int64_t at = master->started + lifetime;
    return at < master->expires_at ? at : master->expires_at;
}

/* The first is for the children, unless what resumed the master is; the others for the next
 * association (of TLS 1.2 all are the same). Not where children have no key exchange of their own:
 * see enum tls_children. */
static void keep_ticket(struct tls_session *session, int64_t expires_at)
{
    struct tls_master *master = session->master;
    gnutls_datum_t data;
    if (gnutls_session_get_data2(session->gnutls, &data) < 0)
        return;
    if (!master->made) {
        master->made = new_generation(session, expires_at);
        tls_generation_keep(master->made, data.data, data.size);
    } else if (session->credentials->rules.children == TLS_CHILDREN_DHE || is_12(session)) {
        tls_ticket_free(master->ticket);
        master->ticket = tls_ticket_new(session->credentials->fingerprint, expires_at,
                                        is_12(session), data.data, data.size);
    }
    tls_wipe_free(data.data, data.size);
}

/* Master, both sides: NewSessionTicket comes or goes (RFC 8446 section 4.6.1). On its way in the
 * body is whole only before GnuTLS has parsed it, and the session data there only afterwards. */
static int on_ticket(gnutls_session_t gnutls, unsigned type, unsigned when, unsigned incoming,
                     const gnutls_datum_t *body)
{
    (void)type;
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    struct tls_master *master = session->master;
    if (is_12(session) && incoming && when == GNUTLS_HOOK_PRE) {
        /* It belongs to the handshake there. RFC 5077 section 3.3: 0 leaves it to us. */
        struct wire_reader hint = wire_reader(body->data, body->size);
        master->ticket_lifetime_s = wire_get_u32(&hint);
    }
    if (is_12(session))
        return 0;
    if (incoming && when == GNUTLS_HOOK_POST) {
        keep_ticket(session, expiry(session, master->ticket_lifetime_s));
        return 0;
    }
    struct wire_reader reader = wire_reader(body->data, body->size);
    uint32_t lifetime = wire_get_u32(&reader);
    wire_get_bytes(&reader, 4); /* ticket_age_add */
    wire_get_bytes(&reader, wire_get_u8(&reader));
    size_t length = wire_get_u16(&reader);
    bool is_whole = wire_get_bytes(&reader, length);
    master->ticket_lifetime_s = is_whole ? lifetime : 0;
    if (!incoming && is_whole)
        master->expires_at = expiry(session, lifetime);
    return 0;
}

void tls_handshake_prepare(struct tls_session *session)
{
    gnutls_session_set_ptr(session->gnutls, session);
    gnutls_session_set_verify_function(session->gnutls, on_certificate);
    if (session->master)
        gnutls_handshake_set_hook_function(session->gnutls, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET,
                                           GNUTLS_HOOK_BOTH, on_ticket);
    else if (session->is_server && session->credentials->rules.resume == TLS_RESUME_REQUIRE)
        gnutls_handshake_set_hook_function(session->gnutls, GNUTLS_HANDSHAKE_CLIENT_HELLO,
                                           GNUTLS_HOOK_POST, on_client_hello);
    if (!session->master && session->generation->version == GNUTLS_TLS1_3)
        tls_established_prepare(session);
}

/* TLS 1.2 at the server: when the session ends that the children are resumed from. Only GnuTLS
 * knows when that began, if a ticket brought it. */
static int64_t expiry_12(const struct tls_session *session)
{
    const struct tls_master *master = session->master;
    uint32_t lifetime = session->credentials->rules.ticket_lifetime_s;
    gnutls_datum_t data;
    int64_t began = master->started;
    if (gnutls_session_is_resumed(session->gnutls) &&
        gnutls_session_get_data2(session->gnutls, &data) == 0) {
        began = gnutls_db_check_entry_time(&data);
        tls_wipe_free(data.data, data.size);
    }
    return began + lifetime;
}

static void finish_server(struct tls_session *session)
{
    struct tls_master *master = session->master;
    gnutls_datum_t id;
    gnutls_session_get_id2(session->gnutls, &id);
    must(id.size <= TLS_SESSION_ID_MAX);
    if (is_12(session))
        master->expires_at = expiry_12(session);
    else if (master->expires_at == INT64_MAX)
        /* No ticket was sent when the chain of a resumed master has no second left. */
        master->expires_at = master->started;
    master->made = new_generation(session, master->expires_at);
    master->made->ticket_key = tls_ticket_key_ref(master->key);
    memcpy(master->made->session_id, id.data, id.size);
    master->made->session_id_size = id.size;
    if (master->stored)
        tls_generation_keep(master->made, master->stored, master->stored_size);
    tls_resume_keep(session, master->made);
}

/* The ticket that resumed the master resumes its children, too: they need not wait for another
 * ticket, which would carry the same identity and end at the same time. */
static void reuse_offered(struct tls_session *session)
{
    struct tls_master *master = session->master;
    if (!gnutls_session_is_resumed(session->gnutls)) {
        /* The ticket that was offered says nothing about the session that we got instead. */
        master->expires_at = INT64_MAX;
    } else if (!is_12(session)) {
        master->made = new_generation(session, master->expires_at);
        tls_generation_keep(master->made, master->offered->data, master->offered->data_size);
    }
    tls_ticket_free(master->offered);
    master->offered = NULL;
}

static enum err finish_master(struct tls_session *session)
{
    if (session->is_server) {
        finish_server(session);
        return ERR_OK;
    }
    reuse_offered(session);
    if (is_12(session)) {
        uint32_t hint = session->master->ticket_lifetime_s;
        int64_t expires_at =
            expiry(session, hint ? hint : session->credentials->rules.ticket_lifetime_s);
        keep_ticket(session, expires_at);
        keep_ticket(session, expires_at);
    }
    return ERR_OK; /* the tickets of TLS 1.3 come later */
}

/* Server: a ticket of another master opens with the same key; the id inside tells. Masters that
 * were resumed from each other have one id: they are of the same peer, and BIND tells them apart.
 */
static enum err check_master_id(struct tls_session *session)
{
    gnutls_datum_t id;
    gnutls_session_get_id2(session->gnutls, &id);
    if (tls_generation_has_id(session->generation, id.data, id.size))
        return ERR_OK;
    if (session->previous && tls_generation_has_id(session->previous, id.data, id.size)) {
        struct tls_generation *older = session->previous;
        session->previous = session->generation;
        session->generation = older;
        return ERR_OK;
    }
    return tls_failure_set(session, ERR_TLS_OTHER_MASTER, GNUTLS_A_UNKNOWN_PSK_IDENTITY,
                           "the client resumed from the master of another association");
}

static enum err finish_child(struct tls_session *session)
{
    if (!gnutls_session_is_resumed(session->gnutls)) {
        if (session->credentials->rules.resume == TLS_RESUME_REQUIRE)
            return refuse_not_resumed(session);
    } else if (session->is_server && check_master_id(session) != ERR_OK) {
        return session->failure;
    }
    gnutls_protocol_t version = gnutls_protocol_get_version(session->gnutls);
    gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session->gnutls);
    if ((int)version != session->generation->version || (int)cipher != session->generation->cipher)
        return tls_failure_set(session, ERR_TLS_HANDSHAKE, GNUTLS_A_HANDSHAKE_FAILURE,
                               "version or cipher (%s, %s) differ from the master's",
                               gnutls_protocol_get_name(version), gnutls_cipher_get_name(cipher));
    return ERR_OK;
}

/* Without it a session of TLS 1.2 can be made to look like another one, and then be resumed in its
 * place (RFC 7627). GnuTLS cannot be told to insist on it. */
static enum err check_bound(struct tls_session *session)
{
    if (!is_12(session) ||
        gnutls_session_get_flags(session->gnutls) & GNUTLS_SFLAGS_EXT_MASTER_SECRET)
        return ERR_OK;
    return tls_failure_set(session, ERR_TLS_HANDSHAKE, GNUTLS_A_INSUFFICIENT_SECURITY,
                           "TLS 1.2 without extended master secret");
}

/* Other keys begin behind Finished, so its record ends with it (RFC 8446 section 5.1). GnuTLS would
 * find out with the next record, and lose 16 KB of memory. */
static enum err check_end(struct tls_session *session)
{
    if (!gnutls_record_check_pending(session->gnutls))
        return ERR_OK;
    return tls_failure_set(session, ERR_TLS_HANDSHAKE, GNUTLS_A_UNEXPECTED_MESSAGE,
                           "data after Finished in the same record");
}

enum err tls_handshake_finish(struct tls_session *session)
{
    /* GnuTLS calls on_certificate neither for resumed sessions nor if it saw no certificate. */
    bool vouched =
        session->is_verified || (!session->master && gnutls_session_is_resumed(session->gnutls));
    enum err result = check_bound(session);
    if (result == ERR_OK)
        result = check_end(session);
    if (result == ERR_OK && !vouched)
        result = verify(session);
    if (result == ERR_OK)
        result = session->master ? finish_master(session) : finish_child(session);
    if (result != ERR_OK)
        return tls_failure_tell(session);
    session->is_established = true;
    session->is_resumed = gnutls_session_is_resumed(session->gnutls);
    if (session->established)
        tls_established_begin(session);
    return ERR_OK;
}

int tls_handshake_step(struct tls_session *session)
{
    int rc;
    uint64_t pulled;
    do {
        pulled = session->pulled;
        rc = gnutls_handshake(session->gnutls);
    } while (rc < 0 && !gnutls_error_is_fatal(rc) && session->pulled != pulled);
    return rc;
}
