#include "transport/udp_cookie.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "transport/packet.h"
#include "transport/packet_init.h"

/* Of a COOKIE ECHO that begins a packet: its length, its value. */
#define LENGTH_AT (PACKET_HEADER + 2)
#define VALUE_AT  (PACKET_HEADER + 4)

/* Of an INIT ACK. */
#define PARAMETERS_AT (PACKET_HEADER + 20)

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static size_t padded(size_t length)
{
    return (length + 3) & ~(size_t)3;
}

static uint8_t *copy_of(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = check_alloc(length);
    memcpy(copy, bytes, length);
    return copy;
}

void udp_cookie_fini(struct udp_cookie *self)
{
    free(self->bytes);
    free(self->answer);
    *self = (struct udp_cookie){0};
}

bool udp_cookie_shorten(struct udp_cookie *self, uint8_t *packet, size_t *length, size_t most)
{
    size_t cookie_length;
    const uint8_t *cookie = packet_init_cookie(packet, *length, &cookie_length);
    if (!cookie || cookie_length < UDP_COOKIE_TOKEN)
        return false;
    uint32_t asked_tag = self->asked_tag;
    udp_cookie_fini(self);
    must(getrandom(self->token, sizeof self->token, 0) == sizeof self->token);
    self->bytes = copy_of(cookie, cookie_length);
    self->length = cookie_length;
    size_t at = (size_t)(cookie - packet);
    if (at + UDP_COOKIE_TOKEN > most) {
        memcpy(packet + PARAMETERS_AT, packet + at - 4, 4);
        at = PARAMETERS_AT + 4;
    }
    memcpy(packet + at, self->token, UDP_COOKIE_TOKEN);
    put16(packet + at - 2, 4 + UDP_COOKIE_TOKEN);
    *length = at + UDP_COOKIE_TOKEN;
    put16(packet + LENGTH_AT, *length - PACKET_HEADER);
    packet_seal(packet, *length);
    self->answer = copy_of(packet, *length);
    self->answer_length = *length;
    self->asked_tag = asked_tag;
    return true;
}

/* Not a comparison that ends early: how much of a guess was right is nobody's business. */
static bool is_token(const struct udp_cookie *self, const uint8_t *value)
{
    uint8_t differs = 0;
    for (size_t i = 0; i < UDP_COOKIE_TOKEN; i++)
        differs |= (uint8_t)(self->token[i] ^ value[i]);
    return !differs;
}

size_t udp_cookie_restore(const struct udp_cookie *self, const uint8_t *packet, size_t length,
                          uint8_t *whole, size_t room)
{
    size_t size = (size_t)packet[LENGTH_AT] << 8 | packet[LENGTH_AT + 1];
    size_t behind = VALUE_AT + UDP_COOKIE_TOKEN;
    if (!self->bytes || size != 4 + UDP_COOKIE_TOKEN || !is_token(self, packet + VALUE_AT))
        return 0;
    size_t head = VALUE_AT + padded(self->length), rest = length - behind;
    if (head + rest > room)
        return 0;
    memset(whole, 0, head);
    memcpy(whole, packet, VALUE_AT);
    put16(whole + LENGTH_AT, 4 + self->length);
    memcpy(whole + VALUE_AT, self->bytes, self->length);
    memcpy(whole + head, packet + behind, rest);
    return head + rest;
}
