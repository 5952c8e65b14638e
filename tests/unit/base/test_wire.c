/* Cursors over bytes: values round trip, and an overrun sticks. */
#include "base/wire.h"
#include "tests/lib/tap.h"

static void round_trip(void)
{
    uint8_t bytes[32];
    struct wire_writer w = wire_writer(bytes, sizeof bytes);
    wire_put_u8(&w, 0x12);
    wire_put_u16(&w, 0x3456);
    wire_put_u32(&w, 0x789abcde);
    wire_put_u64(&w, 0xfedcba9876543210);
    wire_put_bytes(&w, "abc", 3);
    ok(!w.overrun && w.at == bytes + 18, "writing takes the widths' sum");
    ok(memcmp(bytes, "\x12\x34\x56\x78\x9a\xbc\xde\xfe", 8) == 0, "the order is big-endian");

    struct wire_reader r = wire_reader(bytes, 18);
    ok(wire_get_u8(&r) == 0x12 && wire_get_u16(&r) == 0x3456 && wire_get_u32(&r) == 0x789abcde &&
           wire_get_u64(&r) == 0xfedcba9876543210,
       "what was written is read");
    ok(wire_left(&r) == 3, "three bytes are left");
    const uint8_t *rest = wire_get_bytes(&r, 3);
    ok(rest && memcmp(rest, "abc", 3) == 0 && wire_left(&r) == 0 && !r.overrun, "and read");
}

static void overrun_sticks(void)
{
    uint8_t bytes[3] = {1, 2, 3};
    struct wire_reader r = wire_reader(bytes, sizeof bytes);
    ok(wire_get_u32(&r) == 0 && r.overrun, "reading past the end gives 0 and is seen");
    ok(wire_get_u8(&r) == 0 && wire_left(&r) == 0 && !wire_get_bytes(&r, 0),
       "and nothing can be read afterwards");

    struct wire_writer w = wire_writer(bytes, sizeof bytes);
    wire_put_u32(&w, 0xffffffff);
    wire_put_u8(&w, 0xff);
    wire_put_bytes(&w, "x", 1);
    ok(w.overrun && bytes[0] == 1, "writing past the end writes nothing, now or later");
    r = wire_reader(bytes, sizeof bytes);
    ok(!wire_get_bytes(&r, SIZE_MAX) && r.overrun, "a huge length does not wrap round");
}

int main(void)
{
    round_trip();
    overrun_sticks();
    return tap_done();
}
