#include "transport/packet_init.h"

#include <string.h>

#include "base/wire.h"
#include "transport/packet.h"

#define FIXED         20 /* of the chunk, with its header */
#define PARAMETERS_AT (PACKET_HEADER + FIXED)
#define WINDOW_MIN    1500 /* section 3.3.2: a_rwnd */

/* Section 3.3.2.1, RFC 4895 section 3, RFC 5061 section 4.2.7. */
enum parameter {
    PARAMETER_COOKIE = 7,
    PARAMETER_RANDOM = 0x8002,
    PARAMETER_CHUNKS = 0x8003,
    PARAMETER_HMACS = 0x8004,
    PARAMETER_EXTENSIONS = 0x8008,
};
/* Of a type that is not known: those behind it are not looked at (section 3.2.1). */
#define STOPS_WITHOUT 0x8000

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The longest that is meant, with its header; 0: not wanted here. A list of chunks has a byte for
 * each type that is defined, a list of HMACs two for each; RANDOM has 32 bytes (RFC 4895 section
 * 3.1). */
static size_t most_of(unsigned type, bool is_ack, bool auth)
{
    if (type == PARAMETER_COOKIE)
        return is_ack ? PACKET_INIT_ACK_MAX : 0;
    if (!auth)
        return 0;
    switch (type) {
    case PARAMETER_RANDOM:
    case PARAMETER_EXTENSIONS:
    case PARAMETER_CHUNKS:
        return 4 + 32;
    case PARAMETER_HMACS:
        return 4 + 16;
    default:
        return 0;
    }
}

/* Those of section 3.3.2.1 and 3.3.3.1 that have no upper bit, and may be skipped. */
static bool is_known(unsigned type)
{
    return type == 1 || (type >= 5 && type <= 12);
}

static bool is_plausible(const uint8_t *packet)
{
    struct wire_reader reader = wire_reader(packet + PACKET_HEADER + 4, FIXED - 4);
    bool tag = wire_get_u32(&reader) != 0;
    bool window = wire_get_u32(&reader) >= WINDOW_MIN;
    bool out = wire_get_u16(&reader) > 0;
    return wire_get_u16(&reader) > 0 && out && window && tag;
}

/* A bit for each of the wanted types, to find the second of one. */
static unsigned bit_of(unsigned type)
{
    return type == PARAMETER_COOKIE ? 1u : 1u << (type & 15);
}

/* What of the parameters is wanted moves to the front. Returns where it ends, without the padding
 * of the last; 0: something is wrong. */
static size_t keep_wanted(uint8_t *packet, size_t end, bool is_ack, bool auth)
{
    unsigned seen = 0;
    size_t to = PARAMETERS_AT, kept = PARAMETERS_AT;
    for (size_t at = PARAMETERS_AT, size; at + 4 <= end; at += size) {
        unsigned type = get16(packet + at);
        size_t bytes = get16(packet + at + 2), most = most_of(type, is_ack, auth);
        size = (bytes + 3) & ~(size_t)3;
        if (!most && !is_known(type) && !(type & STOPS_WITHOUT))
            break;
        if (!most)
            continue;
        if (bytes > most || bytes == 4 || seen & bit_of(type))
            return 0;
        seen |= bit_of(type);
        memset(packet + kept, 0, to - kept); /* padding */
        memmove(packet + to, packet + at, bytes);
        kept = to + bytes;
        to += size;
    }
    return is_ack && !(seen & bit_of(PARAMETER_COOKIE)) ? 0 : kept;
}

bool packet_init_trim(uint8_t *packet, size_t *length, bool auth)
{
    bool is_ack = packet[PACKET_HEADER] == PACKET_CHUNK_INIT_ACK;
    size_t end = PACKET_HEADER + get16(packet + PACKET_HEADER + 2);
    if (*length > (is_ack ? PACKET_INIT_ACK_MAX : PACKET_INIT_MAX) || !is_plausible(packet))
        return false;
    end = keep_wanted(packet, end, is_ack, auth);
    if (!end)
        return false;
    put16(packet + PACKET_HEADER + 2, end - PACKET_HEADER);
    *length = end;
    return true;
}

uint32_t packet_init_tag(const uint8_t *packet)
{
    struct wire_reader reader = wire_reader(packet + PACKET_HEADER + 4, 4);
    return wire_get_u32(&reader);
}

const uint8_t *packet_init_cookie(const uint8_t *packet, size_t length, size_t *cookie_length)
{
    for (size_t at = PARAMETERS_AT; at + 4 <= length;) {
        size_t bytes = get16(packet + at + 2);
        if (bytes < 4 || bytes > length - at)
            return NULL;
        if (get16(packet + at) == PARAMETER_COOKIE) {
            *cookie_length = bytes - 4;
            return packet + at + 4;
        }
        at += (bytes + 3) & ~(size_t)3;
    }
    return NULL;
}
