/* Peers of a master that are accepted, and the reports of both ends when one is not. */
#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/pair.h"
#include "tls/session_private.h"

struct outcome {
    const char *what;
    const char *client_cert, *server_cert;
    const char *client_ca, *server_ca; /* NULL: ca.pem */
    const char *peer, *allow;          /* NULL: server.example, anybody */
    enum err client, server;           /* ERR_TLS_HANDSHAKE: learns it by the other's alert */
    const char *words[2];              /* in the detail of the end that refuses */
    const char *alert;                 /* in the detail of the other end */
};

static const struct outcome outcomes[] = {
    {.what = "good certificates, server.example", .client = ERR_OK},
    {.what = "the name is compared without case", .peer = "SERVER.example"},
    {.what = "an IP address of the certificate", .peer = "127.0.0.1"},
    {.what = "another IP address",
     .peer = "127.0.0.2",
     .client = ERR_TLS_PEER_NAME,
     .server = ERR_TLS_HANDSHAKE,
     .words = {"server.example", "127.0.0.2"},
     .alert = "another name than it expected"},
    {.what = "another name",
     .peer = "elsewhere.example",
     .client = ERR_TLS_PEER_NAME,
     .server = ERR_TLS_HANDSHAKE,
     .words = {"\"server.example\"", "\"elsewhere.example\""},
     .alert = "another name than it expected"},
    {.what = "a server whose CA the client does not trust",
     .client_ca = "ca2.pem",
     .client = ERR_TLS_PEER_UNVERIFIED,
     .server = ERR_TLS_HANDSHAKE,
     .words = {"server.example", "not signed by a CA"},
     .alert = "does not trust the CA"},
    {.what = "a client whose CA the server does not trust",
     .client_cert = "foreign",
     .client = ERR_TLS_HANDSHAKE,
     .server = ERR_TLS_PEER_UNVERIFIED,
     .words = {"client.example", "not signed by a CA"},
     .alert = "does not trust the CA"},
    {.what = "a client certificate shown by a server",
     .server_cert = "client-only",
     .client = ERR_TLS_PEER_UNVERIFIED,
     .server = ERR_TLS_HANDSHAKE,
     .words = {"server.example", "not meant for this role"},
     .alert = "not meant for this role"},
    {.what = "a server certificate shown by a client",
     .client_cert = "server-only",
     .client = ERR_TLS_HANDSHAKE,
     .server = ERR_TLS_PEER_UNVERIFIED,
     .words = {"client.example", "not meant for this role"},
     .alert = "not meant for this role"},
    {.what = "allowed by the first DNS name", .allow = "client.example"},
    {.what = "allowed by the second DNS name", .allow = "second.example"},
    {.what = "allowed by the CN", .client_cert = "cn-only", .allow = "only-cn.example"},
    {.what = "not allowed",
     .client_cert = "client2",
     .allow = "client.example",
     .client = ERR_TLS_HANDSHAKE,
     .server = ERR_TLS_PEER_NAME,
     .words = {"\"other.example\"", "\"client.example\""},
     .alert = "does not include us"},
    {.what = "a name with a NUL inside",
     .client_cert = "nul",
     .allow = "client.example",
     .client = ERR_TLS_HANDSHAKE,
     .server = ERR_TLS_PEER_NAME,
     .words = {"\"evil\"", "\"client.example\""},
     .alert = "does not include us"},
};

static struct tls_credentials *client_of(const struct outcome *outcome)
{
    struct tls_options options =
        options_for(TLS_CLIENT, outcome->client_cert ? outcome->client_cert : "client");
    if (outcome->client_ca)
        options.ca = path_of(outcome->client_ca);
    if (outcome->peer)
        options.peer = outcome->peer;
    return load_credentials(options);
}

static struct tls_credentials *server_of(const struct outcome *outcome)
{
    struct tls_options options =
        options_for(TLS_SERVER, outcome->server_cert ? outcome->server_cert : "server");
    if (outcome->server_ca)
        options.ca = path_of(outcome->server_ca);
    const char *allow[] = {"nobody.example", outcome->allow};
    options.allow = allow;
    options.allow_count = outcome->allow ? 2 : 0;
    return load_credentials(options);
}

/* With TLS 1.3 the server judges after the client's handshake is over. */
static enum err result_at(struct end *end)
{
    const uint8_t *data;
    size_t length;
    enum err result = end->result;
    if (result == ERR_OK)
        result = tls_session_read(end->session, &data, &length);
    return result == ERR_AGAIN ? ERR_OK : result;
}

static void check_outcome(const struct outcome *outcome, struct pair *pair)
{
    shake(pair);
    enum err client = result_at(&pair->client), server = result_at(&pair->server);
    ok(client == outcome->client && server == outcome->server, "%s: client %s, server %s",
       outcome->what, err_name(client), err_name(server));
    if (client == ERR_OK && server == ERR_OK)
        return;
    bool client_learns = outcome->client == ERR_TLS_HANDSHAKE;
    const char *refuser =
        tls_session_detail(client_learns ? pair->server.session : pair->client.session);
    const char *refused =
        tls_session_detail(client_learns ? pair->client.session : pair->server.session);
    ok(strstr(refuser, outcome->words[0]) && strstr(refuser, outcome->words[1]),
       "  who refuses: %s", refuser);
    ok(strstr(refused, "the peer sent the alert") && strstr(refused, outcome->alert),
       "  who is refused: %s", refused);
    ok(!tls_session_generation(pair->client.session) &&
           !tls_session_generation(pair->server.session),
       "  nothing can be resumed from it");
}

static void test_outcomes(void)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        struct tls_credentials *client = client_of(&outcomes[i]), *server = server_of(&outcomes[i]);
        struct pair pair;
        open_master(&pair, client, server, NULL);
        check_outcome(&outcomes[i], &pair);
        free_pair(&pair);
        tls_credentials_unref(client);
        tls_credentials_unref(server);
    }
}

static void test_names(void)
{
    struct tls_credentials *client = load_credentials(options_for(TLS_CLIENT, "client")),
                           *server = load_credentials(options_for(TLS_SERVER, "server"));
    struct pair pair;
    ok(open_master(&pair, client, server, NULL), "a master");
    ok(strcmp(tls_session_peer(pair.client.session), "server.example") == 0,
       "the client knows the server's name");
    ok(strcmp(tls_session_peer(pair.server.session), "client.example") == 0,
       "the server knows the client's name");
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* Loaded while valid, expired by the time of the handshake: a process that runs for long. */
static void test_expired(bool server_expires, bool resumed)
{
    struct tls_options client_options =
                           options_for(TLS_CLIENT, server_expires ? "client" : "short"),
                       server_options =
                           options_for(TLS_SERVER, server_expires ? "short" : "server");
    client_options.rules.ticket_lifetime_s = server_options.rules.ticket_lifetime_s = 7 * DAY;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct tls_ticket *ticket = NULL;
    struct pair pair;
    if (resumed) {
        must(open_master(&pair, client, server, NULL));
        ticket = tls_session_take_ticket(pair.client.session);
        must(ticket);
        free_pair(&pair);
    }
    clock_shift = 3 * DAY;
    struct outcome outcome = {
        .what = resumed ? "expired, resumed master" : "expired, full handshake",
        .client = server_expires ? ERR_TLS_PEER_UNVERIFIED : ERR_TLS_HANDSHAKE,
        .server = server_expires ? ERR_TLS_HANDSHAKE : ERR_TLS_PEER_UNVERIFIED,
        .words = {"server.example", "it has expired"},
        .alert = "our certificate has expired"};
    init_pair(&pair);
    pair.client.session = tls_session_new_master(client, ticket, &pair.client.output);
    pair.server.session = tls_session_new_master(server, NULL, &pair.server.output);
    check_outcome(&outcome, &pair);
    free_pair(&pair);
    clock_shift = 0;
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

/* A client of another make that has no certificate to show. */
struct bare_client {
    struct end end;
    struct message_queue input;
    gnutls_session_t gnutls;
};

static ssize_t bare_push(gnutls_transport_ptr_t pointer, const void *data, size_t size)
{
    struct bare_client *client = pointer;
    struct message *message = message_new(size);
    memcpy(message->data, data, size);
    message->length = (uint32_t)size;
    message_queue_push(&client->end.sent, message);
    return (ssize_t)size;
}

static ssize_t bare_pull(gnutls_transport_ptr_t pointer, void *data, size_t size)
{
    struct bare_client *client = pointer;
    struct message *first = client->input.first;
    if (!first) {
        gnutls_transport_set_errno(client->gnutls, EAGAIN);
        return -1;
    }
    size_t part = first->length - first->offset < size ? first->length - first->offset : size;
    memcpy(data, first->data + first->offset, part);
    first->offset += (uint32_t)part;
    if (first->offset == first->length)
        message_free(message_queue_pop(&client->input));
    return (ssize_t)part;
}

static void test_no_certificate(void)
{
    struct tls_credentials *credentials = load_credentials(options_for(TLS_SERVER, "server"));
    gnutls_certificate_credentials_t none;
    must(gnutls_certificate_allocate_credentials(&none) == 0);
    struct bare_client client = {0};
    must(gnutls_init(&client.gnutls, GNUTLS_CLIENT | GNUTLS_NONBLOCK) == 0);
    must(gnutls_priority_set_direct(client.gnutls, TLS_PRIORITY_DEFAULT, NULL) == 0);
    must(gnutls_credentials_set(client.gnutls, GNUTLS_CRD_CERTIFICATE, none) == 0);
    gnutls_transport_set_ptr(client.gnutls, &client);
    gnutls_transport_set_push_function(client.gnutls, bare_push);
    gnutls_transport_set_pull_function(client.gnutls, bare_pull);

    struct pair pair;
    init_pair(&pair);
    struct end *server = &pair.server;
    server->session = tls_session_new_master(credentials, NULL, &server->output);
    server->result = ERR_AGAIN;
    for (int i = 0; i < 10 && server->result == ERR_AGAIN; i++) {
        gnutls_handshake(client.gnutls);
        deliver(&client.end, server);
        server->result = tls_session_handshake(server->session);
        struct message *message;
        while ((message = message_queue_pop(&server->sent)))
            message_queue_push(&client.input, message);
    }
    ok(server->result == ERR_TLS_NO_CERTIFICATE, "a client without a certificate: %s (%s)",
       err_name(server->result), tls_session_detail(server->session));
    char byte;
    int rc = (int)gnutls_record_recv(client.gnutls, &byte, 1);
    ok(rc == GNUTLS_E_FATAL_ALERT_RECEIVED &&
           gnutls_alert_get(client.gnutls) == GNUTLS_A_CERTIFICATE_REQUIRED,
       "it is told that one is required (%s)",
       gnutls_alert_get_name(gnutls_alert_get(client.gnutls)));
    free_pair(&pair);
    gnutls_deinit(client.gnutls);
    message_queue_clear(&client.input);
    gnutls_certificate_free_credentials(none);
    tls_credentials_unref(credentials);
}

int main(void)
{
    make_certificates();
    test_outcomes();
    test_names();
    test_expired(true, false);
    test_expired(false, false);
    test_expired(true, true);
    test_no_certificate();
    message_cache_clear();
    return tap_done();
}
