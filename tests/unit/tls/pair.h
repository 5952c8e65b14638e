/* tests/unit/tls/pair.h: both ends of a TLS session in one process; messages are passed directly,
 * through queues that a test may spoil. */
#pragma once

#include "tests/lib/tap.h"
#include "tests/unit/tls/certificates.h"
#include "tls/session_private.h"

struct end {
    struct tls_output output;
    struct tls_session *session;
    struct message_queue sent; /* not yet with the other end */
    enum err result;           /* of the last handshake step */
};

struct pair {
    struct end client, server;
};

static inline void collect(struct tls_output *self, struct message *message)
{
    struct end *end = container_of(self, struct end, output);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    message_queue_push(&end->sent, message);
}

static inline void init_pair(struct pair *pair)
{
    memset(pair, 0, sizeof *pair);
    pair->client.output.on_output = collect;
    pair->server.output.on_output = collect;
}

static inline void free_pair(struct pair *pair)
{
    tls_session_free(pair->client.session);
    tls_session_free(pair->server.session);
    message_queue_clear(&pair->client.sent);
    message_queue_clear(&pair->server.sent);
    init_pair(pair);
}

static inline bool deliver(struct end *from, struct end *to)
{
    struct message *message;
    bool any = false;
    while ((message = message_queue_pop(&from->sent))) {
        tls_session_feed(to->session, message);
        any = true;
    }
    return any;
}

/* Until neither moves. Returns whether both are through. */
static inline bool shake(struct pair *pair)
{
    struct end *client = &pair->client, *server = &pair->server;
    bool moved = true;
    client->result = server->result = ERR_AGAIN;
    for (int i = 0; i < 1000 && moved; i++) {
        if (client->result == ERR_AGAIN)
            client->result = tls_session_handshake(client->session);
        moved = deliver(client, server);
        if (server->result == ERR_AGAIN)
            server->result = tls_session_handshake(server->session);
        moved = deliver(server, client) || moved;
    }
    return client->result == ERR_OK && server->result == ERR_OK;
}

static inline struct tls_options options_for(enum tls_role role, const char *cert)
{
    char name[64];
    snprintf(name, sizeof name, "%s.pem", cert);
    struct tls_options options = {.rules.role = role,
                                  .ca = path_of("ca.pem"),
                                  .cert = path_of(name),
                                  .rules.ticket_lifetime_s = 3600,
                                  .peer = role == TLS_CLIENT ? "server.example" : NULL};
    snprintf(name, sizeof name, "%s.key", cert);
    options.key = path_of(name);
    return options;
}

static inline struct tls_credentials *load_credentials(struct tls_options options)
{
    struct tls_credentials *credentials;
    char why[512] = "";
    if (tls_credentials_new(&options, &credentials, why, sizeof why) != ERR_OK)
        tap_note("credentials: %s", why);
    must(credentials);
    return credentials;
}

/* close_notify, which other makes of TLS send. */
static inline void say_bye(struct end *end)
{
    struct tls_session *session = end->session;
    if (session->gnutls) {
        gnutls_bye(session->gnutls, GNUTLS_SHUT_WR);
        return;
    }
    struct tls_record *record = &session->established->record;
    struct message *message = message_new(2 + tls_record_overhead(record));
    memcpy(message->data + TLS_RECORD_HEADER, (uint8_t[]){GNUTLS_AL_WARNING, 0}, 2);
    message->length = (uint32_t)tls_record_seal(record, TLS_RECORD_ALERT, message->data, 2);
    message_queue_push(&end->sent, message);
}

/* A master through its handshake, the client's tickets read. */
static inline bool open_master(struct pair *pair, struct tls_credentials *client,
                               struct tls_credentials *server, struct tls_ticket *ticket)
{
    const uint8_t *data;
    size_t length;
    init_pair(pair);
    pair->client.session = tls_session_new_master(client, ticket, &pair->client.output);
    pair->server.session = tls_session_new_master(server, NULL, &pair->server.output);
    must(pair->client.session && pair->server.session);
    return shake(pair) && tls_session_read(pair->client.session, &data, &length) == ERR_AGAIN;
}

static inline void start_child(struct pair *pair, struct tls_credentials *client,
                               struct tls_generation *client_generation,
                               struct tls_credentials *server,
                               struct tls_generation *server_generation,
                               struct tls_generation *previous)
{
    init_pair(pair);
    pair->client.session =
        tls_session_new_child(client, client_generation, NULL, &pair->client.output);
    pair->server.session =
        tls_session_new_child(server, server_generation, previous, &pair->server.output);
    must(pair->client.session && pair->server.session);
}

static inline bool open_child(struct pair *pair, struct tls_credentials *client,
                              struct tls_generation *client_generation,
                              struct tls_credentials *server,
                              struct tls_generation *server_generation)
{
    start_child(pair, client, client_generation, server, server_generation, NULL);
    return shake(pair);
}
