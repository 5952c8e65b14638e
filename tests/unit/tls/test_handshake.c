/* Resumption: who may resume from what, and until when. */
#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/pair.h"
#include "tls/session_private.h"

#define LIFETIME 1000

/* One association: a master on both ends, and its generations. */
struct association {
    struct pair master;
    struct tls_generation *client, *server;
    struct tls_ticket *ticket;
};

/* The processor decides which of the two comes first (tls/cipher.c). */
static const char *first_cipher(void)
{
    return tls_cipher_is_chacha_faster() ? "CHACHA20-POLY1305" : "AES-128-GCM";
}

static struct tls_credentials *client_credentials, *server_credentials;

static struct tls_credentials *load(enum tls_role role, const char *cert, enum tls_resume resume)
{
    struct tls_options options = options_for(role, cert);
    options.rules.ticket_lifetime_s = LIFETIME;
    options.rules.resume = resume;
    return load_credentials(options);
}

static void open_association(struct association *a, struct tls_credentials *client,
                             struct tls_credentials *server, struct tls_ticket *ticket)
{
    must(open_master(&a->master, client, server, ticket));
    a->client = tls_session_generation(a->master.client.session);
    a->server = tls_session_generation(a->master.server.session);
    a->ticket = tls_session_take_ticket(a->master.client.session);
    must(a->client && a->server);
}

static void close_association(struct association *a)
{
    free_pair(&a->master);
    tls_generation_unref(a->client);
    tls_generation_unref(a->server);
    tls_ticket_free(a->ticket);
}

static size_t bytes_sent(struct pair *pair)
{
    return pair->server.sent.bytes;
}

static void test_full_and_resumed_master(void)
{
    struct association first, second;
    struct pair child;
    open_association(&first, client_credentials, server_credentials, NULL);
    ok(!tls_session_is_resumed(first.master.client.session), "the first master is not resumed");
    ok(first.ticket, "it brings a ticket for the next association");
    ok(!tls_session_take_ticket(first.master.client.session), "one, and no more");
    ok(!tls_session_take_ticket(first.master.server.session), "the server has none to give");
    ok(strcmp(tls_session_version(first.master.client.session), "TLS1.3") == 0 &&
           strcmp(tls_session_cipher(first.master.server.session), first_cipher()) == 0,
       "%s with %s", tls_session_version(first.master.client.session),
       tls_session_cipher(first.master.server.session));

    open_association(&second, client_credentials, server_credentials, first.ticket);
    first.ticket = NULL;
    ok(tls_session_is_resumed(second.master.client.session) &&
           tls_session_is_resumed(second.master.server.session),
       "the second master is resumed by it");
    ok(strcmp(tls_session_peer(second.master.server.session), "client.example") == 0 &&
           strcmp(tls_session_peer(second.master.client.session), "server.example") == 0,
       "and verified: both know each other's name");
    ok(open_child(&child, client_credentials, second.client, server_credentials, second.server) &&
           tls_session_is_resumed(child.server.session),
       "children are resumed from a resumed master");
    ok(strcmp(tls_session_peer(child.server.session), "client.example") == 0, "they know the name");
    ok(!tls_session_generation(child.client.session), "a child is nobody's master");
    free_pair(&child);
    close_association(&first);
    close_association(&second);
}

static void test_foreign_ticket(void)
{
    struct association a;
    struct pair pair;
    open_association(&a, client_credentials, server_credentials, NULL);
    struct tls_credentials *others = load(TLS_CLIENT, "client2", TLS_RESUME_REQUIRE);
    must(open_master(&pair, others, server_credentials, a.ticket));
    a.ticket = NULL;
    ok(!tls_session_is_resumed(pair.client.session) &&
           strcmp(tls_session_peer(pair.server.session), "other.example") == 0,
       "a ticket is not used with other credentials");
    free_pair(&pair);
    close_association(&a);
    tls_credentials_unref(others);
}

static void test_other_master(void)
{
    struct association a, b;
    struct pair child;
    open_association(&a, client_credentials, server_credentials, NULL);
    open_association(&b, client_credentials, server_credentials, NULL);
    ok(!open_child(&child, client_credentials, a.client, server_credentials, b.server),
       "a child of another master is refused");
    ok(child.server.result == ERR_TLS_OTHER_MASTER, "the server knows: %s (%s)",
       err_name(child.server.result), tls_session_detail(child.server.session));
    const uint8_t *data;
    size_t length;
    enum err result = tls_session_read(child.client.session, &data, &length);
    ok(child.client.result == ERR_OK && result == ERR_TLS_NOT_RESUMED,
       "the client learns it when it reads: %s (%s)", err_name(result),
       tls_session_detail(child.client.session));
    free_pair(&child);

    start_child(&child, client_credentials, a.client, server_credentials, b.server, a.server);
    ok(shake(&child), "while one master follows another, children of both are accepted");
    free_pair(&child);
    close_association(&a);
    close_association(&b);
}

static void test_other_key(void)
{
    struct tls_credentials *restarted = load(TLS_SERVER, "server", TLS_RESUME_REQUIRE);
    struct association a, b;
    struct pair child;
    open_association(&a, client_credentials, server_credentials, NULL);
    open_association(&b, client_credentials, restarted, NULL);
    ok(!open_child(&child, client_credentials, a.client, restarted, b.server),
       "a ticket of another server's key is not resumed");
    ok(child.server.result == ERR_TLS_NOT_RESUMED, "server: %s (%s)", err_name(child.server.result),
       tls_session_detail(child.server.session));
    ok(child.client.result == ERR_TLS_NOT_RESUMED, "client: %s (%s)", err_name(child.client.result),
       tls_session_detail(child.client.session));
    free_pair(&child);

    start_child(&child, client_credentials, a.client, restarted, b.server, NULL);
    tls_session_handshake(child.client.session);
    deliver(&child.client, &child.server);
    tls_session_handshake(child.server.session);
    ok(bytes_sent(&child) < 10, "the refusal costs no signature: %zu bytes went out",
       bytes_sent(&child));
    free_pair(&child);
    close_association(&a);
    close_association(&b);
    tls_credentials_unref(restarted);
}

/* The key is replaced while an association lives: a child of the old generation arrives when the
 * new one is current already. */
static void test_key_rotation(void)
{
    struct association a, b;
    struct pair child;
    struct tls_credentials *server = load(TLS_SERVER, "server", TLS_RESUME_REQUIRE);
    open_association(&a, client_credentials, server, NULL);
    clock_shift = LIFETIME - 10;
    start_child(&child, client_credentials, a.client, server, a.server, NULL);
    ok(shake(&child), "a child in the last seconds");
    free_pair(&child);
    close_association(&a);

    open_association(&a, client_credentials, server, NULL);
    clock_shift = LIFETIME + 1;
    open_association(&b, client_credentials, server, NULL);
    ok(a.server->ticket_key != b.server->ticket_key, "a new lifetime, a new key");
    start_child(&child, client_credentials, a.client, server, b.server, a.server);
    ok(shake(&child) && tls_session_is_resumed(child.server.session),
       "a child of the old generation is resumed with the old key");
    free_pair(&child);
    start_child(&child, client_credentials, b.client, server, b.server, a.server);
    ok(shake(&child) && tls_session_is_resumed(child.server.session),
       "one of the new with the new");
    free_pair(&child);
    ok(!open_child(&child, client_credentials, a.client, server, b.server) &&
           child.server.result == ERR_TLS_NOT_RESUMED,
       "without the old generation it is not");
    free_pair(&child);
    close_association(&b);

    open_association(&b, client_credentials, server, a.ticket);
    a.ticket = NULL;
    ok(tls_session_is_resumed(b.master.server.session), "a master is resumed across the rotation");
    close_association(&a);
    close_association(&b);
    clock_shift = 0;
    tls_credentials_unref(server);
}

static void test_expiry(void)
{
    struct association a, b;
    struct pair child;
    open_association(&a, client_credentials, server_credentials, NULL);
    ok(tls_generation_expires_in(a.client) <= LIFETIME &&
           tls_generation_expires_in(a.client) > LIFETIME - 5 &&
           tls_generation_expires_in(a.server) <= LIFETIME &&
           tls_generation_expires_in(a.server) > LIFETIME - 5,
       "a fresh generation lives for the whole lifetime");

    clock_shift = 600;
    open_association(&b, client_credentials, server_credentials, a.ticket);
    a.ticket = NULL;
    ok(tls_session_is_resumed(b.master.server.session), "resumed 600 s later");
    ok(tls_generation_expires_in(b.client) <= LIFETIME - 600 &&
           tls_generation_expires_in(b.client) > LIFETIME - 605 &&
           tls_generation_expires_in(b.server) <= LIFETIME - 600 &&
           tls_generation_expires_in(b.server) > LIFETIME - 605,
       "it ends when the first one ends: in %ld s at the client, %ld s at the server",
       (long)tls_generation_expires_in(b.client), (long)tls_generation_expires_in(b.server));

    clock_shift = -100;
    ok(tls_generation_expires_in(b.client) < 0, "a clock that was set back ends it");
    clock_shift = LIFETIME + 2;
    ok(tls_generation_expires_in(b.client) < 0 && tls_generation_expires_in(b.server) < 0,
       "and then it is over");
    start_child(&child, client_credentials, b.client, server_credentials, b.server, NULL);
    enum err result = tls_session_handshake(child.client.session);
    ok(result == ERR_TLS_NOT_RESUMED && !child.client.sent.count,
       "an expired client says nothing: %s", tls_session_detail(child.client.session));
    free_pair(&child);

    b.client->expires_at += 1000; /* a client whose clock is behind */
    ok(!open_child(&child, client_credentials, b.client, server_credentials, b.server) &&
           child.server.result == ERR_TLS_NOT_RESUMED && child.client.result == ERR_TLS_NOT_RESUMED,
       "the server looks at its own clock");
    free_pair(&child);
    struct pair late;
    must(open_master(&late, client_credentials, server_credentials, b.ticket));
    b.ticket = NULL;
    ok(!tls_session_is_resumed(late.client.session), "an expired ticket is not offered");
    free_pair(&late);
    close_association(&a);
    close_association(&b);
    clock_shift = 0;
}

static void test_prefer(void)
{
    struct tls_credentials *client = load(TLS_CLIENT, "client", TLS_RESUME_PREFER),
                           *server = load(TLS_SERVER, "server", TLS_RESUME_PREFER),
                           *restarted = load(TLS_SERVER, "server", TLS_RESUME_PREFER),
                           *stranger = load(TLS_CLIENT, "client2", TLS_RESUME_PREFER);
    struct association a, b, c;
    struct pair child;
    open_association(&a, client, server, NULL);
    open_association(&b, client, restarted, NULL);
    open_association(&c, stranger, server, NULL);
    ok(open_child(&child, client, a.client, server, a.server) &&
           tls_session_is_resumed(child.client.session),
       "prefer: resumed where possible");
    free_pair(&child);
    bool through = open_child(&child, client, a.client, restarted, b.server);
    ok(through && !tls_session_is_resumed(child.client.session) &&
           !tls_session_is_resumed(child.server.session),
       "prefer: else a full handshake of the same peers is accepted (%s, %s)",
       tls_session_detail(child.client.session), tls_session_detail(child.server.session));
    free_pair(&child);

    through = open_child(&child, stranger, c.client, restarted, b.server);
    ok(!through && child.server.result == ERR_TLS_NOT_RESUMED &&
           strstr(tls_session_detail(child.server.session), "other.example"),
       "prefer: but not of another peer with a good certificate (%s)",
       tls_session_detail(child.server.session));
    free_pair(&child);

    through = open_child(&child, client_credentials, a.client, restarted, b.server);
    ok(!through && child.client.result == ERR_TLS_NOT_RESUMED,
       "a client that requires it refuses a server that only prefers it (%s)",
       tls_session_detail(child.client.session));
    ok(child.server.result == ERR_TLS_NOT_RESUMED, "which learns why: %s",
       tls_session_detail(child.server.session));
    free_pair(&child);
    close_association(&a);
    close_association(&b);
    close_association(&c);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_credentials_unref(restarted);
    tls_credentials_unref(stranger);
}

static void test_other_cipher(void)
{
    struct association a;
    struct pair child;
    struct tls_options options = options_for(TLS_SERVER, "server");
    options.rules.ticket_lifetime_s = LIFETIME;
    const char *cipher = tls_cipher_is_chacha_faster() ? "AES-128-GCM" : "CHACHA20-POLY1305";
    char priority[128];
    snprintf(priority, sizeof priority,
             "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+%s:-GROUP-ALL:+GROUP-X25519", cipher);
    options.priority = priority;
    struct tls_credentials *other = load_credentials(options);
    open_association(&a, client_credentials, server_credentials, NULL);
    bool through = open_child(&child, client_credentials, a.client, other, a.server);
    ok(!through && child.server.result == ERR_TLS_HANDSHAKE &&
           strstr(tls_session_detail(child.server.session), cipher),
       "a child with another cipher than its master is refused (%s)",
       tls_session_detail(child.server.session));
    free_pair(&child);
    close_association(&a);
    tls_credentials_unref(other);
}

/* Flights, tickets and ClientHellos that do not fit one message (pair.h asserts their size). */
static void test_long_certificates(void)
{
    struct tls_credentials *client = load(TLS_CLIENT, "long-client", TLS_RESUME_REQUIRE),
                           *server = load(TLS_SERVER, "long-server", TLS_RESUME_REQUIRE);
    struct association a;
    struct pair child;
    open_association(&a, client, server, NULL);
    ok(a.client->identity->proofs[0].size > 20000 && a.server->identity->proofs[0].size > 20000,
       "certificates of 20 KB");
    start_child(&child, client, a.client, server, a.server, NULL);
    tls_session_handshake(child.client.session);
    ok(child.client.sent.count > 1, "the ClientHello takes %zu messages", child.client.sent.count);
    ok(shake(&child) && tls_session_is_resumed(child.server.session), "and the child is resumed");
    free_pair(&child);
    close_association(&a);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_garbage(void)
{
    struct association a;
    struct pair child;
    open_association(&a, client_credentials, server_credentials, NULL);
    start_child(&child, client_credentials, a.client, server_credentials, a.server, NULL);
    struct message *garbage = message_new(100);
    memset(garbage->data, 'x', garbage->length = 100);
    tls_session_feed(child.server.session, garbage);
    enum err result = tls_session_handshake(child.server.session);
    ok(result == ERR_TLS_HANDSHAKE, "garbage: %s", tls_session_detail(child.server.session));
    ok(tls_session_handshake(child.server.session) == ERR_TLS_HANDSHAKE, "and it stays so");
    free_pair(&child);
    close_association(&a);
}

/* Type and version in a record's header are not authenticated, and hardly looked at. */
static bool is_in_header(const struct message *message, size_t at)
{
    size_t record = 0;
    while (record + 5 <= at)
        record += 5u + ((size_t)message->data[record + 3] << 8 | message->data[record + 4]);
    return at >= record && at < record + 3;
}

/* One bit of the handshake changed, wherever: never a crash, never two happy ends. */
static void test_mutations(void)
{
    struct association a;
    struct pair child;
    unsigned seed = (unsigned)tap_seed();
    int through = 0;
    open_association(&a, client_credentials, server_credentials, NULL);
    for (int i = 0; i < 300; i++) {
        start_child(&child, client_credentials, a.client, server_credentials, a.server, NULL);
        tls_session_handshake(child.client.session);
        if (i % 2) {
            deliver(&child.client, &child.server);
            tls_session_handshake(child.server.session);
        }
        struct message *victim = i % 2 ? child.server.sent.first : child.client.sent.first;
        size_t at = (size_t)rand_r(&seed) % victim->length;
        bool is_harmless = is_in_header(victim, at);
        victim->data[at] ^= (uint8_t)(1 << rand_r(&seed) % 8);
        through += shake(&child) && !is_harmless;
        free_pair(&child);
    }
    ok(!through, "of 300 handshakes with one bit changed none went through (%d)", through);
    close_association(&a);
}

int main(void)
{
    make_certificates();
    client_credentials = load(TLS_CLIENT, "client", TLS_RESUME_REQUIRE);
    server_credentials = load(TLS_SERVER, "server", TLS_RESUME_REQUIRE);
    test_full_and_resumed_master();
    test_foreign_ticket();
    test_other_master();
    test_other_key();
    test_key_rotation();
    test_expiry();
    test_prefer();
    test_other_cipher();
    test_long_certificates();
    test_garbage();
    test_mutations();
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    message_cache_clear();
    return tap_done();
}
