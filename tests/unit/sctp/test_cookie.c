/* State cookies: what is sealed comes out again, and nothing else does. */
#include "sctp/cookie.h"

#include <stdlib.h>

#include "tests/lib/tap.h"

#define SECOND UINT64_C(1000000)

static void draw(void *context, void *bytes, size_t length)
{
    uint32_t *state = context;
    for (uint8_t *at = bytes; length--; at++) {
        *state = *state * 1664525 + 1013904223;
        *at = (uint8_t)(*state >> 24);
    }
}

static uint32_t seed;

/* One listener, one INIT, and the packet that brings the cookie back. */
struct bed {
    uint32_t chance;
    struct sctp_options options;
    struct sctp_cookie_secrets *secrets;
    uint8_t from[18];
    struct sctp_origin origin;
    struct sctp_cookie made;
    struct sctp_header header;
    uint8_t bytes[SCTP_COOKIE_MAX];
    size_t length;
};

static void bed_open(struct bed *bed, uint64_t now_us)
{
    static const struct sctp_cookie asked = {
        .peer_tag = 0xfffffff0,
        .peer_tsn = 0xfffffffe,
        .peer_window = 0x01000000,
        .streams_out = 1024,
        .streams_in = 65535,
        .own_port = 9899,
        .peer_port = 5000,
    };
    *bed = (struct bed){.chance = seed, .made = asked};
    memcpy(bed->from, "192.0.2.1 to ours", sizeof bed->from);
    bed->origin = (struct sctp_origin){bed->from, sizeof bed->from};
    bed->options = (struct sctp_options){.random = draw, .random_context = &bed->chance};
    bed->secrets = sctp_cookie_secrets_new(&bed->options, now_us);
}

static void bed_close(struct bed *bed)
{
    sctp_cookie_secrets_free(bed->secrets);
}

static void seal(struct bed *bed, uint64_t now_us)
{
    bed->length = sctp_cookie_seal(bed->secrets, now_us, &bed->origin, &bed->made, bed->bytes);
    bed->header = (struct sctp_header){5000, 9899, bed->made.own_tag};
}

/* From an exact copy, so that a sanitizer sees a read beyond it. */
static enum sctp_cookie_result open_at(struct bed *bed, uint64_t now_us, struct sctp_cookie *cookie,
                                       uint32_t *stale_us)
{
    uint8_t *copy = malloc(bed->length ? bed->length : 1);
    memcpy(copy, bed->bytes, bed->length);
    enum sctp_cookie_result result = sctp_cookie_open(
        bed->secrets, now_us, &bed->origin, &bed->header, copy, bed->length, cookie, stale_us);
    free(copy);
    return result;
}

static enum sctp_cookie_result result_at(struct bed *bed, uint64_t now_us)
{
    struct sctp_cookie cookie;
    uint32_t stale_us;
    return open_at(bed, now_us, &cookie, &stale_us);
}

static bool same(const struct sctp_cookie *a, const struct sctp_cookie *b)
{
    return a->made_us == b->made_us && a->own_tag == b->own_tag && a->peer_tag == b->peer_tag &&
           a->peer_tsn == b->peer_tsn && a->peer_window == b->peer_window &&
           a->streams_out == b->streams_out && a->streams_in == b->streams_in &&
           a->own_port == b->own_port && a->peer_port == b->peer_port &&
           a->peer_is_hawser == b->peer_is_hawser && a->is_kept == b->is_kept && a->tie == b->tie &&
           a->peer_auth_length == b->peer_auth_length &&
           !memcmp(a->peer_auth, b->peer_auth, a->peer_auth_length);
}

/* ---- what comes out ---- */

static void whole(uint64_t now_us)
{
    unsigned wrong = 0, count = 0;
    for (unsigned mix = 0; mix < 8; mix++)
        for (size_t auth = 0; auth <= SCTP_AUTH_PARAMETERS_MAX; auth += auth < 60 ? 1 : 35) {
            struct bed bed;
            struct sctp_cookie opened;
            uint32_t stale_us;
            bed_open(&bed, now_us);
            bed.made.peer_is_hawser = mix & 1;
            bed.made.tie = mix & 2 ? UINT64_C(0x8000000000000001) : 0;
            bed.made.is_kept = mix & 4;
            bed.made.own_tag = mix & 4 ? 0xabcdef01 : 0;
            bed.made.peer_auth_length = auth;
            draw(&bed.chance, bed.made.peer_auth, auth);
            seal(&bed, now_us + 7);
            count++;
            wrong += bed.length != SCTP_COOKIE_LEAST + (mix & 2 ? SCTP_COOKIE_TIE : 0) +
                                       ((auth + 3) & ~(size_t)3);
            wrong += open_at(&bed, now_us + 1000, &opened, &stale_us) != SCTP_COOKIE_GOOD;
            wrong += !same(&opened, &bed.made) || !opened.own_tag;
            wrong += !opened.is_kept && opened.own_tsn != bed.made.own_tsn;
            wrong += auth && !opened.is_kept &&
                     memcmp(opened.random, bed.made.random, sizeof opened.random) != 0;
            bed_close(&bed);
        }
    ok(!wrong, "from %llx: %u cookies come out as they went in (%u wrong)",
       (unsigned long long)now_us, count, wrong);
}

static void sizes(void)
{
    struct bed bed;
    bed_open(&bed, SECOND);
    seal(&bed, SECOND);
    ok(bed.length == 40, "40 bytes");
    ok(bed.made.own_tag && bed.made.own_tag != bed.made.own_tsn, "and our tag and TSN");
    uint32_t tag = bed.made.own_tag, tsn = bed.made.own_tsn;
    seal(&bed, SECOND + 1);
    ok(bed.made.own_tag != tag && bed.made.own_tsn != tsn, "each time others");
    bed_close(&bed);
}

/* ---- what is refused ---- */

static unsigned flips_taken(struct bed *bed, uint8_t *bytes, size_t length)
{
    unsigned taken = 0;
    for (size_t bit = 0; bit < 8 * length; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += result_at(bed, 2 * SECOND) != SCTP_COOKIE_BAD;
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    return taken + (result_at(bed, 2 * SECOND) != SCTP_COOKIE_GOOD);
}

static void changed(size_t auth, uint64_t tie)
{
    struct bed bed;
    bed_open(&bed, SECOND);
    bed.made.peer_auth_length = auth;
    bed.made.tie = tie;
    seal(&bed, SECOND);
    ok(!flips_taken(&bed, bed.bytes, bed.length), "%zu bytes: no flipped bit of the cookie",
       bed.length);
    ok(!flips_taken(&bed, bed.from, sizeof bed.from), "nor of where it comes from");
    ok(!flips_taken(&bed, (uint8_t *)&bed.header, sizeof bed.header), "nor of ports and tag");
    bed.origin.length--;
    ok(result_at(&bed, SECOND) == SCTP_COOKIE_BAD, "nor a shorter origin");
    bed.origin.length++;
    unsigned taken = 0;
    for (size_t length = bed.length, cut = 0; cut < length; cut++) {
        bed.length = cut;
        taken += result_at(&bed, SECOND) != SCTP_COOKIE_BAD;
        bed.length = length;
    }
    ok(!taken, "nor a part of it");
    bed_close(&bed);
}

static void other_listener(void)
{
    struct bed one, two;
    bed_open(&one, SECOND);
    bed_open(&two, SECOND);
    sctp_cookie_secrets_free(two.secrets);
    two.secrets = sctp_cookie_secrets_new(&one.options, SECOND);
    seal(&one, SECOND);
    seal(&two, SECOND);
    ok(memcmp(one.bytes, two.bytes, one.length) != 0 && one.made.own_tag != two.made.own_tag,
       "two listeners seal with different secrets");
    memcpy(two.bytes, one.bytes, one.length);
    two.header = one.header;
    ok(result_at(&two, SECOND) == SCTP_COOKIE_BAD, "and refuse each other's");
    uint64_t tie = sctp_cookie_tie(one.secrets, 1, 2);
    ok(tie && tie == sctp_cookie_tie(one.secrets, 1, 2) &&
           tie != sctp_cookie_tie(one.secrets, 2, 1) && tie != sctp_cookie_tie(two.secrets, 1, 2),
       "ties are of an association and of a listener");
    bed_close(&one);
    bed_close(&two);
}

/* Three listeners of one address, of which each makes cookies for all. */
static void shared(uint64_t now_us)
{
    struct bed beds[3];
    unsigned wrong = 0, turns[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        bed_open(&beds[i], now_us);
        sctp_cookie_secrets_free(beds[i].secrets);
        beds[i].options.sharing =
            (struct sctp_sharing){.index = i, .count = 3, .secret = "of all three"};
        beds[i].secrets = sctp_cookie_secrets_new(&beds[i].options, now_us);
    }
    for (unsigned i = 0; i < 3; i++) {
        seal(&beds[i], now_us);
        wrong += beds[i].made.own_tag % 3 != i;
    }
    ok(!wrong, "the first tag of each is its own");
    for (unsigned n = 0; n < 300; n++) {
        struct bed *from = &beds[n % 2], *to = &beds[(n + 1) % 3];
        now_us += 1 + 700000 * (n % 3);
        for (unsigned i = 0; i < 3; i++)
            sctp_cookie_secrets_renew(beds[i].secrets, now_us);
        from->made.peer_tag = n;
        seal(from, now_us);
        turns[from->made.own_tag % 3]++;
        memcpy(to->bytes, from->bytes, from->length);
        to->length = from->length;
        to->header = from->header;
        wrong += !from->made.own_tag || result_at(to, now_us + SECOND) != SCTP_COOKIE_GOOD;
    }
    ok(!wrong, "each opens what another has sealed, over three minutes");
    ok(turns[0] == 100 && turns[1] == 100 && turns[2] == 100, "tags are theirs by turns");
    ok(sctp_cookie_tie(beds[0].secrets, 1, 2) == sctp_cookie_tie(beds[1].secrets, 1, 2),
       "ties are the same");
    for (unsigned i = 0; i < 3; i++)
        bed_close(&beds[i]);
}

/* ---- time ---- */

static void too_old(uint64_t from)
{
    struct bed bed;
    struct sctp_cookie cookie;
    uint32_t stale_us = 0;
    bed_open(&bed, from);
    seal(&bed, from);
    ok(result_at(&bed, from + SCTP_COOKIE_LIFE_US) == SCTP_COOKIE_GOOD, "good for 30 s");
    ok(open_at(&bed, from + SCTP_COOKIE_LIFE_US + 1, &cookie, &stale_us) == SCTP_COOKIE_STALE &&
           stale_us == 1 && cookie.peer_tag == bed.made.peer_tag,
       "then stale, by 1 us");
    ok(open_at(&bed, from + 45 * SECOND, &cookie, &stale_us) == SCTP_COOKIE_STALE &&
           stale_us == 15 * SECOND,
       "by 15 s");
    bed_close(&bed);
}

static void rotation(uint64_t from)
{
    struct bed bed;
    bed_open(&bed, from);
    sctp_cookie_secrets_renew(bed.secrets, from + SCTP_SECRET_US - 1);
    seal(&bed, from + SCTP_SECRET_US - 1);
    uint32_t tag = bed.made.own_tag;
    sctp_cookie_secrets_renew(bed.secrets, from + SCTP_SECRET_US);
    ok(result_at(&bed, from + SCTP_SECRET_US) == SCTP_COOKIE_GOOD,
       "a new secret, and the one before is still believed");
    seal(&bed, from + SCTP_SECRET_US - 1);
    ok(bed.made.own_tag != tag, "it is another one");
    sctp_cookie_secrets_renew(bed.secrets, from + 2 * (uint64_t)SCTP_SECRET_US);
    ok(result_at(&bed, from + 2 * (uint64_t)SCTP_SECRET_US) == SCTP_COOKIE_STALE,
       "still known after a minute");
    sctp_cookie_secrets_renew(bed.secrets, from + 3 * (uint64_t)SCTP_SECRET_US);
    ok(result_at(&bed, from + 3 * (uint64_t)SCTP_SECRET_US) == SCTP_COOKIE_BAD, "not after two");
    seal(&bed, from + 3 * (uint64_t)SCTP_SECRET_US);
    uint64_t later = from + 3 * (uint64_t)SCTP_SECRET_US + (UINT64_C(1) << 32);
    sctp_cookie_secrets_renew(bed.secrets, later);
    ok(result_at(&bed, later) == SCTP_COOKIE_BAD, "nor after a pause in which the time wraps");
    bed_close(&bed);
}

int main(void)
{
    seed = (uint32_t)tap_seed();
    whole(SECOND);
    whole((UINT64_C(1) << 32) - 500);
    sizes();
    changed(0, 0);
    changed(57, UINT64_MAX);
    changed(SCTP_AUTH_PARAMETERS_MAX, 1);
    other_listener();
    shared(SECOND);
    shared((UINT64_C(1) << 32) - 70 * SECOND);
    too_old(SECOND);
    too_old((UINT64_C(1) << 32) - 10 * SECOND);
    rotation(SECOND);
    rotation((UINT64_C(1) << 32) - 70 * SECOND);
    return tap_done();
}
