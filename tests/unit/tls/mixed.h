/* tests/unit/tls/mixed.h: children of which one end, "ours", keeps its records itself, and the
 * other one leaves them to GnuTLS. */
#pragma once

#include <gnutls/gnutls.h>

#include "tests/unit/tls/modes.h"
#include "tls/session_private.h"

static const char *const ciphers[] = {"AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305",
                                      "AES-128-CCM", "AES-128-CCM-8"};
#define CIPHERS (sizeof ciphers / sizeof ciphers[0])

struct bed {
    struct tls_credentials *client, *server;
    struct association a;
};

static inline void open_bed(struct bed *bed, const char *cipher)
{
    static char priority[128];
    struct tls_options client = options_for(TLS_CLIENT, "client"),
                       server = options_for(TLS_SERVER, "server");
    snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+%s", cipher);
    client.priority = server.priority = priority;
    bed->client = load_credentials(client);
    bed->server = load_credentials(server);
    open_association(&bed->a, bed->client, bed->server, NULL);
}

static inline void close_bed(struct bed *bed)
{
    close_association(&bed->a);
    tls_credentials_unref(bed->client);
    tls_credentials_unref(bed->server);
}

static inline void leave_to_gnutls(struct tls_session *session)
{
    gnutls_session_set_keylog_function(session->gnutls, NULL);
    tls_established_free(session->established);
    session->established = NULL;
}

/* One end, ours, without GnuTLS, the other one with it. */
struct mixed {
    struct pair pair;
    struct end *ours, *gnutls;
};

/* Before the handshake. */
static inline void start_mixed(struct mixed *mixed, struct bed *bed, bool ours_is_server)
{
    struct pair *pair = &mixed->pair;
    start_child(pair, bed->client, bed->a.client, bed->server, bed->a.server, NULL);
    mixed->ours = ours_is_server ? &pair->server : &pair->client;
    mixed->gnutls = ours_is_server ? &pair->client : &pair->server;
    leave_to_gnutls(mixed->gnutls->session);
}

static inline void open_mixed(struct mixed *mixed, struct bed *bed, bool ours_is_server)
{
    start_mixed(mixed, bed, ours_is_server);
    must(shake(&mixed->pair));
    must(!mixed->ours->session->gnutls && mixed->gnutls->session->gnutls);
}

static inline gnutls_session_t gnutls_of(struct mixed *mixed)
{
    return mixed->gnutls->session->gnutls;
}
