#include "transport/udp_cookie.h"

#include <string.h>

#include "tests/lib/tap.h"
#include "transport/packet.h"
#include "transport/packet_init.h"

/* What usrsctp says: an INIT ACK with a cookie of so many bytes behind another parameter. */
static size_t init_ack(uint8_t *packet, size_t cookie)
{
    size_t length = 12 + 20 + 8 + 4 + cookie;
    memset(packet, 0, length + 4);
    packet[1] = packet[3] = packet[7] = 1;
    packet[12] = PACKET_CHUNK_INIT_ACK;
    packet[14] = (uint8_t)((length - 12) >> 8);
    packet[15] = (uint8_t)(length - 12);
    packet[32] = 0x80;
    packet[33] = 8;
    packet[35] = 5;
    packet[41] = 7;
    packet[42] = (uint8_t)((4 + cookie) >> 8);
    packet[43] = (uint8_t)(4 + cookie);
    for (size_t i = 0; i < cookie; i++)
        packet[44 + i] = (uint8_t)(i * 7);
    return length;
}

/* COOKIE ECHO with the token of an INIT ACK, and COOKIE ACK behind it. */
static size_t cookie_echo(const uint8_t *answer, size_t length, uint8_t *packet)
{
    static const uint8_t behind[] = {11, 0, 0, 4};
    size_t size;
    const uint8_t *cookie = packet_init_cookie(answer, length, &size);
    memset(packet, 1, 12);
    memcpy(packet + 12, (const uint8_t[]){PACKET_CHUNK_COOKIE_ECHO, 0, 0, (uint8_t)(4 + size)}, 4);
    memcpy(packet + 16, cookie, size);
    memcpy(packet + 16 + size, behind, sizeof behind);
    return 16 + size + sizeof behind;
}

static void there_and_back(size_t cookie)
{
    uint8_t answer[4096], original[4096], echo[100], whole[4096];
    struct udp_cookie self = {.asked_tag = 5};
    struct packet_ports ports;
    size_t length = init_ack(answer, cookie);
    memcpy(original, answer, length);
    bool shorter = udp_cookie_shorten(&self, answer, &length, 1000);
    ok(shorter && length == 12 + 20 + 8 + 4 + UDP_COOKIE_TOKEN &&
           packet_check(answer, length, &ports) == PACKET_OTHER && self.asked_tag == 5 &&
           self.answer_length == length && !memcmp(self.answer, answer, length),
       "a cookie of %zu bytes becomes 16, and the answer is kept", cookie);
    size_t size = cookie_echo(answer, length, echo);
    length = udp_cookie_restore(&self, echo, size, whole, sizeof whole);
    packet_seal(whole, length);
    ok(length == 16 + (cookie + 3) / 4 * 4 + 4 && !memcmp(whole + 16, original + 44, cookie) &&
           whole[length - 4] == 11 && packet_check(whole, length, &ports) == PACKET_COOKIE_ECHO,
       "and comes back whole, with what is behind it");
    ok(!udp_cookie_restore(&self, echo, size, whole, length - 1), "not without room for it");
    unsigned taken = 0;
    for (int i = 0; i < 128; i++) {
        echo[16 + i / 8] ^= (uint8_t)(1 << i % 8);
        taken += udp_cookie_restore(&self, echo, size, whole, sizeof whole) > 0;
        echo[16 + i / 8] ^= (uint8_t)(1 << i % 8);
    }
    ok(!taken, "a token with one wrong bit is none");
    udp_cookie_fini(&self);
    ok(!udp_cookie_restore(&self, echo, size, whole, sizeof whole), "nor one that is over");
}

static void other_parameters(void)
{
    uint8_t answer[4096];
    struct udp_cookie self = {0};
    struct packet_ports ports;
    size_t length = init_ack(answer, 300), size = 0;
    ok(udp_cookie_shorten(&self, answer, &length, 59) && length == 52 &&
           packet_check(answer, length, &ports) == PACKET_OTHER &&
           packet_init_cookie(answer, length, &size) == answer + 36 && size == UDP_COOKIE_TOKEN,
       "what does not fit otherwise goes without its other parameters");
    udp_cookie_fini(&self);
}

int main(void)
{
    other_parameters();
    there_and_back(200);
    there_and_back(203);
    there_and_back(3000);
    uint8_t packet[100], none[] = {0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 10, 0, 0, 20,
                                   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0};
    struct udp_cookie self = {0};
    size_t length = init_ack(packet, 12);
    ok(!udp_cookie_shorten(&self, packet, &length, 1000),
       "a cookie shorter than a token is not ours");
    ok(!udp_cookie_restore(&self, none, sizeof none, packet, sizeof packet),
       "before there is one nobody has it, with zeros neither");
    return tap_done();
}
