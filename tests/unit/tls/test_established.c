/* A child that goes on without GnuTLS, beside one that GnuTLS carries: either understands the other
 * in all that TLS 1.3 has after a handshake. And how little such a child takes. */
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <malloc.h>

#include "base/wire.h"
#include "tests/unit/tls/mixed.h"

static enum err reads(struct end *end)
{
    const uint8_t *data;
    size_t length;
    return tls_session_read(end->session, &data, &length);
}

static uint8_t pattern[TLS_RECORD_PLAIN_MAX];

static bool passes(struct end *from, struct end *to, size_t length)
{
    const uint8_t *data;
    size_t got;
    must(tls_session_write(from->session, pattern, length) == ERR_OK);
    deliver(from, to);
    return tls_session_read(to->session, &data, &got) == ERR_OK && got == length &&
           memcmp(data, pattern, length) == 0 && reads(to) == ERR_AGAIN;
}

static bool pass_both_ways(struct mixed *mixed, size_t length)
{
    return passes(mixed->ours, mixed->gnutls, length) && passes(mixed->gnutls, mixed->ours, length);
}

/* By a message that may be sent itself. */
static bool passes_in_place(struct end *from, struct end *to, size_t length)
{
    const uint8_t *data;
    size_t got;
    struct message *plain = message_new(MESSAGE_MAX), *before = plain;
    memcpy(plain->data + TLS_SESSION_HEADROOM, pattern, length);
    must(tls_session_write_message(from->session, &plain, length) == ERR_OK);
    bool is_sent = from->sent.first == before,
         should_be = !from->session->gnutls && length > MESSAGE_MAX / 2;
    message_free(plain);
    deliver(from, to);
    return tls_session_read(to->session, &data, &got) == ERR_OK && got == length &&
           memcmp(data, pattern, length) == 0 && is_sent == should_be;
}

static const uint8_t *next_of(struct end *end, size_t length)
{
    const uint8_t *data;
    size_t got;
    must(tls_session_read(end->session, &data, &got) == ERR_OK && got == length);
    return data;
}

static void test_hold(struct mixed *mixed, const char *name)
{
    const uint8_t *first, *second, *third;
    static const uint8_t other[5000] = {1};
    must(tls_session_write(mixed->gnutls->session, pattern, sizeof pattern) == ERR_OK &&
         tls_session_write(mixed->gnutls->session, pattern, 300) == ERR_OK &&
         tls_session_write(mixed->gnutls->session, other, sizeof other) == ERR_OK);
    deliver(mixed->gnutls, mixed->ours);
    first = next_of(mixed->ours, sizeof pattern);
    bool held = tls_session_hold(mixed->ours->session),
         twice = tls_session_hold(mixed->ours->session);
    second = next_of(mixed->ours, 300);
    held &= tls_session_hold(mixed->ours->session);
    third = next_of(mixed->ours, sizeof other);
    ok(held && !twice && !memcmp(first, pattern, sizeof pattern) && !memcmp(second, pattern, 300) &&
           !memcmp(third, other, sizeof other) && reads(mixed->ours) == ERR_AGAIN,
       "%s: records that are held stay while others are read", name);
    tls_session_release(mixed->ours->session);
    ok(!mixed->ours->session->established->held, "%s: until they are not needed", name);
    must(tls_session_write(mixed->ours->session, other, 1) == ERR_OK);
    deliver(mixed->ours, mixed->gnutls);
    first = next_of(mixed->gnutls, 1);
    ok(!tls_session_hold(mixed->gnutls->session), "%s: those of GnuTLS do not", name);
    tls_session_release(mixed->gnutls->session);
}

static void test_in_place(struct mixed *mixed, const char *name)
{
    static const size_t sizes[] = {1, 1000, MESSAGE_MAX / 2 + 1, sizeof pattern};
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        wrong += !passes_in_place(mixed->ours, mixed->gnutls, sizes[i]) +
                 !passes_in_place(mixed->gnutls, mixed->ours, sizes[i]);
    ok(!wrong, "%s: long records leave in the message that they were written into", name);
}

static void test_sizes(struct mixed *mixed, const char *name)
{
    size_t wrong = 0;
    for (size_t length = 1; length <= 300; length++)
        wrong += !pass_both_ways(mixed, length);
    for (size_t length = sizeof pattern - 20; length <= sizeof pattern; length++)
        wrong += !pass_both_ways(mixed, length);
    ok(!wrong, "%s: records of all lengths, both ways", name);
}

static void test_padding(struct mixed *mixed, const char *name)
{
    const uint8_t *data;
    size_t length;
    must(gnutls_record_send2(gnutls_of(mixed), "padded", 6, 1000, 0) == 6);
    deliver(mixed->gnutls, mixed->ours);
    ok(tls_session_read(mixed->ours->session, &data, &length) == ERR_OK && length == 6 &&
           memcmp(data, "padded", 6) == 0,
       "%s: padding is taken off", name);
}

static void test_updates(struct mixed *mixed, const char *name)
{
    bool all = true;
    for (int i = 0; i < 3; i++) {
        must(gnutls_session_key_update(gnutls_of(mixed), 0) == 0);
        all = all && pass_both_ways(mixed, 100);
        tls_established_rekey(mixed->ours->session);
        all = all && pass_both_ways(mixed, 100);
    }
    ok(all, "%s: either changes its keys", name);
    for (int i = 0; i < 20; i++)
        must(gnutls_session_key_update(gnutls_of(mixed), GNUTLS_KU_PEER) == 0);
    deliver(mixed->gnutls, mixed->ours);
    bool waits = reads(mixed->ours) == ERR_AGAIN && !mixed->ours->sent.count;
    must(tls_session_write(mixed->ours->session, pattern, 10) == ERR_OK);
    ok(waits && mixed->ours->sent.count == 2,
       "%s: however often it asks for ours, it comes once, with data", name);
    deliver(mixed->ours, mixed->gnutls);
    ok(reads(mixed->gnutls) == ERR_OK && pass_both_ways(mixed, 100), "%s: and data goes on", name);
}

static void test_ticket(struct mixed *mixed, const char *name)
{
    if (!mixed->gnutls->session->is_server)
        return;
    must(gnutls_session_ticket_send(gnutls_of(mixed), 2, 0) == 0);
    deliver(mixed->gnutls, mixed->ours);
    ok(reads(mixed->ours) == ERR_AGAIN && pass_both_ways(mixed, 1), "%s: tickets are passed over",
       name);
}

static void test_goodbye(struct mixed *mixed, const char *name)
{
    say_bye(mixed->ours);
    deliver(mixed->ours, mixed->gnutls);
    ok(reads(mixed->gnutls) == ERR_TLS_CLOSED && passes(mixed->gnutls, mixed->ours, 10),
       "%s: GnuTLS understands our close_notify", name);
    say_bye(mixed->gnutls);
    deliver(mixed->gnutls, mixed->ours);
    ok(reads(mixed->ours) == ERR_TLS_CLOSED, "%s: we GnuTLS's", name);
}

static void test_with_gnutls(const char *cipher, bool ours_is_server)
{
    char name[64];
    struct bed bed;
    struct mixed mixed;
    snprintf(name, sizeof name, "%s, %s", cipher, ours_is_server ? "server" : "client");
    open_bed(&bed, cipher);
    open_mixed(&mixed, &bed, ours_is_server);
    test_sizes(&mixed, name);
    test_hold(&mixed, name);
    test_in_place(&mixed, name);
    test_padding(&mixed, name);
    test_updates(&mixed, name);
    test_ticket(&mixed, name);
    test_goodbye(&mixed, name);
    free_pair(&mixed.pair);
    close_bed(&bed);
}

/* ---- what is refused ---- */

/* GnuTLS, or whoever has the keys, sends what has no place here. */
static void feed_sealed(struct mixed *mixed, enum tls_record_type type, const void *data,
                        size_t length)
{
    struct tls_record *other = &mixed->ours->session->established->record;
    struct tls_record swapped = *other;
    swapped.out = other->in;
    struct message *message = message_new(length + tls_record_overhead(&swapped));
    memcpy(message->data + TLS_RECORD_HEADER, data, length);
    message->length = (uint32_t)tls_record_seal(&swapped, type, message->data, length);
    tls_session_feed(mixed->ours->session, message);
}

static const struct {
    enum tls_record_type type;
    const char *bytes;
    size_t length;
    int alert;
    const char *what;
} refused[] = {
    {TLS_RECORD_HANDSHAKE, "\x18\0\0\1\2", 5, GNUTLS_A_ILLEGAL_PARAMETER, "a KeyUpdate of 2"},
    {TLS_RECORD_HANDSHAKE, "\x18\0\0\0", 4, GNUTLS_A_UNEXPECTED_MESSAGE, "an empty KeyUpdate"},
    {TLS_RECORD_HANDSHAKE, "\x18\0\0\2\0\0", 6, GNUTLS_A_UNEXPECTED_MESSAGE, "a long KeyUpdate"},
    {TLS_RECORD_HANDSHAKE, "\x18\0\0\1\0\x18\0\0\1\0", 10, GNUTLS_A_UNEXPECTED_MESSAGE,
     "a KeyUpdate with something behind it"},
    {TLS_RECORD_HANDSHAKE, "\x18\0", 2, GNUTLS_A_UNEXPECTED_MESSAGE, "a piece of a message"},
    {TLS_RECORD_HANDSHAKE, "", 0, GNUTLS_A_UNEXPECTED_MESSAGE,
     "a handshake record without message"},
    {TLS_RECORD_HANDSHAKE, "\x04\0\0\0", 4, GNUTLS_A_UNEXPECTED_MESSAGE, "a ticket of a client"},
    {TLS_RECORD_HANDSHAKE, "\x01\0\0\0", 4, GNUTLS_A_UNEXPECTED_MESSAGE, "a ClientHello"},
    {TLS_RECORD_ALERT, "", 0, GNUTLS_A_UNEXPECTED_MESSAGE, "an alert record without alert"},
    {TLS_RECORD_ALERT, "\2", 1, GNUTLS_A_DECODE_ERROR, "half an alert"},
    {TLS_RECORD_ALERT, "\2\x28\2\x28", 4, GNUTLS_A_DECODE_ERROR, "two alerts"},
    {(enum tls_record_type)20, "\1", 1, GNUTLS_A_UNEXPECTED_MESSAGE, "a ChangeCipherSpec"},
    {(enum tls_record_type)0, "", 0, GNUTLS_A_UNEXPECTED_MESSAGE, "a record of zeros"},
};

static void test_refused(struct bed *bed)
{
    struct mixed mixed;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        open_mixed(&mixed, bed, true);
        feed_sealed(&mixed, refused[i].type, refused[i].bytes, refused[i].length);
        enum err result = reads(mixed.ours);
        deliver(mixed.ours, mixed.gnutls);
        must(reads(mixed.gnutls) == ERR_TLS_RECORD || reads(mixed.gnutls) == ERR_TLS_HANDSHAKE);
        ok(result == ERR_TLS_RECORD &&
               gnutls_alert_get(gnutls_of(&mixed)) == (gnutls_alert_description_t)refused[i].alert,
           "refused: %s: %s", refused[i].what, tls_session_detail(mixed.ours->session));
        free_pair(&mixed.pair);
    }
}

static void feed_header(struct mixed *mixed, const char *header)
{
    struct message *message = message_new(TLS_RECORD_HEADER);
    memcpy(message->data, header, message->length = TLS_RECORD_HEADER);
    tls_session_feed(mixed->ours->session, message);
}

static void test_headers(struct bed *bed)
{
    struct mixed mixed;
    open_mixed(&mixed, bed, true);
    feed_header(&mixed, "\x17\x03\x03\x41\x01");
    ok(reads(mixed.ours) == ERR_TLS_RECORD, "a long record is not waited for");
    free_pair(&mixed.pair);
    open_mixed(&mixed, bed, true);
    feed_header(&mixed, "\x17\x03\x03\x41\x00");
    ok(reads(mixed.ours) == ERR_AGAIN, "the longest is");
    free_pair(&mixed.pair);
}

static void test_update_flood(struct bed *bed)
{
    struct mixed mixed;
    open_mixed(&mixed, bed, true);
    int through = 0;
    for (int i = 0; i < 100 && mixed.ours->session->failure == ERR_OK; i++) {
        must(gnutls_session_key_update(gnutls_of(&mixed), 0) == 0);
        deliver(mixed.gnutls, mixed.ours);
        through += reads(mixed.ours) == ERR_AGAIN;
    }
    ok(through >= 64 && through < 80, "a peer that only changes its keys is stopped after %d times",
       through);
    free_pair(&mixed.pair);
}

/* A minute of a sender that changes its keys as often as it may, and of a line that stands still.
 */
static void test_late_updates(struct bed *bed)
{
    enum { UPDATES = 240 };
    struct pair child, *pair = &child;
    must(open_child(pair, bed->client, bed->a.client, bed->server, bed->a.server));
    for (int i = 0; i < UPDATES; i++) {
        pair->client.session->rekeyed_at = 0; /* 250 ms later */
        must(tls_session_write(pair->client.session, pattern, 10) == ERR_OK &&
             tls_session_rekey(pair->client.session) == ERR_OK);
    }
    deliver(&pair->client, &pair->server);
    int read = 0;
    while (reads(&pair->server) == ERR_OK)
        read++;
    ok(read == UPDATES && pair->server.session->failure == ERR_OK,
       "what was late arrives with all its changes of keys (%s)",
       tls_session_detail(pair->server.session));
    free_pair(pair);
}

static void test_own_update(const char *cipher, uint64_t limit)
{
    struct bed bed;
    struct mixed mixed;
    uint8_t sequence[8];
    struct wire_writer writer = wire_writer(sequence, sizeof sequence);
    open_bed(&bed, cipher);
    open_mixed(&mixed, &bed, false);
    struct tls_record_keys *keys = &mixed.ours->session->established->record.out;
    keys->sequence = limit - 1;
    wire_put_u64(&writer, limit - 1);
    must(gnutls_record_set_state(gnutls_of(&mixed), 1, sequence) == 0);
    ok(passes(mixed.ours, mixed.gnutls, 10) && keys->sequence == limit,
       "%s: %" PRIu64 " records go out with one key", cipher, limit);
    ok(passes(mixed.ours, mixed.gnutls, 10) && keys->sequence == 1, "then there is another");
    free_pair(&mixed.pair);
    close_bed(&bed);
}

static void test_every_bit(struct bed *bed)
{
    struct mixed mixed;
    size_t taken = 0;
    open_mixed(&mixed, bed, true);
    must(tls_session_write(mixed.gnutls->session, "0123456789", 10) == ERR_OK);
    struct message *good = message_queue_pop(&mixed.gnutls->sent);
    for (size_t bit = 0; bit < 8 * (size_t)good->length; bit++) {
        struct tls_record record = mixed.ours->session->established->record;
        uint8_t bytes[64];
        enum tls_record_type type;
        const uint8_t *data;
        size_t length;
        must(good->length <= sizeof bytes);
        memcpy(bytes, good->data, good->length);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += !tls_record_open(&record, bytes, good->length, &type, &data, &length);
    }
    ok(!taken, "no bit of a record, of its header neither, can be changed");
    tls_session_feed(mixed.ours->session, good);
    ok(reads(mixed.ours) == ERR_OK, "as it was it is read");
    free_pair(&mixed.pair);
}

/* ---- memory ---- */

#define MANY 200

/* Both ends of a child; 0: they cannot be counted. */
static size_t child_bytes(struct tls_credentials *client, struct tls_generation *of_client,
                          struct tls_credentials *server, struct tls_generation *of_server)
{
    static struct pair children[MANY];
    message_cache_clear();
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < MANY; i++)
        must(open_child(&children[i], client, of_client, server, of_server));
    message_cache_clear();
    size_t each = before ? (mallinfo2().uordblks - before) / MANY : 0;
    for (int i = 0; i < MANY; i++)
        free_pair(&children[i]);
    return each;
}

static size_t child_bytes_with_gnutls(void)
{
    struct tls_options of_client = options_for(TLS_CLIENT, "client"),
                       of_server = options_for(TLS_SERVER, "server");
    struct pair master;
    of_client.rules.records = of_server.rules.records = TLS_RECORDS_GNUTLS;
    struct tls_credentials *client = load_credentials(of_client),
                           *server = load_credentials(of_server);
    must(open_master(&master, client, server, NULL));
    struct tls_generation *cg = tls_session_generation(master.client.session),
                          *sg = tls_session_generation(master.server.session);
    size_t each = child_bytes(client, cg, server, sg);
    free_pair(&master);
    tls_generation_unref(cg);
    tls_generation_unref(sg);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    return each;
}

/* Only if malloc is the C library's. The size of a cipher's keys depends on the library and the
 * processor (without AES instructions GnuTLS has tables of 4 KB for each), so what counts is that
 * the rest of a session has gone: 18 KB of 23 where this was written. */
static void test_memory(struct bed *bed)
{
    size_t ours = child_bytes(bed->client, bed->a.client, bed->server, bed->a.server);
    if (!ours) {
        ok(true, "memory is not counted here # SKIP another allocator");
        return;
    }
    size_t gnutls = child_bytes_with_gnutls();
    ok(ours + 14000 < gnutls, "a child takes %zu bytes, both ends together, and %zu with GnuTLS",
       ours, gnutls);
}

int main(void)
{
    struct bed bed;
    make_certificates();
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 31 >> 3 | 1);
    for (size_t i = 0; i < CIPHERS; i++) {
        test_with_gnutls(ciphers[i], false);
        test_with_gnutls(ciphers[i], true);
    }
    open_bed(&bed, ciphers[0]);
    test_refused(&bed);
    test_headers(&bed);
    test_update_flood(&bed);
    test_late_updates(&bed);
    test_own_update("AES-256-GCM", 1 << 24);
    test_own_update("CHACHA20-POLY1305", 1 << 24);
    test_own_update("AES-128-CCM", 1 << 23);
    test_own_update("AES-128-CCM-8", 1 << 23);
    test_every_bit(&bed);
    test_memory(&bed);
    close_bed(&bed);
    message_cache_clear();
    return tap_done();
}
