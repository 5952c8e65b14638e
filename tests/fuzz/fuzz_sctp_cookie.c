/* State cookies. Any bytes are none of ours. One that was sealed comes out as it went in, as long
 * as its secret and its life last, and with any change of it, of where it came from or of the
 * header it is refused: nobody makes a MAC by chance. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BEGIN_US UINT64_C(4000000000) /* the time in a cookie wraps soon */

static void draw(void *context, void *bytes, size_t length)
{
    uint64_t *state = context;
    for (uint8_t *at = bytes; length--; at++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        *at = (uint8_t)(*state >> 33);
    }
}

static struct sctp_cookie cookie_from(struct wire_reader *reader)
{
    struct sctp_cookie cookie = {0};
    uint8_t flags = wire_get_u8(reader);
    cookie.peer_tag = wire_get_u32(reader);
    cookie.peer_tsn = wire_get_u32(reader);
    cookie.peer_window = wire_get_u32(reader);
    cookie.streams_out = wire_get_u16(reader);
    cookie.streams_in = wire_get_u16(reader);
    cookie.own_port = wire_get_u16(reader);
    cookie.peer_port = wire_get_u16(reader);
    cookie.peer_is_hawser = flags & 1;
    cookie.is_kept = flags & 2;
    cookie.own_tag = flags & 2 ? wire_get_u32(reader) : 0;
    cookie.tie = flags & 4 ? wire_get_u64(reader) : 0;
    size_t auth = flags & 8 ? wire_get_u8(reader) : 0;
    cookie.peer_auth_length = auth < SCTP_AUTH_PARAMETERS_MAX ? auth : SCTP_AUTH_PARAMETERS_MAX;
    const uint8_t *bytes = wire_get_bytes(reader, cookie.peer_auth_length);
    if (bytes)
        memcpy(cookie.peer_auth, bytes, cookie.peer_auth_length);
    return cookie;
}

static void must_be_same(const struct sctp_cookie *a, const struct sctp_cookie *b)
{
    must(a->made_us == b->made_us && a->own_tag == b->own_tag && a->peer_tag == b->peer_tag &&
         a->peer_tsn == b->peer_tsn && a->peer_window == b->peer_window &&
         a->streams_out == b->streams_out && a->streams_in == b->streams_in &&
         a->own_port == b->own_port && a->peer_port == b->peer_port &&
         a->peer_is_hawser == b->peer_is_hawser && a->is_kept == b->is_kept && a->tie == b->tie);
    must(a->peer_auth_length == b->peer_auth_length &&
         !memcmp(a->peer_auth, b->peer_auth, a->peer_auth_length));
    must(a->is_kept || a->own_tsn == b->own_tsn);
    must(a->is_kept || !a->peer_auth_length || !memcmp(a->random, b->random, sizeof a->random));
}

/* Changes a byte of one of several things. True: it is another one now. */
static bool change(struct wire_reader *reader, uint8_t *cookie, size_t length, uint8_t *origin,
                   struct sctp_header *header)
{
    uint8_t which = wire_get_u8(reader), at = wire_get_u8(reader), by = wire_get_u8(reader);
    if (which % 4 == 0)
        return false;
    if (which % 4 == 1)
        cookie[at % length] ^= by;
    else if (which % 4 == 2)
        origin[at % 8] ^= by;
    else
        ((uint8_t *)header)[at % sizeof *header] ^= by;
    return by != 0;
}

/* An exact copy, so that a sanitizer sees a read beyond it. */
static enum sctp_cookie_result open_copy(struct sctp_cookie_secrets *secrets, uint64_t now_us,
                                         const struct sctp_origin *origin,
                                         const struct sctp_header *header, const uint8_t *bytes,
                                         size_t length, struct sctp_cookie *cookie,
                                         uint32_t *stale_us)
{
    uint8_t *copy = malloc(length ? length : 1);
    must(copy);
    if (length)
        memcpy(copy, bytes, length);
    enum sctp_cookie_result result =
        sctp_cookie_open(secrets, now_us, origin, header, copy, length, cookie, stale_us);
    free(copy);
    return result;
}

static void sealed_one(struct sctp_cookie_secrets *secrets, struct wire_reader *reader)
{
    uint8_t bytes[SCTP_COOKIE_MAX], from[8] = "origin";
    const struct sctp_origin origin = {from, sizeof from};
    struct sctp_cookie made = cookie_from(reader), opened;
    uint32_t stale_us = 0;
    uint64_t now_us = BEGIN_US + wire_get_u32(reader) % SCTP_SECRET_US;
    sctp_cookie_secrets_renew(secrets, now_us);
    size_t length = sctp_cookie_seal(secrets, now_us, &origin, &made, bytes);
    must(length <= sizeof bytes && length % 4 == 0);
    struct sctp_header header = {made.peer_port, made.own_port, made.own_tag};
    bool changed = change(reader, bytes, length, from, &header);
    size_t cut = wire_get_u8(reader) % 8 ? 0 : wire_get_u8(reader) % (length + 1);
    uint64_t age = wire_get_u32(reader) % 200000000;
    sctp_cookie_secrets_renew(secrets, now_us + age);
    enum sctp_cookie_result result =
        open_copy(secrets, now_us + age, &origin, &header, bytes, length - cut, &opened, &stale_us);
    if (changed || cut) {
        must(result == SCTP_COOKIE_BAD);
    } else if (age <= SCTP_COOKIE_LIFE_US) {
        must(result == SCTP_COOKIE_GOOD);
        must_be_same(&opened, &made);
    } else if (result == SCTP_COOKIE_STALE) {
        must(stale_us == age - SCTP_COOKIE_LIFE_US && age < 2 * (uint64_t)SCTP_SECRET_US);
        must_be_same(&opened, &made);
    } else {
        must(result == SCTP_COOKIE_BAD && age >= SCTP_SECRET_US);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t chance = 1;
    struct sctp_options options = {.random = draw, .random_context = &chance};
    struct sctp_cookie_secrets *secrets = sctp_cookie_secrets_new(&options, BEGIN_US);
    const struct sctp_origin origin = {"origin", 6};
    const struct sctp_header header = {1, 2, 3};
    struct sctp_cookie opened;
    struct wire_reader reader = wire_reader(data, size);
    uint32_t stale_us;
    must(open_copy(secrets, BEGIN_US, &origin, &header, data, size, &opened, &stale_us) ==
         SCTP_COOKIE_BAD);
    sealed_one(secrets, &reader);
    sctp_cookie_secrets_free(secrets);
    return 0;
}
