/* tls/resume.c: ticket keys and stored sessions for a server. */
#include "tls/session_private.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tls/store_redis.h"
#include "tls/wipe.h"

/* A question to the store of other servers. Outlives the session that asked, if need be. */
struct tls_resume_wait {
    struct tls_store_query query;
    struct tls_session *session; /* NULL: gone */
};

static bool uses_ids(const struct tls_session *session)
{
    const struct tls_credentials *credentials = session->credentials;
    return credentials->policy.child_12 && credentials->rules.resume_by != TLS_BY_TICKET;
}

unsigned tls_resume_flags(const struct tls_session *session)
{
    /* Two tickets follow a master: for the children, and for the next association. Tickets of a
     * child would only cost: 2 KB and a flight each. */
    unsigned flags = session->master ? 0 : GNUTLS_NO_AUTO_SEND_TICKET;
    if (session->credentials->rules.resume_by == TLS_BY_ID)
        flags |= GNUTLS_NO_TICKETS_TLS12;
    return flags;
}

static bool make_key(const struct tls_session *session, const uint8_t *id, size_t size,
                     struct tls_store_key *key)
{
    if (size != sizeof key->id)
        return false;
    memcpy(key->context, session->credentials->fingerprint, sizeof key->context);
    memcpy(key->id, id, size);
    return true;
}

static void remember(struct tls_master *master, const uint8_t *data, size_t size)
{
    tls_wipe_free(master->stored, master->stored_size);
    master->stored = check_alloc(size);
    master->stored_size = size;
    memcpy(master->stored, data, size);
}

/* GnuTLS calls it at the end of a full handshake of TLS 1.2, unless the client got a ticket. A
 * child that was accepted without being resumed is nobody's master. */
static int on_store(void *pointer, gnutls_datum_t id, gnutls_datum_t data)
{
    (void)id;
    struct tls_session *session = pointer;
    if (session->master)
        remember(session->master, data.data, data.size);
    return 0;
}

void tls_resume_keep(struct tls_session *session, const struct tls_generation *generation)
{
    struct tls_master *master = session->master;
    struct tls_store *store = session->credentials->store;
    struct tls_store_key key;
    if (!store || !master->stored || gnutls_session_is_resumed(session->gnutls) ||
        !make_key(session, generation->session_id, generation->session_id_size, &key))
        return;
    if (tls_store_put(store, &key, master->stored, master->stored_size, generation->expires_at) &&
        tls_store_redis_of(store))
        tls_store_redis_put(tls_store_redis_of(store), &key, master->stored, master->stored_size,
                            generation->expires_at);
}

static gnutls_datum_t copy_for_gnutls(const uint8_t *data, size_t size)
{
    gnutls_datum_t copy = {gnutls_malloc(size), (unsigned)size};
    check_made(copy.data);
    memcpy(copy.data, data, size);
    return copy;
}

/* A child gets what its own master left, by whatever name it asks for others. */
static gnutls_datum_t retrieve_for_child(struct tls_session *session, gnutls_datum_t id)
{
    struct tls_generation *const candidates[] = {session->generation, session->previous};
    for (int i = 0; i < 2; i++) {
        const struct tls_generation *generation = candidates[i];
        if (generation && generation->data && tls_generation_has_id(generation, id.data, id.size))
            return copy_for_gnutls(generation->data, generation->data_size);
    }
    return (gnutls_datum_t){0};
}

static gnutls_datum_t on_retrieve(void *pointer, gnutls_datum_t id)
{
    struct tls_session *session = pointer;
    struct tls_store *store = session->credentials->store;
    struct tls_store_key key;
    gnutls_datum_t copy = {0};
    uint8_t *data;
    size_t size;
    int64_t expires_at;
    if (!session->master)
        return retrieve_for_child(session, id);
    if (store && make_key(session, id.data, id.size, &key) &&
        tls_store_get(store, &key, &data, &size, &expires_at)) {
        remember(session->master, data, size);
        copy = copy_for_gnutls(data, size);
        tls_wipe_free(data, size);
    }
    return copy;
}

/* A master that failed must not be resumed (RFC 5246 section 7.2.2); a child's end is its own. */
static int on_remove(void *pointer, gnutls_datum_t id)
{
    struct tls_session *session = pointer;
    struct tls_store_key key;
    if (session->master && session->credentials->store && make_key(session, id.data, id.size, &key))
        tls_store_remove(session->credentials->store, &key);
    return 0;
}

void tls_resume_prepare(struct tls_session *session)
{
    if (!uses_ids(session))
        return;
    gnutls_db_set_ptr(session->gnutls, session);
    gnutls_db_set_store_function(session->gnutls, on_store);
    gnutls_db_set_retrieve_function(session->gnutls, on_retrieve);
    gnutls_db_set_remove_function(session->gnutls, on_remove);
}

/* GnuTLS takes one ticket key for a session, but the client may come with a ticket of another: the
 * name of the key is in the ClientHello in the clear. When a ClientHello is cut into pieces, the
 * newest key is taken, and at worst the client has to try again. */
static struct tls_ticket_key *choose_for_master(struct tls_session *session, const uint8_t *hello,
                                                size_t length)
{
    struct tls_credentials *credentials = session->credentials;
    session->master->key =
        credentials->rules.children == TLS_CHILDREN_PSK
            ? tls_ticket_key_new()
            : tls_ticket_key_choose(&credentials->ticket_keys, credentials->rules.ticket_lifetime_s,
                                    hello, length);
    return session->master->key;
}

static struct tls_ticket_key *choose_for_child(struct tls_session *session, const uint8_t *hello,
                                               size_t length)
{
    const struct tls_generation *newest = session->generation, *previous = session->previous;
    if (!previous || previous->ticket_key == newest->ticket_key ||
        !tls_ticket_key_is_in(previous->ticket_key, previous->lifetime_s, hello, length))
        return newest->ticket_key;
    gnutls_db_set_cache_expiration(session->gnutls, (int)previous->lifetime_s);
    return previous->ticket_key;
}

static void keep_answer(struct tls_session *session, struct tls_store_query *query)
{
    if (query->answer == TLS_STORE_HIT)
        tls_store_put(session->credentials->store, &query->key, query->data, query->size,
                      query->expires_at);
}

static void on_answer(struct tls_store_query *query)
{
    struct tls_resume_wait *wait = container_of(query, struct tls_resume_wait, query);
    struct tls_session *session = wait->session;
    if (session)
        keep_answer(session, query);
    tls_wipe_free(query->data, query->size);
    free(wait);
    if (!session)
        return;
    session->master->wait = NULL;
    session->output->on_ready(session->output);
}

/* True if an answer of Redis may lead to a resumed master. */
static bool may_ask(const struct tls_session *session, const uint8_t *hello, size_t length,
                    struct tls_store_key *key)
{
    struct tls_store *store = session->credentials->store;
    struct tls_client_hello offer;
    return session->master && store && tls_store_redis_of(store) && session->output->on_ready &&
           uses_ids(session) && tls_client_hello_read(hello, length, &offer) && !offer.has_ticket &&
           make_key(session, offer.session_id, offer.session_id_size, key) &&
           !tls_store_has(store, key);
}

enum err tls_resume_begin(struct tls_session *session)
{
    struct tls_master *master = session->master;
    if (master && master->wait)
        return ERR_AGAIN;
    if (session->has_ticket_key)
        return ERR_OK;
    const struct message *first = session->input.first;
    const uint8_t *hello = first->data + first->offset;
    size_t length = first->length - first->offset;
    struct tls_ticket_key *key = master ? choose_for_master(session, hello, length)
                                        : choose_for_child(session, hello, length);
    gnutls_datum_t secret = {key->secret, sizeof key->secret};
    must(gnutls_session_ticket_enable_server(session->gnutls, &secret) == 0);
    session->has_ticket_key = true;

    struct tls_store_key wanted;
    if (!may_ask(session, hello, length, &wanted))
        return ERR_OK;
    master->wait = check_alloc(sizeof *master->wait);
    master->wait->session = session;
    master->wait->query.on_answer = on_answer;
    master->wait->query.reply_to = session->output->reply_to;
    master->wait->query.key = wanted;
    tls_store_redis_ask(tls_store_redis_of(session->credentials->store), &master->wait->query);
    return ERR_AGAIN;
}

void tls_resume_abandon(struct tls_session *session)
{
    struct tls_resume_wait *wait = session->master ? session->master->wait : NULL;
    if (!wait)
        return;
    session->master->wait = NULL;
    wait->session = NULL;
    if (tls_store_redis_cancel(tls_store_redis_of(session->credentials->store), &wait->query))
        free(wait);
}
