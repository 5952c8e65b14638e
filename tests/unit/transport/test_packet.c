#include "transport/packet.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/tap.h"

#define HEADER 0x13, 0x88, 0x26, 0xab, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0
#define TAG0   0x13, 0x88, 0x26, 0xab, 0, 0, 0, 0, 0, 0, 0, 0

/* An exact copy on the heap, sealed: reading beyond it shows under ASan. */
static enum packet_kind check(const uint8_t *bytes, size_t length)
{
    uint8_t *packet = malloc(length ? length : 1);
    struct packet_ports ports;
    memcpy(packet, bytes, length);
    if (length >= PACKET_HEADER)
        packet_seal(packet, length);
    enum packet_kind kind = packet_check(packet, length, &ports);
    free(packet);
    return kind;
}
#define CHECK(...) check((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void good_ones(void)
{
    ok(CHECK(HEADER, 0, 3, 0, 17, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 'x', 0, 0, 0) == PACKET_OTHER,
       "DATA");
    ok(CHECK(HEADER, 0, 3, 0, 17, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4, 'x') == PACKET_OTHER,
       "DATA without its padding");
    ok(CHECK(HEADER, 10, 0, 0, 8, 1, 2, 3, 4) == PACKET_COOKIE_ECHO, "COOKIE ECHO");
    ok(CHECK(HEADER, 11, 0, 0, 4) == PACKET_OTHER, "COOKIE ACK");
    ok(CHECK(HEADER, 3, 0, 0, 20, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 3) == PACKET_OTHER,
       "SACK with a gap");
    ok(CHECK(HEADER, 11, 0, 0, 4, 8, 0, 0, 4) == PACKET_OTHER, "two chunks");
    ok(CHECK(HEADER, 6, 0, 0, 11, 0, 12, 0, 7, 'b', 'y', 'e', 0) == PACKET_OTHER,
       "ABORT with a cause");
    ok(CHECK(TAG0, 1, 0, 0, 28, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1, 0x80, 0, 0, 4, 0,
             12, 0, 4) == PACKET_INIT,
       "INIT with parameters");
}

static void bad_ones(void)
{
    ok(CHECK(HEADER) == PACKET_BAD, "no chunk");
    ok(CHECK(HEADER, 11, 0, 0) == PACKET_BAD, "a chunk of 3 bytes");
    ok(CHECK(HEADER, 11, 0, 0, 3) == PACKET_BAD, "a chunk shorter than its header");
    ok(CHECK(HEADER, 11, 0, 0, 0, 0, 0, 0, 0) == PACKET_BAD, "a chunk of length 0");
    ok(CHECK(HEADER, 10, 0, 0, 9, 1, 2, 3, 4) == PACKET_BAD, "a chunk longer than the packet");
    ok(CHECK(HEADER, 11, 0, 0, 4, 8, 0) == PACKET_BAD, "half a header behind a chunk");
    ok(CHECK(HEADER, 0, 3, 0, 16, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 4) == PACKET_BAD,
       "DATA without data");
    ok(CHECK(HEADER, 3, 0, 0, 20, 0, 0, 0, 1, 0, 0, 1, 0, 0, 2, 0, 0, 0, 2, 0, 3) == PACKET_BAD,
       "SACK with fewer gaps than it says");
    ok(CHECK(HEADER, 6, 0, 0, 12, 0, 12, 0, 200, 'b', 'y', 'e', 0) == PACKET_BAD,
       "ABORT with a cause that does not fit");
    ok(CHECK(HEADER, 9, 0, 0, 8, 0, 12, 0, 0) == PACKET_BAD, "ERROR with a cause of length 0");
    ok(CHECK(HEADER, 1, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1) == PACKET_BAD,
       "INIT with a verification tag");
    ok(CHECK(TAG0, 11, 0, 0, 4) == PACKET_BAD, "anything else without one");
    ok(CHECK(TAG0, 1, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1, 11, 0, 0, 4) ==
           PACKET_BAD,
       "INIT with company");
    ok(CHECK(HEADER, 11, 0, 0, 4, 2, 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 1) ==
           PACKET_BAD,
       "INIT ACK as second chunk");
    ok(CHECK(0, 0, 0x26, 0xab, 1, 2, 3, 4, 0, 0, 0, 0, 11, 0, 0, 4) == PACKET_BAD, "port 0");
    static const uint8_t foreign[] = {0x0c, 0x10, 0x40, 0x80, 0x81, 0x82, 0xc0, 0xc1, 0xc2};
    unsigned taken = 0;
    for (size_t i = 0; i < sizeof foreign; i++)
        taken += CHECK(HEADER, foreign[i], 0, 0, 20, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0,
                       1) != PACKET_BAD;
    ok(!taken, "chunks of extensions that are not ours");
}

#define MAC20 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
#define AUTH  15, 0, 0, 28, 0, 1, 0, 1, MAC20

static void authenticated(void)
{
    static const uint8_t both[] = {HEADER, AUTH, 6, 0, 0, 4},
                         behind[] = {HEADER, 10, 0, 0, 4, AUTH}, none[] = {HEADER, 6, 0, 0, 4};
    ok(check(both, sizeof both) == PACKET_OTHER && check(behind, sizeof behind) != PACKET_BAD,
       "AUTH before ABORT, and behind COOKIE ECHO");
    ok(packet_has_auth(both, sizeof both) && packet_has_auth(behind, sizeof behind) &&
           !packet_has_auth(none, sizeof none),
       "is seen");
    ok(packet_type(both, sizeof both) == PACKET_CHUNK_ABORT &&
           packet_type(none, sizeof none) == PACKET_CHUNK_ABORT &&
           packet_type(behind, sizeof behind) == PACKET_CHUNK_COOKIE_ECHO,
       "and what is behind it");
    ok(CHECK(HEADER, 15, 0, 0, 27, 0, 1, 0, 1, MAC20) == PACKET_BAD, "a MAC of another length");
    ok(CHECK(HEADER, 15, 0, 0, 6, 0, 1, 0, 0) == PACKET_BAD, "half an AUTH");
}

static void checksum(void)
{
    uint8_t packet[] = {HEADER, 10, 0, 0, 8, 1, 2, 3, 4};
    struct packet_ports ports = {0};
    packet_seal(packet, sizeof packet);
    uint8_t before[sizeof packet];
    memcpy(before, packet, sizeof packet);
    ok(packet_check(packet, sizeof packet, &ports) == PACKET_COOKIE_ECHO, "the checksum holds");
    ok(ports.source == 5000 && ports.destination == 9899, "the ports are read");
    ok(!memcmp(before, packet, sizeof packet), "the packet is left as it was");
    unsigned taken = 0;
    for (size_t bit = 0; bit < 8 * sizeof packet; bit++) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += packet_check(packet, sizeof packet, &ports) != PACKET_BAD;
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ok(!taken, "no single flipped bit gets through");
}

/* Nothing but the absence of crashes is to be seen here; the sanitizers look. */
static void sacks(void)
{
    static const uint8_t plain[] = {HEADER, 3, 0, 0, 16, 1, 2, 3, 4, 0, 0, 1, 0, 0, 0, 0, 0};
    static const uint8_t gaps[] = {HEADER, 3, 0, 0, 20, 0, 0, 0, 1, 0, 0,
                                   1,      0, 0, 1, 0,  0, 0, 2, 0, 3};
    static const uint8_t data[] = {HEADER, 3, 0, 0,  16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0,
                                   0,      3, 0, 17, 0,  0, 9, 7, 0, 2, 0, 3, 0, 0, 0, 4, 'x'};
    uint8_t longer[PACKET_SACK_LONGER];
    struct packet_ports ports;
    uint32_t tsn = 0;
    ok(packet_sack_kind(plain, sizeof plain) == PACKET_SACK_PLAIN &&
           packet_sack_kind(gaps, sizeof gaps) == PACKET_SACK_GAPS &&
           packet_sack_kind(data, sizeof data) == PACKET_SACK_WITH_OTHERS,
       "kinds of SACKs");
    ok(packet_cumulative(plain, sizeof plain) == 0x01020304, "what they acknowledge");
    packet_sack_lengthen(plain, longer);
    packet_seal(longer, sizeof longer);
    ok(packet_check(longer, sizeof longer, &ports) == PACKET_OTHER &&
           packet_sack_kind(longer, sizeof longer) == PACKET_SACK_GAPS &&
           packet_cumulative(longer, sizeof longer) == 0x01020304,
       "a lengthened one is one, too");
    ok(longer[PACKET_HEADER + 17] > longer[PACKET_HEADER + 19], "with a gap of nothing");
    ok(packet_data(data, sizeof data, &tsn) && tsn == 0x0907 &&
           !packet_data(gaps, sizeof gaps, &tsn),
       "the first TSN");
}

static void held_sacks(void)
{
    /* All up to 256; from 258 to 259; 240 twice. Then data. */
    static const uint8_t sack[] = {HEADER, 3, 0, 0, 24, 0, 0, 1, 0, 0, 0,   1, 0, 0,
                                   1,      0, 1, 0, 2,  0, 3, 0, 0, 0, 240, 0, 3, 0,
                                   17,     0, 0, 9, 7,  0, 2, 0, 3, 0, 0,   0, 4, 'x'};
    uint8_t held[sizeof sack + PACKET_SACK_BLOCK], dated[sizeof sack], wide[sizeof sack];
    static const uint8_t blocks[] = {0, 1, 0, 16, 0, 18, 0, 19};
    struct packet_ports ports;
    uint32_t tsn = 0;
    size_t length = packet_sack_hold(sack, sizeof sack, 240, held);
    packet_seal(held, sizeof held);
    ok(length == sizeof held && packet_check(held, length, &ports) == PACKET_OTHER &&
           packet_sack_has_gaps(held) && packet_cumulative(held, length) == 240,
       "a held SACK is one, with an older TSN");
    ok(!memcmp(held + PACKET_HEADER + 16, blocks, sizeof blocks), "the same is acknowledged");
    ok(held[PACKET_HEADER + 27] == 240 && packet_data(held, length, &tsn) && tsn == 0x0907,
       "duplicates and data are what they were");
    memcpy(wide, sack, sizeof sack);
    wide[PACKET_HEADER + 18] = wide[PACKET_HEADER + 19] = 0xff;
    ok(!packet_sack_hold(wide, sizeof wide, 240, held) &&
           !packet_sack_hold(sack, sizeof sack, 256u - 65536u, held),
       "not where a block would be too far away");
    packet_sack_date(sack, sizeof sack, 239, dated);
    ok(packet_cumulative(dated, sizeof dated) == 239 &&
           !memcmp(dated + PACKET_HEADER + 8, sack + PACKET_HEADER + 8,
                   sizeof sack - PACKET_HEADER - 8),
       "only the TSN is another");
}

static void unsent_ones(void)
{
    /* All up to 256, and from 258 to 259; once behind DATA. */
    static const uint8_t sack[] = {HEADER, 3, 0, 0, 20, 0, 0, 1, 0, 0, 0,
                                   1,      0, 0, 1, 0,  0, 0, 2, 0, 3};
    static const uint8_t data[] = {HEADER, 0, 3, 0, 20,  0,   0,   9,   7, 0, 2, 0,  3,
                                   0,      0, 0, 4, 'd', 'a', 't', 'a', 3, 0, 0, 16, 0,
                                   0,      1, 0, 0, 0,   1,   0,   0,   0, 0, 0};
    const struct packet_tsn none = {0}, all = {true, 259}, less = {true, 258}, least = {true, 255},
                            around = {true, 0x10}, long_ago = {true, 0xfffffff0};
    ok(!packet_acknowledges_unsent(sack, sizeof sack, &all) &&
           !packet_acknowledges_unsent(data, sizeof data, &less),
       "what was sent may be acknowledged");
    ok(packet_acknowledges_unsent(sack, sizeof sack, &less) &&
           packet_acknowledges_unsent(sack, sizeof sack, &least) &&
           packet_acknowledges_unsent(data, sizeof data, &least) &&
           packet_acknowledges_unsent(sack, sizeof sack, &none),
       "nothing else, in no place");
    ok(packet_acknowledges_unsent(sack, sizeof sack, &around) &&
           packet_acknowledges_unsent(sack, sizeof sack, &long_ago),
       "also where numbers turn round");
}

static void random_ones(void)
{
    uint64_t random = tap_seed();
    unsigned good = 0;
    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[80];
        for (size_t k = 0; k < sizeof bytes; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            uint8_t value = (uint8_t)(random >> 56);
            bytes[k] = k % 4 != 3 && k > 12 ? value % 15 * (value > 128) : value % 40;
        }
        good += check(bytes, 8 + random % 72) != PACKET_BAD;
    }
    ok(good > 0 && good < 100000, "100000 random packets, %u of them plausible", good);
}

int main(void)
{
    good_ones();
    bad_ones();
    authenticated();
    checksum();
    sacks();
    held_sacks();
    unsent_ones();
    random_ones();
    return tap_done();
}
