/* Frames as bytes: headers, lengths, payloads. */
#include "mux/frame.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/tap.h"

static uint8_t bytes[MUX_RECORD_MAX + 64];

static enum err parse(const void *data, size_t length, enum frame_channel channel,
                      struct frame *frame)
{
    struct wire_reader r = wire_reader(data, length);
    return frame_next(&r, channel, frame);
}

static void test_header(void)
{
    static const uint8_t data[] = {5, 77, 0, 3, 'a', 'b', 'c', 9};
    struct frame frame;
    ok(parse(data, sizeof data, FRAME_ON_STREAM, &frame) == ERR_OK && frame.type == FRAME_DATA &&
           frame.lease == 77 && frame.length == 3 && frame.payload == data + 4,
       "type, lease, length, payload");
    for (size_t length = 0; length < 7; length++)
        ok(parse(data, length, FRAME_ON_STREAM, &frame) == ERR_FRAME_LENGTH, "cut at %zu", length);
    ok(parse(data, sizeof data, FRAME_ON_CONTROL, &frame) == ERR_FRAME_UNKNOWN,
       "F1: not a control frame");
}

/* Every type with every length around its limits. */
static void test_lengths(void)
{
    static const struct {
        const char *name;
        enum frame_channel channel;
        unsigned type, min, max;
    } rows[] = {
#define FRAME_ROW(name, code, channel, min, max, phases)                                           \
    {#name, FRAME_ON_##channel, code, min, max},
#include "mux/frames.def"
#undef FRAME_ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool right = true;
        for (unsigned length = 0; length <= rows[i].max + 1; length++) {
            struct wire_writer w = wire_writer(bytes, sizeof bytes);
            frame_put(&w, (enum frame_type)rows[i].type, 0, length);
            struct frame frame;
            enum err e = parse(bytes, sizeof bytes, rows[i].channel, &frame);
            bool fits = length >= rows[i].min && length <= rows[i].max;
            right &= e == (fits ? ERR_OK : ERR_FRAME_LENGTH);
        }
        ok(right, "F2: %s has %u to %u bytes", rows[i].name, rows[i].min, rows[i].max);
        ok(strcmp(frame_type_name((uint8_t)rows[i].type), rows[i].name) == 0, "and its name");
    }
}

static void test_unknown(void)
{
    unsigned known = 0;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t data[MUX_RECORD_MAX] = {(uint8_t)type, 0, 0, 8};
        struct frame frame;
        enum err e = parse(data, sizeof data, FRAME_ON_STREAM, &frame);
        known += e != ERR_FRAME_UNKNOWN;
        if (e != ERR_FRAME_UNKNOWN && (type < 1 || type > 8))
            known += 100;
    }
    ok(known == 8, "F1: 8 types on a stream, all others are unknown");
    ok(!frame_type_name(0) && !frame_type_name(200), "and have no name");
}

static void test_open(void)
{
    char service[MUX_SERVICE_NAME_MAX + 1], client[MUX_TEXT_MAX + 1];
    memset(service, 'Z', sizeof service);
    service[MUX_SERVICE_NAME_MAX] = '\0';
    memset(client, '\xff', sizeof client);
    client[MUX_TEXT_MAX] = '\0';
    const struct mux_open opens[] = {
        {1, "a", ""}, {UINT64_MAX, service, client}, {42, "a.b-C_9", "[::1]:5"}};
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        uint8_t payload[FRAME_OPEN_MAX];
        struct frame frame = {.payload = payload,
                              .length = (uint16_t)frame_encode_open(payload, &opens[i])};
        struct frame_open out;
        ok(frame_is_open(&opens[i]) && frame_get_open(&frame, &out) == ERR_OK &&
               out.connection == opens[i].connection && !strcmp(out.service, opens[i].service) &&
               !strcmp(out.client, opens[i].client),
           "OPEN %zu there and back", i);
    }
}

static void refuse_open(const char *what, enum err expected, const void *payload, size_t length)
{
    struct frame frame = {.payload = payload, .length = (uint16_t)length};
    struct frame_open out;
    enum err e = frame_get_open(&frame, &out);
    ok(e == expected, "OPEN with %s: %s", what, err_name(e));
}
#define REFUSE_OPEN(what, expected, text) refuse_open(what, expected, text, sizeof text - 1)
#define ID                                "\0\0\0\0\0\0\0\1"

static void test_bad_open(void)
{
    REFUSE_OPEN("nothing wrong", ERR_OK, ID "\1a\2xy");
    REFUSE_OPEN("connection 0", ERR_FRAME_VALUE, "\0\0\0\0\0\0\0\0\1a\0");
    REFUSE_OPEN("an empty name", ERR_FRAME_VALUE, ID "\0\1x");
    REFUSE_OPEN("a space in the name", ERR_FRAME_VALUE, ID "\3a b\0");
    REFUSE_OPEN("a NUL in the name", ERR_FRAME_VALUE, ID "\3a\0b\0");
    REFUSE_OPEN("a slash in the name", ERR_FRAME_VALUE, ID "\3a/b\0");
    REFUSE_OPEN("a NUL in the text", ERR_FRAME_VALUE, ID "\1a\3x\0y");
    REFUSE_OPEN("a name beyond the end", ERR_FRAME_LENGTH, ID "\4abc");
    REFUSE_OPEN("a text beyond the end", ERR_FRAME_LENGTH, ID "\1a\3xy");
    REFUSE_OPEN("bytes behind the text", ERR_FRAME_LENGTH, ID "\1a\2xyz");
    REFUSE_OPEN("a name of 64", ERR_FRAME_VALUE,
                ID "\100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0");
}

static void test_refuse(void)
{
    char text[400];
    memset(text, 't', sizeof text);
    text[sizeof text - 1] = '\0';
    uint8_t payload[FRAME_REFUSE_MAX];
    struct frame_refuse out;
    struct frame frame = {.payload = payload};
    frame.length = (uint16_t)frame_encode_refuse(payload, ERR_SERVICE_BUSY, text);
    ok(frame_get_refuse(&frame, &out) == ERR_OK && out.why == ERR_SERVICE_BUSY &&
           strlen(out.text) == MUX_TEXT_MAX,
       "REFUSE there and back, the text cut at %d", MUX_TEXT_MAX);
    frame.length--;
    ok(frame_get_refuse(&frame, &out) == ERR_FRAME_LENGTH, "too short for its text");
    frame.length = (uint16_t)frame_encode_refuse(payload, ERR_SERVICE_BUSY, NULL);
    ok(frame.length == 3 && !frame_get_refuse(&frame, &out) && !out.text[0], "no text");
    frame.length++;
    ok(frame_get_refuse(&frame, &out) == ERR_FRAME_LENGTH, "bytes behind the text");
}

static void test_numbers(void)
{
    struct wire_writer w = wire_writer(bytes, sizeof bytes);
    frame_put_number(&w, FRAME_CREDIT, 3, UINT64_C(0x0102030405060708));
    frame_put_number(&w, FRAME_RESET, 3, 0x1234);
    ok(w.at == bytes + 12 + 6 && bytes[4] == 1 && bytes[16] == 0x12, "big-endian, own widths");
    struct wire_reader r = wire_reader(bytes, 18);
    struct frame frame;
    ok(!frame_next(&r, FRAME_ON_STREAM, &frame) &&
           frame_number(&frame) == UINT64_C(0x0102030405060708) &&
           !frame_next(&r, FRAME_ON_STREAM, &frame) && frame_number(&frame) == 0x1234,
       "there and back");
    w = wire_writer(bytes, 12);
    ok(frame_fits(&w, 8) && !frame_fits(&w, 9), "what fits");
}

int main(void)
{
    test_header();
    test_lengths();
    test_unknown();
    test_open();
    test_bad_open();
    test_refuse();
    test_numbers();
    return tap_done();
}
