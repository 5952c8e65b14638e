/* A peer that has the keys sends what no TLS library would, and what the RFC allows: our records
 * say to each what RFC 8446 says, and, but where it is noted, the same as GnuTLS. SEED repeats a
 * run, TIMES lengthens it. */
#include "tests/unit/tls/twin.h"

#define ROOM ((size_t)400000)

enum { DATA = 23, HANDSHAKE = 22, ALERT = 21, CHANGE = 20 };

/* A record, as it is being made. */
struct craft {
    uint8_t header_type, type;
    uint16_t version;
    bool is_clear;      /* not sealed */
    bool updates;       /* the peer has other keys behind it */
    size_t size, zeros; /* of content, and of what follows its type */
    uint8_t content[20000];
};

static void add(struct craft *craft, const void *bytes, size_t size)
{
    must(craft->size + size <= sizeof craft->content);
    memcpy(craft->content + craft->size, bytes, size);
    craft->size += size;
}

static void add_message(struct craft *craft, uint8_t type, const void *body, size_t size)
{
    uint8_t header[4] = {type, 0, (uint8_t)(size >> 8), (uint8_t)size};
    craft->type = HANDSHAKE;
    add(craft, header, sizeof header);
    add(craft, body, size);
}

static void add_update(struct craft *craft, uint8_t asks)
{
    add_message(craft, 24, &asks, 1);
    craft->updates = true;
}

static void add_ticket(struct craft *craft, size_t size)
{
    uint8_t body[2100] = {0, 0, 14, 16, 0, 0, 0, 0, 2, 0, 1};
    body[11] = (uint8_t)(size >> 8);
    body[12] = (uint8_t)size;
    must(13 + size + 2 <= sizeof body);
    memset(body + 13, 7, size);
    add_message(craft, 4, body, 13 + size + 2);
}

static void data(struct craft *craft)
{
    add(craft, random_payload(random_next()), 1 + random_below(500));
    craft->zeros = random_one_in(8) ? random_below(60) : 0;
}

static void data_whole(struct craft *craft)
{
    add(craft, random_payload(random_next()), 16384);
}

static void data_padded(struct craft *craft)
{
    add(craft, random_payload(random_next()), 1 + random_below(16000));
    craft->zeros = 16384 - craft->size;
}

static void data_padded_more(struct craft *craft)
{
    data_padded(craft);
    craft->zeros += 1 + random_below(200);
}

static void data_long(struct craft *craft)
{
    add(craft, random_payload(random_next()), 16384);
    add(craft, "x", 1);
}

static void data_empty(struct craft *craft)
{
    craft->zeros = random_one_in(2) ? random_below(300) : 0;
}

static void zeros(struct craft *craft)
{
    craft->type = 0;
    craft->zeros = random_below(100);
}

static void update(struct craft *craft)
{
    add_update(craft, 0);
}

static void update_asking(struct craft *craft)
{
    add_update(craft, 1);
}

static void update_wrong(struct craft *craft)
{
    add_update(craft, (uint8_t)(2 + random_below(254)));
}

static void update_twice(struct craft *craft)
{
    add_update(craft, 0);
    add_update(craft, 0);
}

static void update_long(struct craft *craft)
{
    add_message(craft, 24, "\0\0", 2);
}

static void update_and_piece(struct craft *craft)
{
    add_update(craft, 0);
    add(craft, "\x18\0", 2);
}

static void tickets(struct craft *craft)
{
    for (size_t left = 1 + random_below(3); left--;)
        add_ticket(craft, 1 + random_below(2000));
}

static void tickets_and_update(struct craft *craft)
{
    add_ticket(craft, 1 + random_below(200));
    add_update(craft, 0);
}

static void ticket_piece(struct craft *craft)
{
    add_ticket(craft, 50 + random_below(500));
    craft->size -= 1 + random_below(craft->size - 1);
}

static void other_message(struct craft *craft)
{
    static const uint8_t types[] = {0, 1, 2, 5, 8, 11, 13, 14, 15, 16, 20, 25, 67, 254, 255};
    add_message(craft, types[random_below(sizeof types)], random_payload(random_next()),
                random_below(40));
}

static void message_empty(struct craft *craft)
{
    craft->type = HANDSHAKE;
    craft->zeros = random_one_in(2) ? 5 : 0;
}

static void alert(struct craft *craft)
{
    static const uint8_t numbers[] = {10, 20, 22, 40, 42, 47, 50, 80, 86, 109, 116, 120, 200};
    uint8_t bytes[2] = {(uint8_t)(1 + random_below(2)), numbers[random_below(sizeof numbers)]};
    craft->type = ALERT;
    add(craft, bytes, sizeof bytes);
}

static void alert_close(struct craft *craft)
{
    craft->type = ALERT;
    add(craft, "\1\0", 2);
}

static void alert_close_fatal(struct craft *craft)
{
    craft->type = ALERT;
    add(craft, "\2\0", 2);
}

static void alert_cancel(struct craft *craft)
{
    craft->type = ALERT;
    add(craft, "\1\x5a", 2);
}

static void alert_half(struct craft *craft)
{
    craft->type = ALERT;
    add(craft, "\2", 1);
}

static void alert_long(struct craft *craft)
{
    craft->type = ALERT;
    add(craft, "\1\0\1\0\1", 3 + random_below(3));
}

static void alert_empty(struct craft *craft)
{
    craft->type = ALERT;
}

static void change_sealed(struct craft *craft)
{
    craft->type = CHANGE;
    add(craft, "\1", 1);
}

static void type_unknown(struct craft *craft)
{
    craft->type = (uint8_t)(24 + random_below(232));
    add(craft, "x", 1);
}

static void header_other(struct craft *craft)
{
    craft->header_type = (uint8_t)(20 + random_below(3));
    add(craft, "x", 1);
}

static void version_other(struct craft *craft)
{
    craft->version = (uint16_t)(random_below(0x300));
    add(craft, "x", 1);
}

static void change_clear(struct craft *craft)
{
    craft->is_clear = true;
    craft->header_type = CHANGE;
    add(craft, "\1", 1);
}

static void data_clear(struct craft *craft)
{
    craft->is_clear = true;
    add(craft, random_payload(random_next()), 17 + random_below(300));
}

static void alert_clear(struct craft *craft)
{
    craft->is_clear = true;
    craft->header_type = ALERT;
    add(craft, "\1\0", 2);
}

/* The verdict of our records: an alert that the peer gets, or one of these. */
enum { GOES_ON = 1000, CLOSES, ENDS /* by the peer's alert */ };

/* For what the two differ in: GnuTLS is told, but not asked. */
enum comparison { SAME, OTHER_ALERT, DIFFERS };

static const struct kind {
    void (*make)(struct craft *craft);
    const char *what;
    int at_client, at_server;
    enum comparison comparison;
} kinds[] = {
    {data, "data", GOES_ON, GOES_ON, SAME},
    {data_whole, "2^14 bytes", GOES_ON, GOES_ON, SAME},
    {data_padded, "data, padded to 2^14 bytes", GOES_ON, GOES_ON, SAME},
    {data_padded_more, "data, padded to more", 22, 22, SAME},
    {data_long, "more than 2^14 bytes", 22, 22, SAME},
    {data_empty, "no data, padded or not", GOES_ON, GOES_ON, SAME},
    {zeros, "padding alone", 10, 10, OTHER_ALERT},
    {update, "KeyUpdate", GOES_ON, GOES_ON, SAME},
    {update_asking, "KeyUpdate that asks for ours", GOES_ON, GOES_ON, SAME},
    {update_wrong, "KeyUpdate that asks for something else", 47, 47, SAME},
    /* RFC 8446 section 5.1: keys change at the end of a record. */
    {update_twice, "two KeyUpdates in a record", 10, 10, DIFFERS},
    {update_and_piece, "KeyUpdate with a piece of another behind it", 10, 10, DIFFERS},
    {update_long, "a long KeyUpdate", 10, 10, OTHER_ALERT},
    {tickets, "tickets", GOES_ON, 10, SAME},
    {tickets_and_update, "tickets and KeyUpdate", GOES_ON, 10, SAME},
    {ticket_piece, "a piece of a ticket", 10, 10, DIFFERS}, /* docs/PROTOCOL.md, T7 */
    {other_message, "another handshake message", 10, 10, OTHER_ALERT},
    {message_empty, "a handshake record without message", 10, 10, DIFFERS}, /* section 5.1 */
    {alert, "an alert", ENDS, ENDS, SAME},
    {alert_close, "close_notify", CLOSES, CLOSES, SAME},
    {alert_close_fatal, "close_notify, fatal", CLOSES, CLOSES, DIFFERS}, /* section 6: no level */
    {alert_cancel, "user_canceled", GOES_ON, GOES_ON, DIFFERS},          /* close_notify follows */
    {alert_half, "half an alert", 50, 50, OTHER_ALERT},
    {alert_long, "an alert and more", 50, 50, DIFFERS},
    {alert_empty, "an empty alert", 10, 10, SAME},
    {change_sealed, "a sealed ChangeCipherSpec", 10, 10, SAME},
    {type_unknown, "an unknown type", 10, 10, SAME},
    {header_other, "another type in the header", 10, 10, OTHER_ALERT},
    {version_other, "another version in the header", GOES_ON, GOES_ON, DIFFERS},
    {change_clear, "ChangeCipherSpec in the clear", 10, 10, SAME},
    {data_clear, "data in the clear", 20, 20, SAME},
    {alert_clear, "close_notify in the clear", 10, 10, OTHER_ALERT},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static struct {
    size_t tried[2], wrong[2];
} count[KINDS];

static void send_craft(struct twin *twin, struct forger *forger, struct craft *craft)
{
    struct message *message;
    if (craft->is_clear) {
        message = message_new(5 + craft->size);
        struct wire_writer writer = wire_writer(message->data, 5 + craft->size);
        wire_put_u8(&writer, craft->header_type);
        wire_put_u16(&writer, craft->version);
        wire_put_u16(&writer, craft->size);
        wire_put_bytes(&writer, craft->content, craft->size);
        message->length = (uint32_t)(5 + craft->size);
    } else {
        add(craft, &craft->type, 1);
        must(craft->size + craft->zeros <= sizeof craft->content);
        memset(craft->content + craft->size, 0, craft->zeros);
        message = forger_seal(forger, craft->header_type, craft->version, craft->content,
                              craft->size + craft->zeros);
    }
    if (craft->updates)
        forger_update(forger);
    twin_feed(twin, message->data, message->length);
    message_free(message);
}

static int verdict(const struct outcome *outcome)
{
    return outcome->end == TWIN_LIVES    ? GOES_ON
           : outcome->end == TWIN_CLOSED ? CLOSES
           : outcome->alert              ? outcome->alert
                                         : ENDS;
}

static bool is_like_gnutls(const struct kind *kind, const struct outcome *ours,
                           const struct outcome *gnutls)
{
    if (kind->comparison == DIFFERS)
        return true;
    return ours->end == gnutls->end && ours->size == gnutls->size &&
           memcmp(ours->data, gnutls->data, ours->size) == 0 &&
           (kind->comparison == OTHER_ALERT || ours->alert == gnutls->alert);
}

/* One record after the other, until a session has ended or the two have parted. */
static void converse(struct twin *twin, struct forger *forger, bool ours_is_server)
{
    static uint8_t results[2][ROOM];
    static struct craft craft;
    struct outcome ours = {.data = results[0], .room = ROOM},
                   gnutls = {.data = results[1], .room = ROOM};
    for (size_t left = 1 + random_below(6); left--;) {
        size_t number = random_below(random_one_in(2) ? KINDS : 3);
        const struct kind *kind = &kinds[number];
        craft = (struct craft){.header_type = DATA, .type = DATA, .version = 0x0303};
        kind->make(&craft);
        send_craft(twin, forger, &craft);
        twin_read_ours(twin, &ours);
        twin_read_gnutls(twin, &gnutls);
        count[number].tried[ours_is_server]++;
        count[number].wrong[ours_is_server] +=
            verdict(&ours) != (ours_is_server ? kind->at_server : kind->at_client) ||
            !is_like_gnutls(kind, &ours, &gnutls);
        if (ours.end != TWIN_LIVES || kind->comparison == DIFFERS)
            break;
    }
}

static void attack(struct bed *bed, bool ours_is_server)
{
    static struct twin twin;
    struct forger forger;
    twin_open(&twin, bed, ours_is_server);
    const struct tls_record *record = &twin.mixed.ours->session->established->record;
    forger_open(&forger, (gnutls_cipher_algorithm_t)record->cipher,
                (gnutls_mac_algorithm_t)record->hash, record->in.secret, record->secret_size);
    forger.sequence = record->in.sequence;
    converse(&twin, &forger, ours_is_server);
    forger_close(&forger);
    twin_close(&twin);
}

int main(void)
{
    make_certificates();
    random_begin();
    for (size_t i = 0; i < CIPHERS; i++) {
        struct bed bed;
        open_bed(&bed, ciphers[i]);
        for (size_t left = random_times(300); left--;) {
            twin_renew(&bed, ciphers[i]);
            attack(&bed, random_one_in(2));
        }
        close_bed(&bed);
    }
    for (size_t i = 0; i < KINDS; i++)
        ok(!count[i].wrong[0] && !count[i].wrong[1],
           "%s: %zu times at a client, %zu at a server, wrong %zu and %zu", kinds[i].what,
           count[i].tried[0], count[i].tried[1], count[i].wrong[0], count[i].wrong[1]);
    message_cache_clear();
    return tap_done();
}
