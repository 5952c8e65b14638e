#include "transport/udp_ahead.h"

#include <string.h>

#include "tests/lib/tap.h"
#include "transport/packet.h"
#include "transport/udp.h"

#define PACKET 1000

static struct udp transport = {.options = {.buffer_bytes = 100000}};
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
    udp_ahead_note(&association.ahead, packet, sizeof packet);
}

int main(void)
{
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
    return tap_done();
}
