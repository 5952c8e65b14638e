/* Authenticated chunks: parameters, keys, MACs beside those that Python's hmac made, and all that
 * must not pass. */
#include "sctp/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "sctp/wire.h"
#include "tests/lib/tap.h"

static uint8_t secret[SCTP_KEY_MAX], random_a[SCTP_AUTH_RANDOM], random_b[SCTP_AUTH_RANDOM];

/* The parameters of an INIT, by hand: HMACs as given. */
struct parameters {
    uint8_t bytes[400];
    size_t length;
};

static const uint8_t all_chunks[] = {0, 3, 6, 7, 8, 9, 130, 192};

static struct parameters make(const uint8_t *random, size_t random_length, const uint8_t *chunks,
                              size_t chunk_count, const uint16_t *hmacs, size_t hmac_count)
{
    struct parameters made;
    struct wire_writer writer = wire_writer(made.bytes, sizeof made.bytes);
    uint8_t list[2 * 16];
    for (size_t i = 0; i < hmac_count; i++) {
        list[2 * i] = (uint8_t)(hmacs[i] >> 8);
        list[2 * i + 1] = (uint8_t)hmacs[i];
    }
    if (random)
        sctp_wire_put_parameter(&writer, SCTP_PARAMETER_RANDOM, random, random_length);
    if (chunks)
        sctp_wire_put_parameter(&writer, SCTP_PARAMETER_CHUNKS, chunks, chunk_count);
    if (hmacs)
        sctp_wire_put_parameter(&writer, SCTP_PARAMETER_HMACS, list, 2 * hmac_count);
    must(!writer.overrun);
    made.length = (size_t)(writer.at - made.bytes);
    return made;
}

static struct parameters ours(const uint8_t *random)
{
    struct parameters made;
    struct wire_writer writer = wire_writer(made.bytes, sizeof made.bytes);
    made.length = sctp_auth_put_parameters(&writer, random);
    must(made.length && made.length <= SCTP_AUTH_PARAMETERS_MAX);
    return made;
}

static bool reads(const struct parameters *given, struct parameters *out)
{
    return sctp_auth_read_parameters(wire_reader(given->bytes, given->length), out->bytes,
                                     &out->length);
}

/* ---- two ends ---- */

struct pair {
    struct sctp_auth *a, *b;
};

/* A is ours; B lists these HMACs, NULL: is ours, too. */
static struct pair pair_of(const uint16_t *hmacs, size_t count)
{
    struct parameters a = ours(random_a), read_a, read_b,
                      b = hmacs ? make(random_b, sizeof random_b, all_chunks, sizeof all_chunks,
                                       hmacs, count)
                                : ours(random_b);
    must(reads(&a, &read_a) && reads(&b, &read_b));
    struct pair pair = {sctp_auth_new(a.bytes, a.length, read_b.bytes, read_b.length),
                        sctp_auth_new(b.bytes, b.length, read_a.bytes, read_a.length)};
    must(pair.a && pair.b);
    return pair;
}

static void free_pair(struct pair *pair)
{
    sctp_auth_free(pair->a);
    sctp_auth_free(pair->b);
}

/* AUTH and a SACK. */
struct packet {
    uint8_t bytes[1500];
    size_t length;
};

static struct packet sign(struct sctp_auth *self)
{
    static const uint8_t sack[12] = {1, 2, 3, 4, 0, 1, 0, 0, 0, 0, 0, 0};
    struct packet packet;
    struct wire_writer writer = wire_writer(packet.bytes, sizeof packet.bytes);
    uint8_t *chunk = sctp_auth_begin(self, &writer);
    must(chunk);
    sctp_wire_put_chunk(&writer, SCTP_CHUNK_SACK, 0, sack, sizeof sack);
    sctp_auth_sign(self, chunk, writer.at);
    packet.length = (size_t)(writer.at - packet.bytes);
    must(packet.length == sctp_auth_size(self) + SCTP_CHUNK_HEADER + sizeof sack);
    return packet;
}

static bool unsupported;

static bool passes(const struct sctp_auth *self, const struct packet *packet)
{
    return sctp_auth_check(self, packet->bytes, packet->bytes + packet->length, &unsupported);
}

static bool has_mac(const struct packet *packet, const char *hex)
{
    char text[2 * 32 + 1] = "";
    for (size_t i = 0; i < strlen(hex) / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", packet->bytes[8 + i]);
    return !strcmp(text, hex);
}

/* ---- MACs that others made ---- */

/* hmac.new(key, AUTH with zeros + SACK) of Python 3.11, key as sections 6.1 and 6.2 say; secret
 * key 5 of 64 bytes 7 i + 3, RANDOMs of bytes i and 255 - i. UMAC was written for it from RFC 4418,
 * and gave the results of that text's appendix. */
static void vectors(void)
{
    static const uint16_t sha256[] = {SCTP_AUTH_SHA256, SCTP_AUTH_SHA1}, sha1[] = {SCTP_AUTH_SHA1};
    struct pair pair = pair_of(NULL, 0);
    struct packet by_a = sign(pair.a), by_b = sign(pair.b);
    ok(has_mac(&by_a, "00000000000000001b49c9d8b27ba4a6854f238ae7fc4ff2") &&
           has_mac(&by_b, "0000000000000000fb78b9d5983561f4c114dcf4bbea524b"),
       "key 0, a key for each direction: as computed elsewhere");
    must(sctp_auth_add(pair.a, 5, secret, sizeof secret) == ERR_OK &&
         sctp_auth_add(pair.b, 5, secret, sizeof secret) == ERR_OK);
    must(sctp_auth_use(pair.a, 5) == ERR_OK && sctp_auth_use(pair.b, 5) == ERR_OK);
    by_a = sign(pair.a);
    by_b = sign(pair.b);
    ok(has_mac(&by_a, "0000000000000001d1d8fea06fb4a51df2a0f9efc540a830") &&
           has_mac(&by_b, "0000000000000001b2baedc5ea66bf820fc2285c637d3bef"),
       "key 5, the next nonce");
    struct wire_writer writer = wire_writer(by_a.bytes, sizeof by_a.bytes);
    uint8_t *chunk = sctp_auth_begin(pair.a, &writer);
    for (unsigned i = 0; i < 1420; i++)
        wire_put_u8(&writer, (uint8_t)(i * 11));
    sctp_auth_sign(pair.a, chunk, writer.at);
    ok(has_mac(&by_a, "0000000000000002bf1f841550c614e355d9e1efb4b3cff0"), "a long packet");
    free_pair(&pair);
    pair = pair_of(sha256, 2);
    must(sctp_auth_add(pair.a, 5, secret, sizeof secret) == ERR_OK);
    by_a = sign(pair.a);
    ok(has_mac(&by_a, "a7b5cf1c3e9397dcfbee9a385478da1d1a5e84720274f715a417f5815da9a3ad"),
       "SHA-256 with key 0, the peer's vector is the shorter one");
    must(sctp_auth_use(pair.a, 5) == ERR_OK);
    by_a = sign(pair.a);
    ok(has_mac(&by_a, "9cc67ae613b2e76ca503db4cce8324c67c4c7ade68ec4adb5f98c7defb091b8e"),
       "with key 5");
    free_pair(&pair);
    pair = pair_of(sha1, 1);
    must(sctp_auth_add(pair.a, 5, secret, sizeof secret) == ERR_OK);
    by_a = sign(pair.a);
    ok(has_mac(&by_a, "b094486f3c5957d25c118dbf9fad91d78e2450d7"), "SHA-1 with key 0");
    must(sctp_auth_use(pair.a, 5) == ERR_OK);
    by_a = sign(pair.a);
    ok(has_mac(&by_a, "1b733abe570bb4d99396b1afd7c5f04d69803f64"), "with key 5");
    free_pair(&pair);
}

/* ---- what passes, and what does not ---- */

static void both_ways(const char *what, const uint16_t *hmacs, size_t count, bool is_directed)
{
    struct pair pair = pair_of(hmacs, count);
    struct packet by_a = sign(pair.a), by_b = sign(pair.b), again = sign(pair.a);
    ok(passes(pair.b, &by_a) && passes(pair.a, &by_b) && passes(pair.b, &again),
       "%s: both ends sign and check", what);
    ok(passes(pair.a, &by_a) == !is_directed, "%s: what an end has signed %s when it comes back",
       what, is_directed ? "is refused" : "cannot be told apart");
    unsigned passed = 0;
    for (size_t i = 0; i < 8 * by_a.length; i++) {
        struct packet changed = by_a;
        changed.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        if (i / 8 != 0)
            passed += passes(pair.b, &changed);
    }
    ok(!passed, "%s: no bit may change", what);
    passed = 0;
    for (size_t length = 4; length < by_a.length; length++) {
        struct packet cut = by_a;
        cut.length = length;
        passed += passes(pair.b, &cut);
    }
    ok(!passed, "%s: nothing may be cut off", what);
    free_pair(&pair);
}

static void hmacs(void)
{
    static const uint16_t old[] = {SCTP_AUTH_SHA256, SCTP_AUTH_SHA1}, linux_[] = {1, 3},
                          sha1[] = {SCTP_AUTH_SHA1}, later[] = {4, 9, 1};
    both_ways("two of ours", NULL, 0, true);
    both_ways("towards SHA-256 and SHA-1", old, 2, false);
    both_ways("towards SHA-1 alone", sha1, 1, false);
    struct pair pair = pair_of(linux_, 2);
    struct packet by_a = sign(pair.a), changed = by_a;
    ok(by_a.bytes[7] == SCTP_AUTH_SHA256, "a peer that likes SHA-1 better gets SHA-256");
    changed.bytes[7] = 77;
    ok(!passes(pair.b, &changed) && unsupported, "an HMAC that there is not is reported");
    changed.bytes[7] = SCTP_AUTH_SHA1;
    ok(!passes(pair.b, &changed) && !unsupported, "one of another length is not");
    free_pair(&pair);
    pair = pair_of(later, 3);
    by_a = sign(pair.a);
    ok(by_a.bytes[7] == SCTP_AUTH_SHA1, "unknown ones in a list are passed over");
    free_pair(&pair);
    struct pair plain = pair_of(old, 2);
    by_a = sign(plain.a);
    pair = pair_of(NULL, 0);
    ok(!passes(pair.b, &by_a) && !unsupported, "between two of ours nothing else is taken");
    free_pair(&plain);
    free_pair(&pair);
}

/* A nonce that comes twice would give UMAC's key away. */
static void nonces(void)
{
    struct pair pair = pair_of(NULL, 0);
    bool distinct = true;
    uint64_t last = 0;
    for (unsigned i = 0; i < 600; i++) {
        struct packet packet = sign(pair.a);
        struct wire_reader reader = wire_reader(packet.bytes + 8, 8);
        uint64_t nonce = wire_get_u64(&reader);
        distinct = distinct && nonce == last++;
        if (i % 100 == 50)
            must(sctp_auth_add(pair.a, 7, secret, sizeof secret) == ERR_OK &&
                 sctp_auth_use(pair.a, 7) == ERR_OK);
        if (i % 100 == 80)
            must(sctp_auth_use(pair.a, 0) == ERR_OK && sctp_auth_drop(pair.a, 7) == ERR_OK);
    }
    ok(distinct, "each packet has a nonce of its own, also when a key comes back");
    free_pair(&pair);
}

static void keys(void)
{
    struct pair pair = pair_of(NULL, 0);
    uint8_t other[SCTP_KEY_MAX] = {1};
    const enum err bad = ERR_TRANSPORT_SOCKET;
    ok(sctp_auth_use(pair.a, 1) == bad && sctp_auth_drop(pair.a, 1) == bad &&
           sctp_auth_drop(pair.a, 0) == bad,
       "a key that there is not, and the one in use");
    must(sctp_auth_add(pair.a, 1, secret, sizeof secret) == ERR_OK);
    ok(sctp_auth_add(pair.a, 1, secret, sizeof secret) == bad, "not twice");
    ok(sctp_auth_add(pair.a, 2, secret, SCTP_KEY_MAX + 1) == bad, "not too long");
    must(sctp_auth_use(pair.a, 1) == ERR_OK);
    struct packet by_a = sign(pair.a);
    ok(!passes(pair.b, &by_a), "a key that the peer does not have");
    must(sctp_auth_add(pair.b, 1, other, sizeof other) == ERR_OK);
    ok(!passes(pair.b, &by_a), "or has otherwise");
    must(sctp_auth_drop(pair.b, 1) == ERR_OK);
    must(sctp_auth_add(pair.b, 1, secret, sizeof secret) == ERR_OK);
    ok(passes(pair.b, &by_a), "or has");
    struct packet by_b = sign(pair.b);
    ok(passes(pair.a, &by_b), "while it still uses the old one");
    must(sctp_auth_drop(pair.a, 0) == ERR_OK);
    ok(!passes(pair.a, &by_b), "which is not taken once it was dropped");
    for (uint16_t i = 2; i <= SCTP_AUTH_KEYS_MAX; i++)
        must(sctp_auth_add(pair.a, (uint16_t)(i * 1000), secret, i) == ERR_OK);
    ok(sctp_auth_add(pair.a, 9, secret, 1) == bad, "%d keys at most", SCTP_AUTH_KEYS_MAX);
    ok(sctp_auth_drop(pair.a, 2000) == ERR_OK && sctp_auth_add(pair.a, 9, secret, 1) == ERR_OK,
       "one that was dropped makes room");
    free_pair(&pair);
}

/* ---- parameters ---- */

static bool refuses(struct parameters given)
{
    struct parameters out;
    return !reads(&given, &out);
}

static void bad_parameters(void)
{
    static const uint16_t good[] = {3, 1}, unknown[] = {2, 7};
    const size_t size = sizeof random_a, all = sizeof all_chunks;
    uint8_t many[256];
    memset(many, 77, sizeof many);
    memcpy(many, all_chunks, all);
    ok(!refuses(make(random_a, size, all_chunks, all, good, 2)), "what is right is read");
    ok(refuses(make(NULL, 0, all_chunks, all, good, 2)), "no RANDOM");
    ok(refuses(make(random_a, size - 1, all_chunks, all, good, 2)), "a short one");
    ok(refuses(make(random_a, size, NULL, 0, good, 2)), "no CHUNKS");
    ok(refuses(make(random_a, size, all_chunks, 0, good, 2)), "none in it");
    ok(refuses(make(random_a, size, all_chunks, all - 1, good, 2)), "one too few");
    ok(refuses(make(random_a, size, all_chunks, all, NULL, 0)), "no HMAC-ALGO");
    ok(refuses(make(random_a, size, all_chunks, all, good, 0)), "none in it");
    ok(refuses(make(random_a, size, all_chunks, all, unknown, 2)), "none that we know");
    ok(!refuses(make(random_a, size, many, 100, good, 2)), "a long list");
    ok(refuses(make(random_a, size, many, 256, good, 2)), "one that is longer than what is kept");
    struct parameters twice = make(random_a, size, all_chunks, all, good, 2),
                      more = make(random_b, size, NULL, 0, NULL, 0);
    memcpy(twice.bytes + twice.length, more.bytes, more.length);
    twice.length += more.length;
    ok(refuses(twice), "RANDOM twice");
    struct parameters odd = make(random_a, size, all_chunks, all, good, 2);
    odd.bytes[odd.length - 5] = 7; /* 3 bytes of identifiers */
    ok(refuses(odd), "half an identifier");
    struct parameters cut = make(random_a, size, all_chunks, all, good, 2);
    cut.length -= 4;
    ok(refuses(cut), "a parameter that does not add up");
}

static void lists(void)
{
    static const uint16_t sha256[] = {3, 1};
    uint8_t chunks[] = {0, 3, 6, 7, 8, 9, 130, 192, 1, 2, 14, 15, 4};
    struct parameters a = ours(random_a), given, b;
    given = make(random_b, sizeof random_b, chunks, sizeof chunks, sha256, 2);
    must(reads(&given, &b));
    struct sctp_auth *self = sctp_auth_new(a.bytes, a.length, b.bytes, b.length);
    unsigned send = 0, come = 0;
    for (unsigned type = 0; type < 256; type++) {
        send += sctp_auth_must_send(self, (uint8_t)type);
        come += sctp_auth_must_come((uint8_t)type);
    }
    ok(send == 9 && sctp_auth_must_send(self, SCTP_CHUNK_HEARTBEAT) &&
           sctp_auth_must_send(self, 192) && !sctp_auth_must_send(self, SCTP_CHUNK_INIT),
       "what the peer asks for is authenticated, but what cannot be");
    ok(come == sizeof all_chunks && sctp_auth_must_come(SCTP_CHUNK_ABORT) &&
           !sctp_auth_must_come(SCTP_CHUNK_COOKIE_ACK),
       "and we ask for all that ends or changes an association");
    uint8_t room[64];
    struct wire_writer writer = wire_writer(room, sctp_auth_size(self) - 1);
    ok(!sctp_auth_begin(self, &writer) && !writer.overrun && writer.at == room,
       "without room nothing is written");
    sctp_auth_free(self);
    sctp_auth_free(NULL);
    ok(!sctp_auth_new(a.bytes, a.length, a.bytes, a.length), "our own parameters are no peer's");
    ok(!sctp_auth_new(a.bytes, a.length, b.bytes, b.length - 4) &&
           !sctp_auth_new(a.bytes, a.length, b.bytes, SCTP_AUTH_PARAMETERS_MAX + 4),
       "nor what does not add up");
}

int main(void)
{
    for (unsigned i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)(7 * i + 3);
    for (unsigned i = 0; i < SCTP_AUTH_RANDOM; i++) {
        random_a[i] = (uint8_t)i;
        random_b[i] = (uint8_t)(255 - i);
    }
    vectors();
    hmacs();
    nonces();
    keys();
    bad_parameters();
    lists();
    return tap_done();
}
