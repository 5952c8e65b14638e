/* An established session as a byte pump, and what becomes of records that somebody touched. */
#include "tests/unit/tls/pair.h"
#include "tls/session_private.h"

static struct tls_credentials *client_credentials, *server_credentials;
static struct tls_generation *client_generation, *server_generation;
static struct pair master;

static void open_one(struct pair *child)
{
    must(open_child(child, client_credentials, client_generation, server_credentials,
                    server_generation));
}

static void put(struct end *end, const char *text)
{
    must(tls_session_write(end->session, text, strlen(text)) == ERR_OK);
}

/* The next record equals text. */
static bool gets_text(struct end *end, const char *text)
{
    const uint8_t *data;
    size_t length;
    return tls_session_read(end->session, &data, &length) == ERR_OK && length == strlen(text) &&
           memcmp(data, text, length) == 0;
}

static enum err reads(struct end *end)
{
    const uint8_t *data;
    size_t length;
    return tls_session_read(end->session, &data, &length);
}

static bool works(struct pair *child)
{
    put(&child->client, "up");
    put(&child->server, "down");
    deliver(&child->client, &child->server);
    deliver(&child->server, &child->client);
    return gets_text(&child->server, "up") && gets_text(&child->client, "down");
}

static struct message *copy_of(const struct message *message)
{
    struct message *copy = message_new(message->length);
    memcpy(copy->data, message->data, message->length);
    copy->length = message->length;
    return copy;
}

static void test_traffic(void)
{
    struct pair child;
    static uint8_t big[16384];
    const uint8_t *data;
    size_t length;
    open_one(&child);
    ok(reads(&child.server) == ERR_AGAIN && reads(&child.client) == ERR_AGAIN, "nothing there yet");
    ok(works(&child), "text both ways");
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 >> 3);
    ok(tls_session_write(child.client.session, big, sizeof big) == ERR_OK, "a full record");
    ok(child.client.sent.count == 1 && child.client.sent.bytes <= MESSAGE_MAX,
       "is one message of %zu bytes", child.client.sent.bytes);
    deliver(&child.client, &child.server);
    ok(tls_session_read(child.server.session, &data, &length) == ERR_OK && length == sizeof big &&
           memcmp(data, big, length) == 0,
       "and comes out whole");
    ok(tls_session_write(child.client.session, big, 0) == ERR_OK && !child.client.sent.count,
       "nothing written is nothing sent");

    for (int i = 0; i < 100; i++)
        put(&child.client, "many");
    deliver(&child.client, &child.server);
    int got = 0;
    while (gets_text(&child.server, "many"))
        got++;
    ok(got == 100, "100 records in one go: %d", got);
    free_pair(&child);
}

static void split(struct end *from, struct end *to, size_t piece)
{
    struct message *message;
    while ((message = message_queue_pop(&from->sent))) {
        for (size_t at = 0; at < message->length; at += piece) {
            size_t length = message->length - at < piece ? message->length - at : piece;
            struct message *part = message_new(length);
            memcpy(part->data, message->data + at, length);
            part->length = (uint32_t)length;
            tls_session_feed(to->session, part);
            if (to->result == ERR_AGAIN)
                to->result = tls_session_handshake(to->session);
        }
        message_free(message);
    }
}

static void test_pieces(void)
{
    struct pair child;
    start_child(&child, client_credentials, client_generation, server_credentials,
                server_generation, NULL);
    child.client.result = child.server.result = ERR_AGAIN;
    for (int i = 0; i < 5 && (child.client.result || child.server.result); i++) {
        if (child.client.result == ERR_AGAIN)
            child.client.result = tls_session_handshake(child.client.session);
        split(&child.client, &child.server, 1);
        split(&child.server, &child.client, 1);
    }
    ok(child.client.result == ERR_OK && child.server.result == ERR_OK &&
           tls_session_is_resumed(child.server.session),
       "a handshake in messages of one byte");
    put(&child.client, "byte by byte");
    split(&child.client, &child.server, 1);
    ok(gets_text(&child.server, "byte by byte"), "data in messages of one byte");

    put(&child.client, "one");
    put(&child.client, "two");
    struct message *first = message_queue_pop(&child.client.sent),
                   *second = message_queue_pop(&child.client.sent);
    struct message *both = message_new(first->length + second->length);
    memcpy(both->data, first->data, first->length);
    memcpy(both->data + first->length, second->data, second->length);
    both->length = first->length + second->length;
    message_free(first);
    message_free(second);
    tls_session_feed(child.server.session, both);
    ok(gets_text(&child.server, "one") && gets_text(&child.server, "two"),
       "two records in one message");

    put(&child.client, "cut off");
    struct message *whole = child.client.sent.first;
    whole->length -= 3;
    deliver(&child.client, &child.server);
    ok(reads(&child.server) == ERR_AGAIN, "a record that is not all there waits");
    free_pair(&child);
}

enum spoil { REPLAYED, DROPPED, SWAPPED, SPLICED, FLIPPED, PLAIN_ALERT, PLAIN_DATA, SPOILS };
static const char *const spoil_names[] = {
    [REPLAYED] = "replayed",
    [DROPPED] = "dropped",
    [SWAPPED] = "swapped",
    [SPLICED] = "spliced from another child",
    [FLIPPED] = "flipped",
    [PLAIN_ALERT] = "in the clear: an alert",
    [PLAIN_DATA] = "in the clear: data",
};

static struct message *forged(const char *bytes, uint32_t length)
{
    struct message *message = message_new(length);
    memcpy(message->data, bytes, length);
    message->length = length;
    return message;
}

static void spoil(enum spoil how, struct pair *child, struct pair *other)
{
    struct tls_session *victim = child->server.session;
    struct message *first = message_queue_pop(&child->client.sent),
                   *second = message_queue_pop(&child->client.sent);
    switch (how) {
    case REPLAYED:
        tls_session_feed(victim, copy_of(first));
        break;
    case DROPPED:
        message_free(first);
        first = NULL;
        break;
    case SWAPPED:
        tls_session_feed(victim, second);
        second = NULL;
        break;
    case SPLICED:
        put(&other->client, "not yours");
        tls_session_feed(victim, message_queue_pop(&other->client.sent));
        break;
    case FLIPPED:
        first->data[first->length - 20] ^= 1;
        break;
    case PLAIN_ALERT:
        tls_session_feed(victim, forged("\x15\x03\x03\0\2\2\x28", 7));
        break;
    case PLAIN_DATA:
        tls_session_feed(victim, forged("\x17\x03\x03\0\5hello", 10));
        break;
    default:
        break;
    }
    if (first)
        tls_session_feed(victim, first);
    if (second)
        tls_session_feed(victim, second);
}

static void test_spoiled(enum spoil how)
{
    struct pair child, other;
    open_one(&child);
    open_one(&other);
    must(works(&child) && works(&other));
    put(&child.client, "first");
    put(&child.client, "second");
    spoil(how, &child, &other);
    if (how == REPLAYED)
        must(gets_text(&child.server, "first"));
    enum err result = reads(&child.server);
    ok(result == ERR_TLS_RECORD, "a record %s: %s (%s)", spoil_names[how], err_name(result),
       tls_session_detail(child.server.session));
    ok(reads(&child.server) == ERR_TLS_RECORD &&
           tls_session_write(child.server.session, "x", 1) == ERR_TLS_RECORD,
       "  that session is dead");
    tls_session_feed(child.server.session, forged("more", 4));
    ok(!child.server.session->input.count, "  and keeps no input");
    deliver(&child.server, &child.client);
    result = reads(&child.client);
    ok(result == ERR_TLS_RECORD && strstr(tls_session_detail(child.client.session), "alert"),
       "  the other end is told: %s", tls_session_detail(child.client.session));
    if (how != SPLICED)
        ok(works(&other), "  another child lives");
    free_pair(&child);
    free_pair(&other);
}

static void test_key_update(void)
{
    struct pair child;
    open_one(&child);
    bool all = true;
    for (int i = 0; i < 5; i++) {
        put(&child.client, "with the old key");
        tls_established_rekey(child.client.session);
        put(&child.client, "with the new key");
        if (i % 2)
            tls_established_rekey(child.server.session);
        deliver(&child.client, &child.server);
        all = all && gets_text(&child.server, "with the old key") &&
              gets_text(&child.server, "with the new key") && works(&child);
    }
    ok(all, "keys are updated under traffic");
    free_pair(&child);
}

static void test_bye(void)
{
    struct pair child;
    open_one(&child);
    put(&child.client, "last words");
    say_bye(&child.client);
    deliver(&child.client, &child.server);
    ok(gets_text(&child.server, "last words"), "what was said before is heard");
    ok(reads(&child.server) == ERR_TLS_CLOSED && reads(&child.server) == ERR_TLS_CLOSED,
       "then the end, for good");
    put(&child.server, "still here");
    deliver(&child.server, &child.client);
    ok(gets_text(&child.client, "still here"), "the other direction stays open");
    say_bye(&child.server);
    deliver(&child.server, &child.client);
    ok(reads(&child.client) == ERR_TLS_CLOSED, "until it is closed too");
    tls_session_feed(child.client.session, forged("\x17\x03\x03\0\5hello", 10));
    ok(!child.client.session->input.count, "what comes after that is not kept");
    free_pair(&child);
}

static void test_export(void)
{
    struct pair two;
    uint8_t a[32], b[32], c[32], d[32];
    must(open_master(&two, client_credentials, server_credentials, NULL));
    must(tls_session_export(master.client.session, "EXPORTER-test", a, sizeof a) == ERR_OK);
    must(tls_session_export(master.server.session, "EXPORTER-test", b, sizeof b) == ERR_OK);
    must(tls_session_export(two.client.session, "EXPORTER-test", c, sizeof c) == ERR_OK);
    must(tls_session_export(master.client.session, "EXPORTER-other", d, sizeof d) == ERR_OK);
    ok(memcmp(a, b, sizeof a) == 0, "both ends export the same");
    ok(memcmp(a, c, sizeof a) != 0, "two masters do not");
    ok(memcmp(a, d, sizeof a) != 0, "nor do two labels");
    free_pair(&two);
}

static void test_unfinished(void)
{
    struct pair child;
    start_child(&child, client_credentials, client_generation, server_credentials,
                server_generation, NULL);
    tls_session_handshake(child.client.session);
    ok(tls_session_handshake(child.server.session) == ERR_AGAIN && !child.server.sent.count,
       "a server waits for the client");
    ok(!tls_session_is_resumed(child.client.session), "and is not resumed before it is done");
    free_pair(&child);
    tls_session_free(NULL);
}

int main(void)
{
    make_certificates();
    client_credentials = load_credentials(options_for(TLS_CLIENT, "client"));
    server_credentials = load_credentials(options_for(TLS_SERVER, "server"));
    must(open_master(&master, client_credentials, server_credentials, NULL));
    client_generation = tls_session_generation(master.client.session);
    server_generation = tls_session_generation(master.server.session);
    must(client_generation && server_generation);
    test_traffic();
    test_pieces();
    for (enum spoil how = 0; how < SPOILS; how++)
        test_spoiled(how);
    test_key_update();
    test_bye();
    test_export();
    test_unfinished();
    free_pair(&master);
    tls_generation_unref(client_generation);
    tls_generation_unref(server_generation);
    tls_credentials_unref(client_credentials);
    tls_credentials_unref(server_credentials);
    message_cache_clear();
    return tap_done();
}
