/* Packets as bytes: every length of each chunk, every truncation, each flipped bit. */
#include "sctp/wire.h"

#include <stdlib.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define HEADER 0x13, 0x88, 0x26, 0xab, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0

/* An exact copy on the heap, sealed: reading beyond it shows under ASan. */
static bool check(const uint8_t *bytes, size_t length)
{
    uint8_t *packet = check_alloc(length ? length : 1);
    struct sctp_header header;
    memcpy(packet, bytes, length);
    if (length >= SCTP_HEADER)
        sctp_wire_seal(packet, length);
    bool good = sctp_wire_check(packet, length, &header);
    struct wire_reader chunks = good ? sctp_wire_chunks(packet, length) : wire_reader(NULL, 0);
    struct sctp_chunk chunk;
    while (sctp_wire_next_chunk(&chunks, &chunk))
        good = good && chunk.value + chunk.length <= packet + length;
    good = good && !chunks.overrun;
    free(packet);
    return good;
}
#define CHECK(...) check((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void packets(void)
{
    ok(CHECK(HEADER, 11, 0, 0, 4), "the smallest packet");
    ok(CHECK(HEADER, 11, 0, 0, 4, 8, 0, 0, 4), "two chunks");
    ok(CHECK(HEADER, 0xfe, 0, 0, 6, 1, 2, 3, 4, 11, 0, 0, 4), "padding, whatever it is");
    ok(!CHECK(HEADER), "no chunk");
    ok(!CHECK(HEADER, 11, 0, 0, 3), "a chunk shorter than its header");
    ok(!CHECK(HEADER, 11, 0, 0, 0, 0, 0, 0, 0), "a chunk of length 0");
    ok(!CHECK(HEADER, 11, 0, 0, 4, 0, 0, 0, 0), "nor behind another");
    ok(!CHECK(HEADER, 10, 0, 0, 9, 1, 2, 3, 4), "a chunk longer than the packet");
    ok(!CHECK(HEADER, 10, 0, 0, 6, 1, 2), "padding that is missing");
    ok(!CHECK(HEADER, 11, 0, 0, 4, 8, 0), "half a header behind a chunk");
    ok(!CHECK(0, 0, 0x26, 0xab, 1, 2, 3, 4, 0, 0, 0, 0, 11, 0, 0, 4), "source port 0");
    ok(!CHECK(0x26, 0xab, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 11, 0, 0, 4), "destination port 0");
}

static void every_length_of_packet(void)
{
    uint8_t bytes[64] = {HEADER, 10, 0};
    unsigned wrong = 0;
    for (size_t length = 0; length <= sizeof bytes; length++)
        for (unsigned said = 0; said <= sizeof bytes + 4; said++) {
            bytes[SCTP_HEADER + 3] = (uint8_t)said;
            size_t room = length < SCTP_HEADER ? 0 : length - SCTP_HEADER;
            /* Zeros follow the chunk: a chunk of length 0. */
            bool good = room >= 4 && room % 4 == 0 && said >= 4 && ((said + 3) & ~3u) == room;
            wrong += check(bytes, length) != good;
        }
    ok(!wrong, "every length of packet and chunk (%u wrong)", wrong);
}

static void checksum(void)
{
    uint8_t packet[] = {HEADER, 10, 0, 0, 8, 1, 2, 3, 4}, before[sizeof packet];
    struct sctp_header header = {0};
    sctp_wire_seal(packet, sizeof packet);
    memcpy(before, packet, sizeof packet);
    ok(sctp_wire_check(packet, sizeof packet, &header) && header.source == 5000 &&
           header.destination == 9899 && header.tag == 0x12345678,
       "the checksum holds, the header is read");
    ok(!memcmp(before, packet, sizeof packet), "the packet is left as it was");
    unsigned taken = 0;
    for (size_t bit = 0; bit < 8 * sizeof packet; bit++) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        taken += sctp_wire_check(packet, sizeof packet, &header);
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ok(!taken, "no single flipped bit gets through");
}

/* ---- chunks ---- */

static struct sctp_chunk chunk_of(uint8_t type, uint8_t flags, const uint8_t *value, size_t length)
{
    return (struct sctp_chunk){.type = type, .flags = flags, .value = value, .length = length};
}

static void data_chunks(void)
{
    static const uint8_t value[] = {0xff, 0xff, 0xff, 0xfe, 0, 7,   0xff,
                                    0xff, 0x48, 0x57, 0x53, 9, 'x', 'y'};
    struct sctp_data data = {0};
    unsigned wrong = 0;
    for (size_t length = 0; length <= sizeof value; length++) {
        struct sctp_chunk chunk = chunk_of(0, SCTP_FLAG_BEGIN, value, length);
        wrong += sctp_wire_read_data(&chunk, &data) != (length >= 12);
        wrong += length >= 12 && data.length != length - 12;
    }
    ok(!wrong, "DATA of every length; of no bytes, it is read");
    ok(data.tsn == 0xfffffffe && data.stream == 7 && data.ssn == 0xffff &&
           data.ppid == 0x48575309 && data.begins && !data.ends && !memcmp(data.bytes, "xy", 2),
       "its fields");
    struct sctp_chunk chunk = chunk_of(0, SCTP_FLAG_END | SCTP_FLAG_IMMEDIATE, value, 14);
    ok(sctp_wire_read_data(&chunk, &data) && !data.begins && data.ends, "its flags");
}

static void sacks(void)
{
    uint8_t value[32] = {1, 2, 3, 4, 0, 1, 0, 0, 0, 2, 0, 1, 0, 2, 0, 3, 0xff, 0xfe, 0xff, 0xff, 9};
    struct sctp_sack sack;
    unsigned wrong = 0;
    for (unsigned gaps = 0; gaps < 4; gaps++)
        for (unsigned duplicates = 0; duplicates < 4; duplicates++)
            for (size_t length = 0; length <= sizeof value; length++) {
                value[9] = (uint8_t)gaps;
                value[11] = (uint8_t)duplicates;
                struct sctp_chunk chunk = chunk_of(3, 0, value, length);
                wrong +=
                    sctp_wire_read_sack(&chunk, &sack) != (length == 12 + 4 * (gaps + duplicates));
            }
    ok(!wrong, "SACKs of every length and every count");
    memset(value + 8, 0xff, 4);
    struct sctp_chunk chunk = chunk_of(3, 0, value, sizeof value);
    ok(!sctp_wire_read_sack(&chunk, &sack), "131 070 entries are not in 20 bytes");
    value[8] = value[10] = 0, value[9] = 2, value[11] = 1;
    chunk.length = 24;
    uint16_t start = 0, end = 0;
    ok(sctp_wire_read_sack(&chunk, &sack) && sack.cumulative == 0x01020304 &&
           sack.window == 0x10000 && sack.gap_count == 2 && sack.duplicate_count == 1 &&
           sack.duplicates[0] == 9,
       "their fields");
    sctp_wire_gap(&sack, 1, &start, &end);
    ok(start == 0xfffe && end == 0xffff, "the last block");
}

static void inits(void)
{
    static const uint8_t value[] = {1, 2, 3, 4, 0, 1, 0, 0, 0, 5, 0, 6,    0xff, 0,   0,
                                    1, 0, 5, 0, 8, 9, 9, 9, 9, 0, 9, 0x80, 0xff, 0x80};
    struct sctp_init init;
    unsigned wrong = 0;
    for (size_t length = 0; length <= sizeof value; length++) {
        struct sctp_chunk chunk = chunk_of(1, 0, value, length);
        bool good = length == 16 || length == 24;
        wrong += sctp_wire_read_init(&chunk, &init) != good;
    }
    ok(!wrong, "INITs of every length: parameters that are cut off are seen");
    struct sctp_chunk chunk = chunk_of(1, 0, value, 24);
    struct sctp_parameter parameter;
    ok(sctp_wire_read_init(&chunk, &init) && init.tag == 0x01020304 && init.window == 0x10000 &&
           init.streams_out == 5 && init.streams_in == 6 && init.tsn == 0xff000001,
       "their fields");
    ok(sctp_wire_next_parameter(&init.parameters, &parameter) && parameter.type == 5 &&
           parameter.length == 4 && parameter.value == value + 20 && parameter.whole == value + 16,
       "a parameter");
    ok(!sctp_wire_next_parameter(&init.parameters, &parameter) && !init.parameters.overrun,
       "and no other");
}

static void parameters(void)
{
    static const uint8_t bytes[] = {0, 1, 0, 5, 'a', 0, 0, 0, 0, 2, 0, 4, 0, 3, 0, 6, 'b', 'c'};
    struct sctp_parameter parameter;
    unsigned wrong = 0;
    for (size_t length = 0; length <= sizeof bytes; length++) {
        struct wire_reader reader = wire_reader(bytes, length);
        unsigned count = 0;
        while (sctp_wire_next_parameter(&reader, &parameter))
            wrong +=
                parameter.type != ++count || parameter.value + parameter.length > bytes + length;
        bool whole = length == 0 || (length >= 5 && length <= 8) || length == 12 || length == 18;
        wrong += whole == reader.overrun;
    }
    ok(!wrong, "the padding of the last parameter may be missing, nothing else (%u wrong)", wrong);
    struct wire_reader reader = wire_reader(((const uint8_t[]){0, 1, 0, 3}), 4);
    ok(!sctp_wire_next_parameter(&reader, &parameter) && reader.overrun, "one shorter than 4");
}

/* ---- writing ---- */

static void writing(void)
{
    uint8_t room[64];
    struct wire_writer writer = wire_writer(room, sizeof room);
    sctp_wire_put_header(&writer, &(struct sctp_header){5000, 9899, 0x12345678});
    uint8_t *init = sctp_wire_begin(&writer, SCTP_CHUNK_INIT, 0);
    sctp_wire_put_parameter(&writer, 0x8008, "abc", 3);
    sctp_wire_end(&writer, init);
    sctp_wire_put_chunk(&writer, 0xfe, 3, "x", 1);
    sctp_wire_put_cause(&writer, SCTP_CHUNK_ABORT, 1, SCTP_CAUSE_USER_ABORT, "bye", 3);
    static const uint8_t expected[] = {HEADER, 1, 0,    0, 12, 0x80, 8,   0,   7,   'a', 'b',
                                       'c',    0, 0xfe, 3, 0,  5,    'x', 0,   0,   0,   6,
                                       1,      0, 11,   0, 12, 0,    7,   'b', 'y', 'e', 0};
    ok(!writer.overrun && writer.at == room + sizeof expected &&
           !memcmp(room, expected, sizeof expected),
       "chunks, parameters and causes, with their padding");
}

static void put_all(struct wire_writer *writer)
{
    sctp_wire_put_header(writer, &(struct sctp_header){1, 2, 3});
    uint8_t *chunk = sctp_wire_begin(writer, SCTP_CHUNK_INIT, 0);
    wire_put_u8(writer, 1);
    sctp_wire_end(writer, chunk);
    sctp_wire_put_parameter(writer, 7, "abcde", 5);
    sctp_wire_put_cause(writer, SCTP_CHUNK_ERROR, 0, 3, NULL, 0);
}

static void without_room(void)
{
    enum { ALL = 12 + 8 + 12 + 8 };
    unsigned wrong = 0;
    for (size_t room = 0; room <= ALL; room++) {
        uint8_t *bytes = check_alloc(room ? room : 1);
        struct wire_writer writer = wire_writer(bytes, room);
        put_all(&writer);
        wrong += writer.overrun != (room < ALL) || writer.at > bytes + room;
        free(bytes);
    }
    ok(!wrong, "nothing is written beyond the room, and that it was short is seen");
    static uint8_t large[70000], zeros[65536];
    struct wire_writer writer = wire_writer(large, sizeof large);
    sctp_wire_put_chunk(&writer, 10, 0, zeros, 65532);
    ok(writer.overrun, "a chunk that its length cannot say is none");
    writer = wire_writer(large, sizeof large);
    sctp_wire_put_chunk(&writer, 10, 0, zeros, 65531);
    ok(!writer.overrun && writer.at == large + 65536 && large[2] == 0xff && large[3] == 0xff,
       "the longest one");
}

int main(void)
{
    packets();
    every_length_of_packet();
    checksum();
    data_chunks();
    sacks();
    inits();
    parameters();
    writing();
    without_room();
    return tap_done();
}
