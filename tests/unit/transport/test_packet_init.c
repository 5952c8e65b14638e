#include "transport/packet_init.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"
#include "transport/packet.h"

/* On the heap without a byte to spare: reading or writing beyond it shows under ASan. */
struct init {
    uint8_t *bytes;
    size_t length;
};

static struct init make(uint8_t type, const uint8_t *parameters, size_t size)
{
    static const uint8_t head[] = {0x13, 0x88, 0x26, 0xab, 0, 0, 0, 0, 0, 0,  0, 0,  0, 0, 0, 0,
                                   0x11, 1,    2,    3,    0, 1, 0, 0, 0, 16, 0, 16, 1, 2, 3, 4};
    struct init init = {malloc(sizeof head + size), sizeof head + size};
    memcpy(init.bytes, head, sizeof head);
    memcpy(init.bytes + sizeof head, parameters, size);
    init.bytes[12] = type;
    init.bytes[14] = (uint8_t)((init.length - 12) >> 8);
    init.bytes[15] = (uint8_t)(init.length - 12);
    init.bytes[7] = type == PACKET_CHUNK_INIT_ACK; /* the tag */
    packet_seal(init.bytes, init.length);
    return init;
}

/* The length after trimming, 0: refused. */
static size_t trimmed(struct init init, bool auth)
{
    struct packet_ports ports;
    size_t length = init.length;
    bool good = packet_check(init.bytes, length, &ports) != PACKET_BAD &&
                packet_init_trim(init.bytes, &length, auth);
    if (good) { /* what is left is as good as what came */
        packet_seal(init.bytes, length);
        good = packet_check(init.bytes, length, &ports) != PACKET_BAD && length <= init.length;
        if (!good)
            length = 1;
    }
    free(init.bytes);
    return good || length == 1 ? length : 0;
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define INIT(...)  trimmed(make(PACKET_CHUNK_INIT, BYTES(__VA_ARGS__)), true)
#define ACK(...)   trimmed(make(PACKET_CHUNK_INIT_ACK, BYTES(__VA_ARGS__)), true)
#define PLAIN      32
static const uint8_t nothing[1];
#define RANDOM                                                                                     \
    0x80, 2, 0, 36, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2,  \
        3, 4, 5, 6, 7, 8

static void what_stays(void)
{
    ok(trimmed(make(PACKET_CHUNK_INIT, nothing, 0), false) == PLAIN, "an INIT without parameters");
    ok(INIT(0xc0, 0, 0, 4, 0, 12, 0, 6, 0, 5, 0, 0, 0, 5, 0, 8, 10, 0, 0, 1) == PLAIN,
       "addresses, their types and what nobody here can do is taken out");
    ok(INIT(0x80, 8, 0, 7, 15, 1, 2, 0, RANDOM, 0x80, 4, 0, 6, 0, 1) == PLAIN + 8 + 36 + 6,
       "what authentication needs stays");
    ok(trimmed(make(PACKET_CHUNK_INIT, BYTES(0x80, 8, 0, 7, 15, 1, 2, 0, RANDOM)), false) == PLAIN,
       "but not where there is none");
    ok(INIT(0x80, 5, 0, 8, 0, 0, 0, 0, 0x80, 3, 0, 5, 3, 0, 0, 0, 0xc0, 1, 0, 5, 1) == PLAIN + 5,
       "between others, and padding (RFC 4820) is no reason to refuse it");
    ok(INIT(0x80, 3, 0, 5, 3) == PLAIN + 5, "the last parameter has no padding, and gets none");
    ok(INIT(0x3f, 0xff, 0, 4, 0x80, 3, 0, 8, 1, 2, 3, 4) == PLAIN,
       "an unknown one without the upper bit hides those behind it");
    ok(ACK(0, 7, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 8, 0, 8, 0xc0, 0xfe, 0, 4) == PLAIN + 12,
       "of an INIT ACK the cookie stays");
}

static void what_is_refused(void)
{
    static const unsigned zeros[][2] = {{16, 4}, {24, 2}, {26, 2}};
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        struct init init = make(PACKET_CHUNK_INIT, nothing, 0);
        memset(init.bytes + zeros[i][0], 0, zeros[i][1]);
        packet_seal(init.bytes, init.length);
        ok(!trimmed(init, true), "an INIT with nothing at %u", zeros[i][0]);
    }
    struct init small = make(PACKET_CHUNK_INIT, nothing, 0);
    memcpy(small.bytes + 20, (const uint8_t[]){0, 0, 5, 219}, 4);
    packet_seal(small.bytes, small.length);
    ok(!trimmed(small, true), "a window of 1499 bytes");
    ok(!INIT(RANDOM, RANDOM), "the same parameter twice");
    ok(!INIT(0x80, 4, 0, 24, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1),
       "more HMACs than there are");
    ok(!INIT(0x80, 3, 0, 4), "an empty list");
    ok(!ACK(0xc0, 0, 0, 4), "an INIT ACK without a cookie");
    ok(!ACK(0, 7, 0, 4), "or with an empty one");
}

static void sizes(void)
{
    static uint8_t many[60000];
    for (size_t i = 0; i + 4 <= sizeof many; i += 4)
        memcpy(many + i, (const uint8_t[]){0xc0, 0xfe, 0, 4}, 4);
    size_t most = PACKET_INIT_MAX - PLAIN;
    ok(trimmed(make(PACKET_CHUNK_INIT, many, most), true) == PLAIN, "1280 bytes of INIT are taken");
    ok(!trimmed(make(PACKET_CHUNK_INIT, many, most + 4), true), "four more are not");
    ok(!trimmed(make(PACKET_CHUNK_INIT, many, 13080), true), "nor 13112");
    memcpy(many, (const uint8_t[]){0, 7, 0, 8, 1, 2, 3, 4}, 8);
    most = PACKET_INIT_ACK_MAX - PLAIN;
    ok(trimmed(make(PACKET_CHUNK_INIT_ACK, many, most), true) == PLAIN + 8, "INIT ACK: 4096");
    ok(!trimmed(make(PACKET_CHUNK_INIT_ACK, many, most + 4), true), "and no more");
}

static void anything(void)
{
    uint64_t random = tap_seed();
    unsigned taken = 0, broken = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t parameters[64];
        for (size_t k = 0; k < sizeof parameters; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            static const uint8_t likely[] = {0, 0, 0x80, 2, 3, 4, 7, 8, 4, 5, 6, 12, 0xc0, 16};
            parameters[k] = likely[(random >> 33) % sizeof likely];
        }
        bool is_ack = i & 1;
        size_t length = trimmed(make(is_ack ? PACKET_CHUNK_INIT_ACK : PACKET_CHUNK_INIT, parameters,
                                     (random >> 40) % sizeof parameters),
                                i & 2);
        taken += length > 1;
        broken += length == 1;
    }
    ok(taken > 1000 && !broken, "what is left adds up, whatever came (%u)", taken);
}

int main(void)
{
    what_stays();
    what_is_refused();
    sizes();
    anything();
    return tap_done();
}
