/* Faults and attacks between two ends: none may pass in silence. */
#include "tests/unit/tls/clock.h"
#include "tests/unit/tls/modes.h"
#include "tls/session_private.h"

struct bed {
    const struct mode *mode;
    struct tls_credentials *client, *server;
    struct association a;
};

static void open_bed(struct bed *bed, const struct mode *mode)
{
    bed->mode = mode;
    bed->client = load_credentials(mode_options(mode, TLS_CLIENT, "client", NULL));
    bed->server = load_credentials(mode_options(mode, TLS_SERVER, "server", NULL));
    open_association(&bed->a, bed->client, bed->server, NULL);
}

static void close_bed(struct bed *bed)
{
    close_association(&bed->a);
    tls_credentials_unref(bed->client);
    tls_credentials_unref(bed->server);
}

static void open_child_of(struct bed *bed, struct pair *child)
{
    must(open_child(child, bed->client, bed->a.client, bed->server, bed->a.server));
}

static struct message *copy_of(const struct message *message)
{
    struct message *copy = message_new(message->length);
    memcpy(copy->data, message->data, message->length);
    copy->length = message->length;
    return copy;
}

static struct message *written(struct pair *child, const char *text)
{
    must(tls_session_write(child->client.session, text, strlen(text)) == ERR_OK);
    struct message *message = message_queue_pop(&child->client.sent);
    must(message && !child->client.sent.first);
    return message;
}

static enum err hears(struct pair *child, struct message *message, const char *text)
{
    const uint8_t *data;
    size_t length;
    tls_session_feed(child->server.session, message);
    enum err result = tls_session_read(child->server.session, &data, &length);
    if (result == ERR_OK)
        must(length == strlen(text) && memcmp(data, text, length) == 0);
    return result;
}

/* Records that somebody on the path replays, drops, or moves to another stream. */
static void test_records(struct bed *bed)
{
    struct pair one, other;
    open_child_of(bed, &one);
    open_child_of(bed, &other);
    struct message *first = written(&one, "first"), *again = copy_of(first);
    must(hears(&one, first, "first") == ERR_OK);
    enum err result = hears(&one, again, "");
    ok(result == ERR_TLS_RECORD, "%s: a record twice ends the session (%s)", bed->mode->name,
       tls_session_detail(one.server.session));
    ok(tls_session_write(one.server.session, "x", 1) == ERR_TLS_RECORD, "%s: for good",
       bed->mode->name);
    free_pair(&one);

    open_child_of(bed, &one);
    message_free(written(&one, "first"));
    ok(hears(&one, written(&one, "second"), "") == ERR_TLS_RECORD,
       "%s: so does one that is missing", bed->mode->name);
    free_pair(&one);

    open_child_of(bed, &one);
    struct message *spliced = written(&one, "for one");
    ok(hears(&other, spliced, "") == ERR_TLS_RECORD,
       "%s: and one from another stream, of the same master", bed->mode->name);
    free_pair(&other);
    must(carries_data(&one) == false); /* its own record is missing */
    free_pair(&one);
    open_child_of(bed, &one);
    ok(carries_data(&one), "%s: the next child is well", bed->mode->name);
    free_pair(&one);
}

/* The ClientHello of a child, recorded, on another stream: an answer, and no session. */
static void test_replay(struct bed *bed)
{
    struct pair child, replay;
    start_child(&child, bed->client, bed->a.client, bed->server, bed->a.server, NULL);
    tls_session_handshake(child.client.session);
    must(child.client.sent.count == 1);
    struct message *hello = copy_of(child.client.sent.first);
    bool through = shake(&child);
    must(through);
    struct message *finished = written(&child, "data");
    struct message *data = copy_of(finished);
    must(hears(&child, finished, "data") == ERR_OK);

    start_child(&replay, bed->client, bed->a.client, bed->server, bed->a.server, NULL);
    tls_session_feed(replay.server.session, hello);
    enum err result = tls_session_handshake(replay.server.session);
    ok(result == ERR_AGAIN && !tls_session_is_resumed(replay.server.session),
       "%s: a replayed ClientHello makes no session", bed->mode->name);
    tls_session_feed(replay.server.session, data);
    result = tls_session_handshake(replay.server.session);
    ok(result == ERR_TLS_HANDSHAKE, "%s: not even with the data that followed it: %s",
       bed->mode->name, tls_session_detail(replay.server.session));
    ok(carries_data(&child), "%s: the true one does not notice", bed->mode->name);
    free_pair(&replay);
    free_pair(&child);
}

/* Ends that were not configured alike: a refusal or a resumption, never a silent full handshake. */
static void test_lifetimes(const struct mode *mode)
{
    struct tls_options options = mode_options(mode, TLS_SERVER, "server", NULL);
    struct bed bed;
    struct pair child;
    open_bed(&bed, mode);
    options.rules.ticket_lifetime_s = 600;
    struct tls_credentials *reloaded = load_credentials(options);
    bool through = open_child(&child, bed.client, bed.a.client, reloaded, bed.a.server);
    ok(through && both_resumed(&child),
       "%s: a server whose lifetime was changed still has the children of its masters (%s)",
       mode->name, tls_session_detail(child.server.session));
    free_pair(&child);
    struct association shorter;
    open_association(&shorter, bed.client, reloaded, NULL);
    int64_t left = tls_generation_expires_in(shorter.server);
    ok(left <= 600 && left > 590, "%s: its next master lives as long as it says: %d s", mode->name,
       (int)left);
    start_child(&child, bed.client, bed.a.client, reloaded, shorter.server, bed.a.server);
    ok(shake(&child) && both_resumed(&child), "%s: and the one before keeps its own", mode->name);
    free_pair(&child);
    start_child(&child, bed.client, shorter.client, reloaded, shorter.server, bed.a.server);
    ok(shake(&child) && both_resumed(&child), "%s: both at once", mode->name);
    free_pair(&child);
    close_association(&shorter);
    tls_credentials_unref(reloaded);
    close_bed(&bed);
}

static void test_tiny_lifetime(const struct mode *mode)
{
    struct tls_options client_options = mode_options(mode, TLS_CLIENT, "client", NULL),
                       server_options = mode_options(mode, TLS_SERVER, "server", NULL);
    client_options.rules.ticket_lifetime_s = server_options.rules.ticket_lifetime_s = 2;
    struct tls_credentials *client = load_credentials(client_options),
                           *server = load_credentials(server_options);
    struct association a;
    struct pair child;
    clock_shift = 0;
    open_association(&a, client, server, NULL);
    clock_shift = 4;
    a.client->expires_at += 100; /* a client that does not look */
    a.client->started += 4;
    bool through = open_child(&child, client, a.client, server, a.server);
    ok(!through && child.client.result == ERR_TLS_NOT_RESUMED,
       "%s: after two seconds all is over: %s", mode->name,
       tls_session_detail(child.client.session));
    free_pair(&child);
    close_association(&a);
    clock_shift = 0;
    tls_credentials_unref(client);
    tls_credentials_unref(server);
}

static void test_priorities(void)
{
    struct bed bed;
    struct pair child;
    struct tls_options options = mode_options(&modes[0], TLS_CLIENT, "client", NULL);
    options.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM:-GROUP-ALL:"
                       "+GROUP-X25519";
    struct tls_credentials *other = load_credentials(options);
    open_bed(&bed, &modes[0]);
    bool through = open_child(&child, other, bed.a.client, bed.server, bed.a.server);
    ok(!through && child.server.result != ERR_OK,
       "a client with another cipher than its master's is refused: %s (%s)",
       err_name(child.server.result), tls_session_detail(child.server.session));
    free_pair(&child);
    close_bed(&bed);
    tls_credentials_unref(other);
}

/* One ticket for two associations that begin at once: the second does without, and both are up. */
static void test_exhaustion(struct bed *bed)
{
    struct association next, late;
    struct tls_ticket *ticket = bed->a.ticket;
    bed->a.ticket = NULL;
    open_association(&next, bed->client, bed->server, ticket);
    open_association(&late, bed->client, bed->server,
                     tls_session_take_ticket(bed->a.master.client.session));
    struct pair child;
    bool through = open_child(&child, bed->client, late.client, bed->server, late.server);
    ok(both_resumed(&next.master) && !both_resumed(&late.master) && through && both_resumed(&child),
       "%s: when no ticket is left, a full master has children as well", bed->mode->name);
    free_pair(&child);
    close_association(&next);
    close_association(&late);
}

/* Extended master secret left out: GnuTLS would take it, and store it. */
static void test_unbound(void)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_store_statistics statistics;
    struct tls_options options = mode_options(&modes[2], TLS_CLIENT, "client", NULL);
    options.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:-CIPHER-ALL:"
                       "+AES-128-GCM:-MAC-ALL:+AEAD:%NO_SESSION_HASH";
    struct tls_credentials *client = load_credentials(options),
                           *server = load_credentials(
                               mode_options(&modes[2], TLS_SERVER, "server", store));
    struct pair pair;
    bool through = open_master(&pair, client, server, NULL);
    tls_store_statistics(store, &statistics);
    ok(!through && pair.server.result == ERR_TLS_HANDSHAKE && !statistics.stored,
       "TLS 1.2 without extended master secret is refused, and not stored: %s",
       tls_session_detail(pair.server.session));
    free_pair(&pair);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_store_unref(store);
}

static void test_suites(void)
{
    static const char *const weak[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA:-MAC-ALL:+AEAD",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA",
                                       "NORMAL:-VERS-ALL:+VERS-TLS1.1"};
    struct tls_credentials *credentials;
    char why[512];
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        struct tls_options options = mode_options(&modes[2], TLS_CLIENT, "client", NULL);
        options.priority = weak[i];
        enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
        ok(result == ERR_TLS_CREDENTIALS, "refused: %s", why);
    }
    struct tls_options options = mode_options(&modes[2], TLS_CLIENT, "client", NULL);
    options.rules.min_version = TLS_VERSION_1_3;
    enum err result = tls_credentials_new(&options, &credentials, why, sizeof why);
    ok(result == ERR_TLS_CREDENTIALS, "refused: %s", why);
}

int main(void)
{
    make_certificates();
    for (size_t i = 0; i < MODE_COUNT; i++) {
        struct bed bed;
        open_bed(&bed, &modes[i]);
        test_records(&bed);
        test_replay(&bed);
        if (modes[i].masters_resume && modes[i].by != TLS_BY_ID) /* that needs a store */
            test_exhaustion(&bed);
        close_bed(&bed);
        test_lifetimes(&modes[i]);
        test_tiny_lifetime(&modes[i]);
    }
    test_priorities();
    test_unbound();
    test_suites();
    message_cache_clear();
    return tap_done();
}
