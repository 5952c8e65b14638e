/* The view of a ClientHello before GnuTLS: of true ones, and of forged ones. */
#include "tls/session_private.h"

#include "base/wire.h"
#include "tests/unit/tls/modes.h"

static uint8_t bytes[MESSAGE_MAX];
static size_t size;
static struct tls_client_hello hello;

static bool reads(struct tls_session *client, struct pair *pair)
{
    tls_session_handshake(client);
    struct message *message = message_queue_pop(&pair->client.sent);
    must(message);
    size = message->length;
    memcpy(bytes, message->data, size);
    message_free(message);
    return tls_client_hello_read(bytes, size, &hello);
}

/* RFC 8446 section 4.2.10: whether the ClientHello in bytes offers data before the handshake. */
static bool offers_early_data(void)
{
    struct wire_reader in = wire_reader(bytes, size);
    wire_get_bytes(&in, 5 + 4 + 2 + 32); /* record, handshake, version, random */
    wire_get_bytes(&in, wire_get_u8(&in));
    wire_get_bytes(&in, wire_get_u16(&in));
    wire_get_bytes(&in, wire_get_u8(&in));
    uint16_t extensions = wire_get_u16(&in);
    must(extensions && !in.overrun);
    bool offers = false;
    while (wire_left(&in)) {
        offers |= wire_get_u16(&in) == 42;
        wire_get_bytes(&in, wire_get_u16(&in));
    }
    must(!in.overrun);
    return offers;
}

/* Only what is inside of the bytes may be pointed at; ASan sees the rest. */
static bool is_sound(size_t length)
{
    uint8_t *exact = check_alloc(length ? length : 1);
    memcpy(exact, bytes, length);
    bool whole = tls_client_hello_read(exact, length, &hello);
    bool sound =
        !whole ||
        (hello.session_id_size <= 32 &&
         (!hello.session_id_size || (hello.session_id >= exact &&
                                     hello.session_id + hello.session_id_size <= exact + length)));
    uint8_t copy[32] = {0};
    if (whole && sound && hello.session_id_size)
        memcpy(copy, hello.session_id, hello.session_id_size);
    free(exact);
    return sound;
}

static void test_mode(const struct mode *mode)
{
    struct tls_store *store = tls_store_new(&(struct tls_store_options){0});
    struct tls_credentials *client = load_credentials(mode_options(mode, TLS_CLIENT, "client", 0)),
                           *server =
                               load_credentials(mode_options(mode, TLS_SERVER, "server", store));
    struct association a;
    struct pair pair;
    open_association(&a, client, server, NULL);
    init_pair(&pair);
    pair.client.session = tls_session_new_master(client, NULL, &pair.client.output);
    ok(reads(pair.client.session, &pair) && !hello.has_ticket && !hello.session_id_size,
       "%s: a first ClientHello brings nothing", mode->name);
    free_pair(&pair);
    pair.client.session = tls_session_new_child(client, a.client, NULL, &pair.client.output);
    bool by_id = mode->by == TLS_BY_ID;
    ok(reads(pair.client.session, &pair) && hello.has_ticket == !by_id &&
           (!by_id || hello.session_id_size == 32),
       "%s: a child's brings %s", mode->name, by_id ? "a session id" : "a ticket");
    ok(!offers_early_data(), "%s: but no early data", mode->name);
    int unsound = 0;
    for (size_t i = 0; i < size; i++) {
        unsound += !is_sound(i);
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            unsound += !is_sound(size);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    }
    ok(!unsound, "%s: cut anywhere, or with any bit changed, it is read within its bounds",
       mode->name);
    free_pair(&pair);
    close_association(&a);
    tls_credentials_unref(client);
    tls_credentials_unref(server);
    tls_store_unref(store);
}

int main(void)
{
    make_certificates();
    for (size_t i = 0; i < MODE_COUNT; i++)
        test_mode(&modes[i]);
    ok(!tls_client_hello_read(bytes, 0, &hello), "nothing is none");
    message_cache_clear();
    return tap_done();
}
