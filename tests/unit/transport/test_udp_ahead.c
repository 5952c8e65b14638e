#include "transport/udp_ahead.h"

#include <string.h>

#include "tests/lib/tap.h"
#include "transport/packet.h"
#include "transport/udp.h"

#define PACKET 1000

static struct udp transport = {.options = {.buffer_bytes = 100000}};
static uint64_t now = 1000000;
static struct udp_association association = {.transport = &transport};

static bool keeps(uint32_t tsn)
{
    uint8_t packet[PACKET] = {[PACKET_HEADER + 2] = (PACKET - PACKET_HEADER) >> 8,
                              [PACKET_HEADER + 3] = (PACKET - PACKET_HEADER) & 0xff};
    for (int i = 0; i < 4; i++)
        packet[PACKET_HEADER + 4 + i] = (uint8_t)(tsn >> (24 - 8 * i));
    return udp_ahead_keep(&association, packet, sizeof packet);
}

static void acknowledge(uint32_t tsn)
{
    uint8_t packet[PACKET_HEADER + 16] = {[PACKET_HEADER] = PACKET_CHUNK_SACK,
                                          [PACKET_HEADER + 3] = 16};
    for (int i = 0; i < 4; i++)
        packet[PACKET_HEADER + 4 + i] = (uint8_t)(tsn >> (24 - 8 * i));
    udp_ahead_note(&association.ahead, packet, sizeof packet, now);
}

/* The TSN of the next that may pass, 0: none. */
static uint32_t next(void)
{
    size_t length;
    const uint8_t *packet = udp_ahead_next(&association.ahead, &length);
    uint32_t tsn = 0;
    return packet && packet_data(packet, length, &tsn) ? tsn : 0;
}

static void bogus_ones(void)
{
    acknowledge(100000);
    ok(keeps(100000 + 4000 + UDP_AHEAD_TSNS + 1) && !association.ahead.bytes,
       "what nobody can have sent is dropped");
    ok(keeps(160000) && keeps(104003) && keeps(104001) && keeps(104002), "one that is far ahead");
    acknowledge(100002);
    ok(next() == 104001 && next() == 104002 && !next(), "does not hold up those that are nearer");
    for (uint32_t tsn = 150000; tsn < 150200; tsn++)
        keeps(tsn);
    size_t full = association.ahead.bytes;
    ok(full > 90000 && keeps(110000) && association.ahead.bytes <= full, "nor takes their room");
    acknowledge(106001);
    ok(next() == 104003 && next() == 110000 && !next(), "the nearer one was kept");
    udp_ahead_tick(&association.ahead, now + UDP_AHEAD_STAYS_US - 1);
    ok(association.ahead.bytes > 0, "what is missing may be sent again for a while");
    udp_ahead_tick(&association.ahead, now + UDP_AHEAD_STAYS_US);
    ok(association.ahead.bytes == 0, "without progress nothing stays");
}

int main(void)
{
    transport.loop = loop_new();
    static const uint8_t heartbeat[PACKET_HEADER + 8] = {[PACKET_HEADER] = PACKET_CHUNK_HEARTBEAT,
                                                         [PACKET_HEADER + 3] = 8};
    udp_ahead_init(&association.ahead);
    ok(!keeps(70000), "before our first SACK everything passes");
    acknowledge(UINT32_MAX - 100);
    ok(!keeps(UINT32_MAX) && !keeps(3800), "what usrsctp's map holds passes");
    ok(!keeps(UINT32_MAX - 5000), "what it has already, too");
    ok(!udp_ahead_keep(&association, heartbeat, sizeof heartbeat), "and what is no data");
    ok(keeps(4096) && association.ahead.bytes >= PACKET, "what it would drop is kept");
    for (uint32_t tsn = 4097; tsn < 4297; tsn++)
        if (!keeps(tsn))
            break;
    ok(association.ahead.bytes > 90000 && association.ahead.bytes <= 101000,
       "no more than the buffer (%zu)", association.ahead.bytes);
    acknowledge(3000);
    ok(!keeps(4300), "when it has caught up, it passes");
    udp_ahead_fini(&association.ahead);
    ok(association.ahead.bytes == 0, "nothing is left");
    bogus_ones();
    udp_ahead_fini(&association.ahead);
    loop_free(transport.loop);
    return tap_done();
}
