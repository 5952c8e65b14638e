/* CRC32c: known values, every length, by every method of the processor. */
#include "sctp/crc32c.h"

#include <endian.h>
#include <string.h>

#include "tests/lib/tap.h"

/* RFC 3720 appendix B.4. */
static void known_values(void)
{
    uint8_t data[32];
    memset(data, 0, sizeof data);
    ok(crc32c_compute(data, 32) == htole32(0x8a9136aa), "32 bytes of zeros");
    memset(data, 0xff, sizeof data);
    ok(crc32c_compute(data, 32) == htole32(0x62a8ab43), "32 bytes of ones");
    for (unsigned i = 0; i < 32; i++)
        data[i] = (uint8_t)i;
    ok(crc32c_compute(data, 32) == htole32(0x46dd794e), "32 bytes that count up");
    ok(crc32c_portable(data, 32) == htole32(0x46dd794e), "the same in portable C");
    ok(crc32c_compute("123456789", 9) == htole32(0xe3069283), "the check value");
}

static uint32_t bit_by_bit(const uint8_t *data, size_t length)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return htole32(~crc);
}

/* All lengths up to a few rounds of the short streams, some around the long ones, at every
 * alignment. */
static void every_length(void)
{
    static uint8_t data[40000];
    uint32_t random = (uint32_t)tap_seed();
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525 + 1013904223;
        data[i] = (uint8_t)(random >> 24);
    }
    unsigned wrong = 0;
    for (size_t length = 0; length < 2000; length++)
        wrong += crc32c_compute(data + length % 8, length) != bit_by_bit(data + length % 8, length);
    ok(!wrong, "lengths below 2000");
    for (size_t length = 6100; length < 39900; length += 331)
        wrong += crc32c_compute(data + length % 8, length) != bit_by_bit(data + length % 8, length);
    for (size_t length = 4000; length < 4700; length++)
        wrong +=
            crc32c_compute(data + length % 64, length) != bit_by_bit(data + length % 64, length);
    ok(!wrong, "lengths of large packets");
    for (size_t length = 0; length < 2000; length += 7)
        wrong += crc32c_portable(data + 1, length) != bit_by_bit(data + 1, length);
    ok(!wrong, "in portable C");
}

/* With any content of the checksum field, which is left as it is. */
static void packets(void)
{
    uint8_t packet[9000], cleared[sizeof packet];
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)(i * 7 + 1);
    memcpy(cleared, packet, sizeof packet);
    memset(cleared + CRC32C_FIELD_END - 4, 0, 4);
    for (size_t length = CRC32C_FIELD_END; length < sizeof packet; length += 1 + length / 100)
        wrong += crc32c_packet(packet, length) != crc32c_compute(cleared, length);
    ok(!wrong, "packets are summed as if their checksum were zero");
}

int main(void)
{
    known_values();
    every_length();
    packets();
    return tap_done();
}
