/* tests/unit/tls/modes.h: every way in which children can be resumed, and associations of each. */
#pragma once

#include "tests/unit/tls/pair.h"
#include "tls/store.h"

struct mode {
    const char *name;
    const char *version;
    enum tls_version highest, lowest;
    enum tls_children children;
    enum tls_resume_by by;
    bool masters_resume;
};

static const struct mode modes[] = {
    {"TLS 1.3, tickets, X25519", "TLS1.3", TLS_VERSION_1_3, TLS_VERSION_1_3, TLS_CHILDREN_DHE,
     TLS_BY_ANY, true},
    {"TLS 1.3, tickets, no key exchange", "TLS1.3", TLS_VERSION_1_3, TLS_VERSION_1_3,
     TLS_CHILDREN_PSK, TLS_BY_ANY, false},
    {"TLS 1.2, session ids", "TLS1.2", TLS_VERSION_1_2, TLS_VERSION_1_2, TLS_CHILDREN_DHE,
     TLS_BY_ID, true},
    {"TLS 1.2, tickets", "TLS1.2", TLS_VERSION_1_2, TLS_VERSION_1_2, TLS_CHILDREN_DHE,
     TLS_BY_TICKET, true},
    {"TLS 1.2, tickets and ids", "TLS1.2", TLS_VERSION_1_2, TLS_VERSION_1_2, TLS_CHILDREN_DHE,
     TLS_BY_ANY, true},
    {"TLS 1.2 or 1.3", "TLS1.3", TLS_VERSION_1_3, TLS_VERSION_1_2, TLS_CHILDREN_DHE, TLS_BY_ANY,
     true},
};
#define MODE_COUNT (sizeof modes / sizeof modes[0])

/* store: the server's, may be NULL. */
static inline struct tls_options mode_options(const struct mode *mode, enum tls_role role,
                                              const char *cert, struct tls_store *store)
{
    struct tls_options options = options_for(role, cert);
    options.rules.min_version = mode->lowest;
    options.rules.max_version = mode->highest;
    options.rules.children = mode->children;
    options.rules.resume_by = mode->by;
    options.store = role == TLS_SERVER ? store : NULL;
    return options;
}

/* One association: a master on both ends, and its generations. */
struct association {
    struct pair master;
    struct tls_generation *client, *server;
    struct tls_ticket *ticket;
};

static inline void open_association(struct association *a, struct tls_credentials *client,
                                    struct tls_credentials *server, struct tls_ticket *ticket)
{
    if (!open_master(&a->master, client, server, ticket))
        tap_note("master: %s (%s), %s (%s)", err_name(a->master.client.result),
                 tls_session_detail(a->master.client.session), err_name(a->master.server.result),
                 tls_session_detail(a->master.server.session));
    a->client = tls_session_generation(a->master.client.session);
    a->server = tls_session_generation(a->master.server.session);
    a->ticket = tls_session_take_ticket(a->master.client.session);
    must(a->client && a->server);
}

static inline void close_association(struct association *a)
{
    free_pair(&a->master);
    tls_generation_unref(a->client);
    tls_generation_unref(a->server);
    tls_ticket_free(a->ticket);
    memset(a, 0, sizeof *a);
}

static inline bool both_resumed(const struct pair *pair)
{
    return tls_session_is_resumed(pair->client.session) &&
           tls_session_is_resumed(pair->server.session);
}

static inline bool carries_data(struct pair *pair)
{
    const uint8_t *data;
    size_t length;
    if (tls_session_write(pair->client.session, "ping", 4) != ERR_OK)
        return false;
    deliver(&pair->client, &pair->server);
    if (tls_session_read(pair->server.session, &data, &length) != ERR_OK || length != 4 ||
        tls_session_write(pair->server.session, data, length) != ERR_OK)
        return false;
    deliver(&pair->server, &pair->client);
    return tls_session_read(pair->client.session, &data, &length) == ERR_OK && length == 4 &&
           memcmp(data, "ping", 4) == 0;
}
