/* State cookies: sealed, opened, and the secrets that do it. */
#include "sctp/cookie.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdlib.h>

#include "base/check.h"

/* In the first byte. The last bit of the secret's generation says which one sealed it. */
#define FLAG_NEW  0x01
#define FLAG_OURS 0x02 /* the peer is one of ours */
#define FLAG_TIED 0x04
#define FLAG_KEPT 0x08

#define MAC        16
#define ORIGIN_MAX 64

/* Each purpose has texts of its own, so that no MAC serves two of them. */
enum purpose { FOR_MAC = 'M', FOR_TAG = 'T', FOR_RANDOM = 'R', FOR_TIE = 'J', FOR_KEY = 'K' };

struct sctp_cookie_secrets {
    struct hmac_sha256_ctx keys[2]; /* by the last bit of the generation */
    struct hmac_sha256_ctx tie_key;
    uint64_t made_us; /* the present one */
    unsigned generation;
    void (*random)(void *context, void *bytes, size_t length);
    void *random_context;
    struct sctp_sharing sharing;
    unsigned turn; /* of the next tag */
};

/* A shared secret is derived from its number, the same at all listeners. */
static void draw(struct sctp_cookie_secrets *self, struct hmac_sha256_ctx *key,
                 enum purpose purpose, unsigned number)
{
    uint8_t bytes[SCTP_SECRET_SIZE];
    if (self->sharing.count) {
        const uint8_t text[] = {purpose, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                (uint8_t)(number >> 8), (uint8_t)number};
        hmac_sha256_set_key(key, sizeof self->sharing.secret, self->sharing.secret);
        hmac_sha256_update(key, sizeof text, text);
        hmac_sha256_digest(key, sizeof bytes, bytes);
    } else {
        self->random(self->random_context, bytes, sizeof bytes);
    }
    hmac_sha256_set_key(key, sizeof bytes, bytes);
    explicit_bzero(bytes, sizeof bytes);
}

/* Shared secrets follow the time, which all listeners read from one clock. */
static void draw_shared(struct sctp_cookie_secrets *self, uint64_t now_us)
{
    self->generation = (unsigned)(now_us / SCTP_SECRET_US);
    self->made_us = now_us - now_us % SCTP_SECRET_US;
    for (unsigned i = 0; i < 2; i++)
        draw(self, &self->keys[(self->generation - i) & 1], FOR_KEY, self->generation - i);
}

struct sctp_cookie_secrets *sctp_cookie_secrets_new(const struct sctp_options *options,
                                                    uint64_t now_us)
{
    struct sctp_cookie_secrets *self = check_alloc(sizeof *self);
    self->random = options->random;
    self->random_context = options->random_context;
    self->sharing = options->sharing;
    self->turn = options->sharing.index;
    self->made_us = now_us;
    if (self->sharing.count) {
        draw_shared(self, now_us);
    } else {
        draw(self, &self->keys[0], FOR_KEY, 0);
        draw(self, &self->keys[1], FOR_KEY, 1);
    }
    draw(self, &self->tie_key, FOR_TIE, 0);
    return self;
}

void sctp_cookie_secrets_free(struct sctp_cookie_secrets *self)
{
    if (self)
        explicit_bzero(self, sizeof *self);
    free(self);
}

/* After a pause of two lives the one before is too old, too. */
void sctp_cookie_secrets_renew(struct sctp_cookie_secrets *self, uint64_t now_us)
{
    uint64_t age = now_us - self->made_us;
    if (age < SCTP_SECRET_US)
        return;
    if (self->sharing.count) {
        draw_shared(self, now_us);
        return;
    }
    if (age >= 2 * (uint64_t)SCTP_SECRET_US)
        draw(self, &self->keys[self->generation & 1], FOR_KEY, 0);
    draw(self, &self->keys[++self->generation & 1], FOR_KEY, 0);
    self->made_us = now_us;
}

/* ---- MACs and numbers from a secret ---- */

/* The text of a MAC: origin and ports, to which a cookie is bound, then more. */
struct text {
    uint8_t bytes[32 + ORIGIN_MAX + SCTP_COOKIE_MAX];
    struct wire_writer writer;
};

static void text_begin(struct text *text, enum purpose purpose, const struct sctp_origin *origin,
                       const struct sctp_cookie *cookie)
{
    must(origin->length <= ORIGIN_MAX);
    text->writer = wire_writer(text->bytes, sizeof text->bytes);
    wire_put_u8(&text->writer, purpose);
    wire_put_u8(&text->writer, origin->length);
    wire_put_u16(&text->writer, cookie->own_port);
    wire_put_u16(&text->writer, cookie->peer_port);
    wire_put_bytes(&text->writer, origin->bytes, origin->length);
}

static void text_sum(struct text *text, struct hmac_sha256_ctx *key, size_t length, uint8_t *sum)
{
    must(!text->writer.overrun);
    hmac_sha256_update(key, (size_t)(text->writer.at - text->bytes), text->bytes);
    hmac_sha256_digest(key, length, sum);
}

static void make_mac(struct hmac_sha256_ctx *key, const struct sctp_origin *origin,
                     const struct sctp_cookie *cookie, const uint8_t *body, size_t length,
                     uint8_t mac[static MAC])
{
    struct text text;
    text_begin(&text, FOR_MAC, origin, cookie);
    wire_put_u32(&text.writer, cookie->own_tag);
    wire_put_bytes(&text.writer, body, length);
    text_sum(&text, key, MAC, mac);
}

static void derive(struct hmac_sha256_ctx *key, enum purpose purpose,
                   const struct sctp_origin *origin, const struct sctp_cookie *cookie,
                   size_t length, uint8_t *sum)
{
    struct text text;
    text_begin(&text, purpose, origin, cookie);
    wire_put_u32(&text.writer, cookie->peer_tag);
    wire_put_u32(&text.writer, (uint32_t)cookie->made_us);
    wire_put_u64(&text.writer, cookie->tie); /* another tag than that of the one that exists */
    text_sum(&text, key, length, sum);
}

/* The fields of our INIT ACK that are not in the cookie. Returns the number that the tag is made
 * from. */
static uint32_t derive_own(struct hmac_sha256_ctx *key, const struct sctp_origin *origin,
                           struct sctp_cookie *cookie)
{
    uint8_t sum[8];
    derive(key, FOR_TAG, origin, cookie, sizeof sum, sum);
    cookie->own_tsn = sctp_wire_u32(sum + 4);
    if (cookie->peer_auth_length)
        derive(key, FOR_RANDOM, origin, cookie, SCTP_AUTH_RANDOM, cookie->random);
    return sctp_wire_u32(sum);
}

/* The nearest tag below that is a number of the listener whose turn it is, and not 0. */
static uint32_t take_turn(struct sctp_cookie_secrets *self, uint32_t tag)
{
    unsigned count = self->sharing.count;
    if (count > 1) {
        unsigned turn = self->turn++ % count;
        tag -= (tag % count + count - turn) % count;
        if (tag % count != turn) /* below 0, and round */
            tag = turn;
    }
    return tag ? tag : count > 1 ? count : 1;
}

uint64_t sctp_cookie_tie(struct sctp_cookie_secrets *self, uint32_t own_tag, uint32_t peer_tag)
{
    uint8_t text[9] = {FOR_TIE}, sum[8];
    struct wire_writer writer = wire_writer(text + 1, 8);
    wire_put_u32(&writer, own_tag);
    wire_put_u32(&writer, peer_tag);
    hmac_sha256_update(&self->tie_key, sizeof text, text);
    hmac_sha256_digest(&self->tie_key, sizeof sum, sum);
    struct wire_reader reader = wire_reader(sum, sizeof sum);
    uint64_t tie = wire_get_u64(&reader);
    return tie + (tie == 0);
}

/* ---- the cookie ---- */

static void put_body(struct wire_writer *writer, uint8_t flags, const struct sctp_cookie *cookie)
{
    static const uint8_t zeros[3];
    size_t auth = cookie->peer_auth_length;
    wire_put_u8(writer, flags);
    wire_put_u8(writer, auth);
    wire_put_u16(writer, 0);
    wire_put_u32(writer, (uint32_t)cookie->made_us);
    wire_put_u32(writer, cookie->peer_tag);
    wire_put_u32(writer, cookie->peer_tsn);
    wire_put_u32(writer, cookie->peer_window);
    wire_put_u16(writer, cookie->streams_out);
    wire_put_u16(writer, cookie->streams_in);
    if (flags & FLAG_TIED)
        wire_put_u64(writer, cookie->tie);
    wire_put_bytes(writer, cookie->peer_auth, auth);
    wire_put_bytes(writer, zeros, sctp_wire_padded(auth) - auth);
}

size_t sctp_cookie_seal(struct sctp_cookie_secrets *self, uint64_t now_us,
                        const struct sctp_origin *origin, struct sctp_cookie *cookie,
                        uint8_t out[static SCTP_COOKIE_MAX])
{
    struct hmac_sha256_ctx *key = &self->keys[self->generation & 1];
    must(cookie->peer_auth_length <= SCTP_AUTH_PARAMETERS_MAX);
    cookie->made_us = now_us;
    if (!cookie->is_kept)
        cookie->own_tag = take_turn(self, derive_own(key, origin, cookie));
    struct wire_writer writer = wire_writer(out, SCTP_COOKIE_MAX);
    put_body(&writer,
             (uint8_t)((self->generation & FLAG_NEW) | (cookie->peer_is_hawser ? FLAG_OURS : 0) |
                       (cookie->tie ? FLAG_TIED : 0) | (cookie->is_kept ? FLAG_KEPT : 0)),
             cookie);
    size_t length = (size_t)(writer.at - out);
    make_mac(key, origin, cookie, out, length, out + length);
    return length + MAC;
}

/* False: it is no cookie of ours. */
static bool read_body(const uint8_t *bytes, size_t length, uint64_t now_us,
                      struct sctp_cookie *cookie)
{
    struct wire_reader reader = wire_reader(bytes, length);
    uint8_t flags = wire_get_u8(&reader);
    size_t auth = wire_get_u8(&reader);
    wire_get_bytes(&reader, 2);
    cookie->made_us = now_us - (uint32_t)(now_us - wire_get_u32(&reader));
    cookie->peer_tag = wire_get_u32(&reader);
    cookie->peer_tsn = wire_get_u32(&reader);
    cookie->peer_window = wire_get_u32(&reader);
    cookie->streams_out = wire_get_u16(&reader);
    cookie->streams_in = wire_get_u16(&reader);
    cookie->tie = flags & FLAG_TIED ? wire_get_u64(&reader) : 0;
    cookie->peer_is_hawser = flags & FLAG_OURS;
    cookie->is_kept = flags & FLAG_KEPT;
    cookie->peer_auth_length = auth;
    const uint8_t *parameters = wire_get_bytes(&reader, sctp_wire_padded(auth));
    if (!parameters || wire_left(&reader) != MAC || auth > SCTP_AUTH_PARAMETERS_MAX)
        return false;
    memcpy(cookie->peer_auth, parameters, auth);
    return true;
}

enum sctp_cookie_result sctp_cookie_open(struct sctp_cookie_secrets *self, uint64_t now_us,
                                         const struct sctp_origin *origin,
                                         const struct sctp_header *header, const uint8_t *bytes,
                                         size_t length, struct sctp_cookie *cookie,
                                         uint32_t *stale_us)
{
    uint8_t mac[MAC];
    if (!read_body(bytes, length, now_us, cookie))
        return SCTP_COOKIE_BAD;
    struct hmac_sha256_ctx *key = &self->keys[bytes[0] & FLAG_NEW];
    cookie->own_port = header->destination;
    cookie->peer_port = header->source;
    cookie->own_tag = header->tag;
    make_mac(key, origin, cookie, bytes, length - MAC, mac);
    if (!memeql_sec(mac, bytes + length - MAC, MAC))
        return SCTP_COOKIE_BAD;
    if (!cookie->is_kept)
        derive_own(key, origin, cookie);
    uint64_t age = now_us - cookie->made_us;
    if (age <= SCTP_COOKIE_LIFE_US)
        return SCTP_COOKIE_GOOD;
    *stale_us = (uint32_t)(age - SCTP_COOKIE_LIFE_US);
    return SCTP_COOKIE_STALE;
}
