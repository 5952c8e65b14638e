/* Every way in which children can be resumed: what works in all of them, and what in none. */
#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/modes.h"
#include "tls/session_private.h"

struct bed {
    const struct mode *mode;
    struct tls_store *store;
    struct tls_credentials *client, *server;
};

static void open_bed(struct bed *bed, const struct mode *mode)
{
    bed->mode = mode;
    bed->store = tls_store_new(&(struct tls_store_options){0});
    bed->client = load_credentials(mode_options(mode, TLS_CLIENT, "client", NULL));
    bed->server = load_credentials(mode_options(mode, TLS_SERVER, "server", bed->store));
}

static void close_bed(struct bed *bed)
{
    tls_credentials_unref(bed->client);
    tls_credentials_unref(bed->server);
    tls_store_unref(bed->store);
}

static void test_children(struct bed *bed)
{
    struct association a;
    struct pair child;
    open_association(&a, bed->client, bed->server, NULL);
    ok(strcmp(tls_session_version(a.master.server.session), bed->mode->version) == 0 &&
           !both_resumed(&a.master),
       "%s: a full master with %s", bed->mode->name, tls_session_cipher(a.master.server.session));
    int resumed = 0;
    for (int i = 0; i < 20; i++) {
        resumed += open_child(&child, bed->client, a.client, bed->server, a.server) &&
                   both_resumed(&child) && carries_data(&child);
        if (i < 19)
            free_pair(&child);
    }
    ok(resumed == 20, "%s: %d of 20 children resumed (%s; %s)", bed->mode->name, resumed,
       tls_session_detail(child.client.session), tls_session_detail(child.server.session));
    ok(strcmp(tls_session_cipher(child.client.session),
              tls_session_cipher(a.master.client.session)) == 0 &&
           strcmp(tls_session_peer(child.server.session), "client.example") == 0,
       "%s: the master's cipher, the master's peer", bed->mode->name);
    uint8_t one[32], other[32];
    struct pair *master = &a.master;
    must(tls_session_export(master->client.session, "EXPORTER-test", one, sizeof one) == ERR_OK &&
         tls_session_export(master->server.session, "EXPORTER-test", other, sizeof other) ==
             ERR_OK);
    ok(memcmp(one, other, sizeof one) == 0, "%s: one exporter at both ends", bed->mode->name);
    free_pair(&child);
    close_association(&a);
}

static void test_other_master(struct bed *bed)
{
    struct association a, b;
    struct pair child;
    open_association(&a, bed->client, bed->server, NULL);
    open_association(&b, bed->client, bed->server, NULL);
    bool through = open_child(&child, bed->client, a.client, bed->server, b.server);
    ok(!through && (child.server.result == ERR_TLS_OTHER_MASTER ||
                    child.server.result == ERR_TLS_NOT_RESUMED),
       "%s: a child of another association's master is refused: %s", bed->mode->name,
       err_name(child.server.result));
    free_pair(&child);
    start_child(&child, bed->client, a.client, bed->server, b.server, a.server);
    ok(shake(&child) && both_resumed(&child), "%s: but while one follows the other, both are taken",
       bed->mode->name);
    free_pair(&child);
    start_child(&child, bed->client, b.client, bed->server, b.server, a.server);
    ok(shake(&child) && both_resumed(&child), "%s: the newer one too", bed->mode->name);
    free_pair(&child);
    close_association(&a);
    close_association(&b);
}

static void test_reconnect(struct bed *bed)
{
    struct association a, b, c;
    struct pair child;
    clock_shift = 0;
    open_association(&a, bed->client, bed->server, NULL);
    ok((a.ticket != NULL) == bed->mode->masters_resume, "%s: %s", bed->mode->name,
       a.ticket ? "something is left for the next association" : "nothing is left for the next");
    clock_shift = 600;
    open_association(&b, bed->client, bed->server, a.ticket);
    a.ticket = NULL;
    ok(both_resumed(&b.master) == bed->mode->masters_resume, "%s: the next master is %s",
       bed->mode->name, both_resumed(&b.master) ? "resumed" : "a full one");
    ok(strcmp(tls_session_peer(b.master.server.session), "client.example") == 0 &&
           strcmp(tls_session_peer(b.master.client.session), "server.example") == 0,
       "%s: both know whom they speak with", bed->mode->name);
    int64_t left = bed->mode->masters_resume ? 3000 : 3600,
            at_client = tls_generation_expires_in(b.client),
            at_server = tls_generation_expires_in(b.server);
    ok(at_client <= left && at_client > left - 5 && at_server <= left && at_server > left - 5,
       "%s: both know when it ends: in %d and %d s", bed->mode->name, (int)at_client,
       (int)at_server);
    bool through =
        open_child(&child, bed->client, b.client, bed->server, b.server) && both_resumed(&child);
    ok(through, "%s: it has children too (%s; %s)", bed->mode->name,
       tls_session_detail(child.client.session), tls_session_detail(child.server.session));
    free_pair(&child);

    clock_shift = 3601;
    open_association(&c, bed->client, bed->server, b.ticket);
    b.ticket = NULL;
    ok(!both_resumed(&c.master), "%s: the chain ends with the lifetime of the first",
       bed->mode->name);
    b.client->expires_at += 10000; /* a client whose clock is behind */
    through = open_child(&child, bed->client, b.client, bed->server, b.server);
    if (bed->mode->masters_resume)
        ok(!through && child.server.result == ERR_TLS_NOT_RESUMED,
           "%s: a child of what has expired is refused by the server's clock: %s", bed->mode->name,
           err_name(child.server.result));
    free_pair(&child);
    close_association(&a);
    close_association(&b);
    close_association(&c);
    clock_shift = 0;
}

/* Modes that the other end cannot have: each must be refused, never met with silence. */
/* Of a master that was resumed: before the server's new tickets have been read. */
static void test_children_at_once(struct bed *bed)
{
    struct association a;
    struct pair master, child;
    if (!bed->mode->masters_resume)
        return;
    open_association(&a, bed->client, bed->server, NULL);
    init_pair(&master);
    master.client.session = tls_session_new_master(bed->client, a.ticket, &master.client.output);
    master.server.session = tls_session_new_master(bed->server, NULL, &master.server.output);
    a.ticket = NULL;
    ok(shake(&master) && both_resumed(&master), "%s: a resumed master", bed->mode->name);
    struct tls_generation *client = tls_session_generation(master.client.session);
    struct tls_generation *server = tls_session_generation(master.server.session);
    ok(client && server, "%s: has what children are resumed from at once", bed->mode->name);
    for (int i = 0; client && server && i < 2; i++) {
        bool through = open_child(&child, bed->client, client, bed->server, server) &&
                       both_resumed(&child) && carries_data(&child);
        ok(through, "%s: child %d is resumed from it (%s; %s)", bed->mode->name, i,
           tls_session_detail(child.client.session), tls_session_detail(child.server.session));
        free_pair(&child);
    }
    const uint8_t *data;
    size_t length;
    struct tls_ticket *next = NULL;
    if (tls_session_read(master.client.session, &data, &length) == ERR_AGAIN)
        next = tls_session_take_ticket(master.client.session);
    ok(next != NULL, "%s: the new ticket is for the next association", bed->mode->name);
    tls_ticket_free(next);
    tls_generation_unref(client);
    tls_generation_unref(server);
    free_pair(&master);
    close_association(&a);
}

static void test_mismatches(void)
{
    struct bed dhe, psk;
    struct association a, b;
    struct pair child;
    open_bed(&dhe, &modes[0]);
    open_bed(&psk, &modes[1]);
    open_association(&a, psk.client, dhe.server, NULL);
    bool through = open_child(&child, psk.client, a.client, dhe.server, a.server);
    ok(!through, "a server that wants a key exchange takes no child without one: %s (%s)",
       err_name(child.server.result), tls_session_detail(child.server.session));
    free_pair(&child);
    open_association(&b, dhe.client, psk.server, NULL);
    through = open_child(&child, dhe.client, b.client, psk.server, b.server);
    ok(!through, "nor a client that wants one: %s (%s)", err_name(child.server.result),
       tls_session_detail(child.server.session));
    free_pair(&child);
    close_association(&a);
    close_association(&b);

    open_association(&a, psk.client, psk.server, NULL);
    open_association(&b, psk.client, psk.server, NULL);
    ok(a.server->ticket_key != b.server->ticket_key &&
           memcmp(a.server->ticket_key->secret, b.server->ticket_key->secret,
                  TLS_TICKET_KEY_SIZE) != 0,
       "without a key exchange each association has a ticket key of its own");
    close_association(&a);
    close_association(&b);
    close_bed(&dhe);
    close_bed(&psk);
}

static struct tls_credentials *client_of(enum tls_version lowest, enum tls_version highest)
{
    struct tls_options options = options_for(TLS_CLIENT, "client");
    options.rules.min_version = lowest;
    options.rules.max_version = highest;
    return load_credentials(options);
}

static void test_versions(void)
{
    struct tls_credentials *only_12 = client_of(TLS_VERSION_1_2, TLS_VERSION_1_2),
                           *only_13 = client_of(TLS_VERSION_1_3, TLS_VERSION_1_3);
    struct bed both;
    struct association a;
    struct pair child;
    open_bed(&both, &modes[5]);
    open_association(&a, only_12, both.server, NULL);
    ok(strcmp(tls_session_version(a.master.client.session), "TLS1.2") == 0 &&
           open_child(&child, only_12, a.client, both.server, a.server) && both_resumed(&child),
       "a server of both versions has children of TLS 1.2");
    free_pair(&child);
    close_association(&a);
    open_association(&a, only_13, both.server, NULL);
    ok(strcmp(tls_session_version(a.master.client.session), "TLS1.3") == 0 &&
           open_child(&child, only_13, a.client, both.server, a.server) && both_resumed(&child),
       "and of TLS 1.3");
    ok(!tls_session_new_child(only_12, a.client, NULL, &a.master.client.output),
       "a generation of a version that is not allowed (any more) has no children");
    free_pair(&child);
    close_association(&a);

    struct tls_credentials *server = load_credentials(options_for(TLS_SERVER, "server"));
    struct pair pair;
    bool through = open_master(&pair, only_12, server, NULL);
    ok(!through, "without being asked nobody speaks TLS 1.2: %s",
       tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(server);
    tls_credentials_unref(only_12);
    tls_credentials_unref(only_13);
    close_bed(&both);
}

/* A client that could do better offers both, also when it comes back. */
static void test_old_server(const struct mode *mode)
{
    struct bed old, both;
    struct association a, b;
    open_bed(&old, mode);
    open_bed(&both, &modes[5]);
    open_association(&a, both.client, old.server, NULL);
    open_association(&b, both.client, old.server, a.ticket);
    a.ticket = NULL;
    ok(strcmp(tls_session_version(b.master.client.session), "TLS1.2") == 0 &&
           both_resumed(&b.master),
       "a client of both versions resumes TLS 1.2 (%s)", mode->name);
    close_association(&a);
    open_association(&a, both.client, both.server, b.ticket);
    b.ticket = NULL;
    ok(strcmp(tls_session_version(a.master.client.session), "TLS1.3") == 0,
       "and when the server has learnt TLS 1.3, they speak that (%s)", mode->name);
    close_association(&a);
    close_association(&b);
    close_bed(&old);
    close_bed(&both);
}

static void test_renegotiation(void)
{
    struct bed bed;
    struct association a;
    const uint8_t *data;
    size_t length;
    open_bed(&bed, &modes[2]);
    open_association(&a, bed.client, bed.server, NULL);
    struct end *client = &a.master.client, *server = &a.master.server;
    must(gnutls_rehandshake(server->session->gnutls) == 0);
    deliver(server, client);
    enum err result = tls_session_read(client->session, &data, &length);
    ok(result == ERR_TLS_RECORD, "a server that wants to renegotiate is left: %s",
       tls_session_detail(client->session));
    close_association(&a);

    open_association(&a, bed.client, bed.server, NULL);
    client = &a.master.client, server = &a.master.server;
    gnutls_handshake(client->session->gnutls);
    deliver(client, server);
    result = tls_session_read(server->session, &data, &length);
    ok(result == ERR_TLS_RECORD, "so is a client: %s", tls_session_detail(server->session));
    close_association(&a);
    close_bed(&bed);
}

static void test_prefer(const struct mode *mode)
{
    struct tls_options client_options = mode_options(mode, TLS_CLIENT, "client", NULL),
                       server_options = mode_options(mode, TLS_SERVER, "server", NULL);
    client_options.rules.resume = server_options.rules.resume = TLS_RESUME_PREFER;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options),
                           *restarted = load_credentials(server_options);
    struct association a, b;
    struct pair child;
    open_association(&a, client, server, NULL);
    open_association(&b, client, restarted, NULL);
    ok(open_child(&child, client, a.client, server, a.server) && both_resumed(&child),
       "%s, prefer: resumed where possible", mode->name);
    free_pair(&child);
    bool through = open_child(&child, client, a.client, restarted, b.server);
    ok(through && !tls_session_is_resumed(child.client.session) && carries_data(&child),
       "%s, prefer: else a full handshake of the same peer (%s; %s)", mode->name,
       tls_session_detail(child.client.session), tls_session_detail(child.server.session));
    free_pair(&child);
    close_association(&a);
    close_association(&b);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(restarted);
}

int main(void)
{
    make_certificates();
    for (size_t i = 0; i < MODE_COUNT; i++) {
        struct bed bed;
        open_bed(&bed, &modes[i]);
        test_children(&bed);
        test_other_master(&bed);
        test_reconnect(&bed);
        test_children_at_once(&bed);
        test_prefer(&modes[i]);
        close_bed(&bed);
    }
    test_mismatches();
    test_versions();
    test_old_server(&modes[2]);
    test_old_server(&modes[3]);
    test_renegotiation();
    message_cache_clear();
    return tap_done();
}
