/* A peer that has the handshake's keys spoils its flight in every place and way: nothing of it is
 * left in memory, however often it does so, and what stands behind Finished is refused. */
#include <malloc.h>

#include "tests/unit/tls/forger.h"
#include "tests/unit/tls/mixed.h"

enum way {
    WHOLE,      /* as it was: for comparison */
    MESSAGE,    /* a whole handshake message behind the record's last one */
    PIECE,      /* a piece of a message's header behind it */
    LONG_PIECE, /* most of a long message behind it */
    CUT,        /* a byte less */
    HALVES,     /* cut into two records: that is allowed */
    EMPTY,      /* an empty handshake record before it */
    DATA,       /* application data before it */
    ALERT,      /* half an alert before it */
    UNKNOWN,    /* an unknown type of record before it */
    PADDED,     /* as it was, but for zeros behind it: allowed */
    TWICE,      /* the same record again */
    WAYS
};
static const char *const way_names[] = {"as it was",
                                        "a message behind the end",
                                        "a piece of a message behind the end",
                                        "more of one behind the end",
                                        "a byte less",
                                        "two records",
                                        "an empty one before it",
                                        "data before it",
                                        "half an alert before it",
                                        "an unknown type before it",
                                        "padding",
                                        "twice"};

static struct secret {
    uint8_t bytes[48];
    size_t size;
} secret, later_secret; /* of what the peer sends in the handshake, and after it */

static void keep(struct secret *kept, const gnutls_datum_t *told)
{
    must(told->size <= sizeof kept->bytes);
    memcpy(kept->bytes, told->data, kept->size = told->size);
}

static int on_secret(gnutls_session_t gnutls, const char *label, const gnutls_datum_t *told)
{
    struct tls_session *session = gnutls_session_get_ptr(gnutls);
    const char *side = session->is_server ? "SERVER" : "CLIENT";
    if (strncmp(label, side, 6) == 0 && strcmp(label + 6, "_HANDSHAKE_TRAFFIC_SECRET") == 0)
        keep(&secret, told);
    if (strncmp(label, side, 6) == 0 && strcmp(label + 6, "_TRAFFIC_SECRET_0") == 0)
        keep(&later_secret, told);
    return 0;
}

/* One handshake, and which of its records is spoilt. */
struct attack {
    bool of_master, by_client;
    size_t place; /* of the record in the flight, those in the clear first */
    enum way way;
    bool is_stranger; /* a client's master without a certificate */
};

struct game {
    struct pair pair;
    struct end *peer, *victim;
    struct forger forger;
};

static gnutls_certificate_credentials_t nothing;

static void start(struct game *game, struct bed *bed, const struct attack *attack)
{
    struct pair *pair = &game->pair;
    if (attack->of_master) {
        init_pair(pair);
        pair->client.session = tls_session_new_master(bed->client, NULL, &pair->client.output);
        pair->server.session = tls_session_new_master(bed->server, NULL, &pair->server.output);
    } else {
        start_child(pair, bed->client, bed->a.client, bed->server, bed->a.server, NULL);
    }
    game->peer = attack->by_client ? &pair->client : &pair->server;
    game->victim = attack->by_client ? &pair->server : &pair->client;
    if (!attack->of_master)
        leave_to_gnutls(game->peer->session);
    gnutls_session_set_keylog_function(game->peer->session->gnutls, on_secret);
    if (attack->is_stranger)
        gnutls_credentials_set(game->peer->session->gnutls, GNUTLS_CRD_CERTIFICATE, nothing);
}

/* Until the peer has its sealed flight ready. */
static void play_up_to_flight(struct game *game)
{
    struct end *client = &game->pair.client, *server = &game->pair.server;
    must(tls_session_handshake(client->session) == ERR_AGAIN);
    deliver(client, server);
    must(tls_session_handshake(server->session) == ERR_AGAIN);
    if (game->peer == server)
        return;
    deliver(server, client);
    must(tls_session_handshake(client->session) == ERR_OK);
}

static void feed_clear(struct game *game, uint8_t type, const uint8_t *content, size_t length)
{
    struct message *message = message_new(5 + length);
    struct wire_writer writer = wire_writer(message->data, 5 + length);
    wire_put_u8(&writer, type);
    wire_put_u16(&writer, 0x0303);
    wire_put_u16(&writer, length);
    wire_put_bytes(&writer, content, length);
    message->length = (uint32_t)(5 + length);
    tls_session_feed(game->victim->session, message);
}

/* Sealed, or like ServerHello not. */
static void feed(struct game *game, bool is_sealed, uint8_t type, const uint8_t *content,
                 size_t length)
{
    if (is_sealed)
        tls_session_feed(game->victim->session, forger_put(&game->forger, type, content, length));
    else
        feed_clear(game, type, content, length);
}

static void feed_spoilt(struct game *game, bool is_sealed, uint8_t type, uint8_t *content,
                        size_t length, enum way way)
{
    static const uint8_t message[] = {24, 0, 0, 1, 0}, most_of_one[600] = {11, 0, 4, 0}, zeros[300];
    size_t more = way == MESSAGE      ? sizeof message
                  : way == PIECE      ? 3
                  : way == LONG_PIECE ? sizeof most_of_one
                                      : 0;
    static const uint8_t before[] = {[EMPTY] = 22, [DATA] = 23, [ALERT] = 21, [UNKNOWN] = 99};
    if (way < sizeof before && before[way])
        feed(game, is_sealed, before[way], message, way == EMPTY ? 0 : 1);
    memcpy(content + length, way == MESSAGE ? message : most_of_one, more);
    if (way == HALVES) {
        feed(game, is_sealed, type, content, 1);
        feed(game, is_sealed, type, content + 1, length - 1);
        return;
    }
    if (way == PADDED && is_sealed) {
        content[length] = type;
        memcpy(content + length + 1, zeros, sizeof zeros);
        tls_session_feed(game->victim->session, forger_seal(&game->forger, 23, 0x0303, content,
                                                            length + 1 + sizeof zeros));
        return;
    }
    feed(game, is_sealed, type, content, way == CUT ? length - 1 : length + more);
    if (way == TWICE)
        feed(game, is_sealed, type, content, length);
}

/* Passes the peer's flight on, one record of it spoilt. False: it has fewer records. */
static bool pass_flight(struct game *game, const struct attack *attack)
{
    static uint8_t flight[60000], content[20000];
    size_t size = 0, place = 0;
    for (struct message *m; (m = message_queue_pop(&game->peer->sent)); message_free(m)) {
        must(size + m->length <= sizeof flight);
        memcpy(flight + size, m->data, m->length);
        size += m->length;
    }
    struct forger taker;
    forger_open(&taker, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_SHA256, secret.bytes, secret.size);
    forger_open(&game->forger, taker.cipher, taker.hash, secret.bytes, secret.size);
    for (size_t at = 0, length; at < size; at += length, place++) {
        length = 5 + (size_t)(flight[at + 3] << 8 | flight[at + 4]);
        bool is_sealed = flight[at] == 23;
        uint8_t type = flight[at];
        size_t inner = length - 5;
        if (is_sealed) {
            inner = forger_take(&taker, flight + at, length, content);
            type = content[--inner];
        } else {
            memcpy(content, flight + at + 5, inner);
        }
        feed_spoilt(game, is_sealed, type, content, inner,
                    place == attack->place ? attack->way : WHOLE);
    }
    forger_close(&taker);
    forger_close(&game->forger);
    return attack->place < place;
}

/* Both ends go on as far as they get; the peer says something under the first keys. */
static enum err go_on(struct game *game)
{
    const uint8_t *data;
    size_t length;
    enum err result = tls_session_handshake(game->victim->session);
    deliver(game->victim, game->peer);
    if (tls_session_handshake(game->peer->session) != ERR_OK)
        return result;
    if (gnutls_record_send(game->peer->session->gnutls, "first", 5) == 5)
        deliver(game->peer, game->victim);
    if (result == ERR_AGAIN)
        result = tls_session_handshake(game->victim->session);
    if (result == ERR_OK)
        while (tls_session_read(game->victim->session, &data, &length) == ERR_OK)
            ;
    return result;
}

static bool play(struct bed *bed, const struct attack *attack, enum err *result, int *alert)
{
    struct game game;
    start(&game, bed, attack);
    play_up_to_flight(&game);
    bool is_there = pass_flight(&game, attack);
    *result = go_on(&game);
    *alert = game.victim->session->alert;
    free_pair(&game.pair);
    return is_there;
}

static size_t in_use(void)
{
    message_cache_clear();
    return mallinfo2().uordblks;
}

/* Bytes that each repetition leaves: what only some rounds leave is the allocator's. 0 also
 * where another allocator does not count; sanitizers and valgrind say it themselves. */
static size_t left_behind(void (*what)(struct bed *bed, const void *how), struct bed *bed,
                          const void *how)
{
    size_t least = SIZE_MAX;
    for (int round = 0; round < 40 && least; round++) {
        size_t before = in_use();
        for (int i = 0; i < 2; i++)
            what(bed, how);
        size_t after = in_use(), left = after > before ? (after - before) / 2 : 0;
        least = left < least ? left : least;
    }
    return least;
}

static void play_again(struct bed *bed, const void *how)
{
    enum err result;
    int alert;
    play(bed, how, &result, &alert);
}

/* The last record of each flight has Finished at its end. */
static void test_behind_finished(struct bed *bed, struct attack attack, size_t places,
                                 const char *who)
{
    enum err result;
    int alert;
    attack.place = places - 1;
    must(play(bed, &attack, &result, &alert));
    ok(result == ERR_TLS_HANDSHAKE && alert == GNUTLS_A_UNEXPECTED_MESSAGE,
       "%s: %s of Finished is refused with unexpected_message", who, way_names[attack.way]);
}

static void test_flight(struct bed *bed, bool of_master, bool by_client)
{
    char who[32];
    snprintf(who, sizeof who, "%s of a %s", of_master ? "master" : "child",
             by_client ? "client" : "server");
    for (int way = WHOLE; way < WAYS; way++) {
        struct attack attack = {of_master, by_client, 0, (enum way)way, false};
        size_t leaked = 0, unfit = 0;
        enum err result;
        int alert;
        for (; play(bed, &attack, &result, &alert); attack.place++) {
            unfit += way == WHOLE && result != ERR_OK;
            leaked += left_behind(play_again, bed, &attack);
        }
        ok(!leaked && !unfit, "%s, %s, at %zu places: nothing is left behind (%zu bytes)", who,
           way_names[way], attack.place, leaked);
        if (way == MESSAGE || way == PIECE || way == LONG_PIECE)
            test_behind_finished(bed, attack, attack.place, who);
    }
}

/* The same by somebody who has no certificate, and so may come as often as he wants. */
static void test_stranger(struct bed *bed)
{
    enum err result;
    int alert;
    must(gnutls_certificate_allocate_credentials(&nothing) == 0);
    for (int way = WHOLE; way < WAYS; way++) {
        struct attack attack = {true, true, 0, (enum way)way, true};
        size_t leaked = 0, taken = 0;
        for (; play(bed, &attack, &result, &alert); attack.place++) {
            taken += result == ERR_OK;
            leaked += left_behind(play_again, bed, &attack);
        }
        ok(!leaked && !taken && attack.place,
           "a stranger's master, %s, at %zu places: refused, nothing is left behind (%zu bytes)",
           way_names[way], attack.place, leaked);
    }
    gnutls_certificate_free_credentials(nothing);
}

/* ---- the first record of all, which needs no key ---- */

static void play_hello(struct bed *bed, const void *how)
{
    const struct attack *attack = how;
    static uint8_t content[20000];
    struct game game;
    start(&game, bed, attack);
    must(tls_session_handshake(game.peer->session) == ERR_AGAIN);
    struct message *hello = message_queue_pop(&game.peer->sent);
    memcpy(content, hello->data + 5, hello->length - 5);
    feed_spoilt(&game, false, hello->data[0], content, hello->length - 5, attack->way);
    message_free(hello);
    for (int i = 0; i < 2; i++) {
        tls_session_handshake(game.victim->session);
        deliver(game.victim, game.peer);
        tls_session_handshake(game.peer->session);
        deliver(game.peer, game.victim);
    }
    free_pair(&game.pair);
}

static void test_hello(struct bed *bed, bool of_master)
{
    for (int way = WHOLE; way < WAYS; way++) {
        struct attack attack = {of_master, true, 0, (enum way)way, false};
        size_t leaked = left_behind(play_hello, bed, &attack);
        ok(!leaked, "ClientHello of a %s, %s: nothing is left behind (%zu bytes)",
           of_master ? "master" : "child", way_names[way], leaked);
    }
}

/* ---- after the handshake, to a session that GnuTLS carries ---- */

static const struct later {
    uint8_t type;
    const char *bytes;
    size_t length;
    const char *what;
} laters[] = {
    {22, "\x18\0\0\1\0", 5, "a KeyUpdate, and data under the old keys"},
    {22, "\x18\0\0\1\0\x18\0\0\1\0", 10, "two KeyUpdates in a record"},
    {22, "\x18\0\0\1\0\x18\0", 7, "a KeyUpdate and a piece of another"},
    {22, "\x18\0\0\1\0\x18\0\0\1", 9, "a KeyUpdate and most of another"},
    {22, "\x18\0", 2, "a piece of a header"},
    {22, "\x18\0\0\1", 4, "a header"},
    {22, "\x04\0\4\0ticket", 10, "a piece of a ticket"},
    {22, "\x0d\0\0\1x", 5, "a CertificateRequest"},
    {22, "\x01\0\0\1x", 5, "a ClientHello"},
    {22, "\x63\0\0\1x", 5, "an unknown message"},
    {22, "", 0, "an empty handshake record"},
    {21, "\1", 1, "half an alert"},
    {21, "", 0, "an empty alert"},
    {20, "\1", 1, "a ChangeCipherSpec"},
    {24, "\1\0\1x", 4, "a heartbeat"},
    {99, "x", 1, "an unknown type"},
};
#define LATERS (sizeof laters / sizeof laters[0])

struct later_attack {
    struct attack attack;
    const struct later *later;
};

static void play_later(struct bed *bed, const void *how)
{
    const struct later_attack *later_attack = how;
    const struct later *later = later_attack->later;
    struct game game;
    const uint8_t *data;
    uint8_t sequence[8];
    size_t length;
    start(&game, bed, &later_attack->attack);
    if (!later_attack->attack.of_master)
        leave_to_gnutls(game.victim->session);
    must(shake(&game.pair));
    must(gnutls_record_get_state(game.peer->session->gnutls, 0, NULL, NULL, NULL, sequence) == 0);
    struct wire_reader reader = wire_reader(sequence, sizeof sequence);
    forger_open(&game.forger, GNUTLS_CIPHER_AES_128_GCM, GNUTLS_MAC_SHA256, later_secret.bytes,
                later_secret.size);
    game.forger.sequence = wire_get_u64(&reader);
    feed(&game, true, later->type, (const uint8_t *)later->bytes, later->length);
    feed(&game, true, 23, (const uint8_t *)"data", 4);
    feed(&game, true, 22, (const uint8_t *)"\x18\0\0\1\0", 5);
    while (tls_session_read(game.victim->session, &data, &length) == ERR_OK)
        ;
    forger_close(&game.forger);
    free_pair(&game.pair);
}

static void test_later(struct bed *bed, bool of_master, bool by_client)
{
    for (size_t i = 0; i < LATERS; i++) {
        struct later_attack how = {{of_master, by_client, 0, WHOLE, false}, &laters[i]};
        size_t leaked = left_behind(play_later, bed, &how);
        ok(!leaked, "from the %s of a %s, %s: nothing is left behind (%zu bytes)",
           of_master ? "master" : "child", by_client ? "client" : "server", laters[i].what, leaked);
    }
}

int main(void)
{
    struct bed bed;
    make_certificates();
    open_bed(&bed, "AES-128-GCM");
    test_stranger(&bed);
    test_hello(&bed, false);
    test_hello(&bed, true);
    for (int i = 0; i < 4; i++)
        test_flight(&bed, i & 1, i & 2);
    for (int i = 0; i < 4; i++)
        test_later(&bed, i & 1, i & 2);
    close_bed(&bed);
    message_cache_clear();
    return tap_done();
}
