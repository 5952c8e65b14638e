#include "transport/packet.h"

#include <string.h>

#include "base/wire.h"

/* A SACK of neither gaps nor duplicates. */
#define SACK_PLAIN 16
/* In a packet that begins with a SACK (section 3.3.4): how many gap ack blocks there are, and they.
 */
#define GAPS_AT   (PACKET_HEADER + 12)
#define BLOCKS_AT (PACKET_HEADER + SACK_PLAIN)

#define CHECKSUM_AT 8

/* RFC 9260 section 3.2, table of chunk types, beside enum packet_chunk. */
#define CHUNK_SHUTDOWN 7

/* What a chunk must be: its fixed part with the header, and what follows that part. */
enum tail {
    TAIL_NONE,     /* nothing: the length is exact */
    TAIL_ANY,      /* bytes */
    TAIL_TLV,      /* parameters or causes: 16 bits of type, 16 of length, value, padding */
    TAIL_MAC,      /* of SHA-1 or SHA-256 */
    TAIL_SACK,     /* as many blocks and duplicates as the fixed part says */
    TAIL_NOT_OURS, /* not a chunk that we accept */
};
struct chunk_rule {
    uint16_t fixed;
    enum tail tail;
    bool alone; /* section 6.10: never bundled */
};

static struct chunk_rule rule_of(uint8_t type)
{
    switch (type) {
    case PACKET_CHUNK_DATA:
        return (struct chunk_rule){17, TAIL_ANY, false}; /* at least one byte of data */
    case PACKET_CHUNK_INIT:
    case PACKET_CHUNK_INIT_ACK:
        return (struct chunk_rule){20, TAIL_TLV, true};
    case PACKET_CHUNK_SACK:
        return (struct chunk_rule){16, TAIL_SACK, false};
    case PACKET_CHUNK_HEARTBEAT:
    case PACKET_CHUNK_HEARTBEAT_ACK:
    case PACKET_CHUNK_ABORT:
    case PACKET_CHUNK_ERROR:
        return (struct chunk_rule){4, TAIL_TLV, false};
    case CHUNK_SHUTDOWN:
        return (struct chunk_rule){8, TAIL_NONE, false};
    case PACKET_CHUNK_SHUTDOWN_ACK:
    case PACKET_CHUNK_COOKIE_ACK:
        return (struct chunk_rule){4, TAIL_NONE, false};
    case PACKET_CHUNK_SHUTDOWN_COMPLETE:
        return (struct chunk_rule){4, TAIL_NONE, true};
    case PACKET_CHUNK_AUTH:
        return (struct chunk_rule){8, TAIL_MAC, false};
    case PACKET_CHUNK_COOKIE_ECHO:
    case PACKET_CHUNK_PAD:
        return (struct chunk_rule){4, TAIL_ANY, false};
    default:
        return (struct chunk_rule){0, TAIL_NOT_OURS, false};
    }
}

static bool tlvs_add_up(const uint8_t *at, size_t left)
{
    while (left) {
        if (left < 4)
            return false;
        size_t length = (size_t)at[2] << 8 | at[3];
        if (length < 4 || length > left)
            return false;
        size_t padded = (length + 3) & ~(size_t)3;
        if (padded >= left)
            return true;
        at += padded;
        left -= padded;
    }
    return true;
}

static bool sack_adds_up(const uint8_t *chunk, size_t length)
{
    size_t gaps = (size_t)chunk[12] << 8 | chunk[13],
           duplicates = (size_t)chunk[14] << 8 | chunk[15];
    return length == 16 + 4 * (gaps + duplicates);
}

static bool chunk_adds_up(const uint8_t *chunk, size_t length, struct chunk_rule rule)
{
    if (length < rule.fixed)
        return false;
    switch (rule.tail) {
    case TAIL_NONE:
        return length == rule.fixed;
    case TAIL_ANY:
        return true;
    case TAIL_TLV:
        return tlvs_add_up(chunk + rule.fixed, length - rule.fixed);
    case TAIL_MAC:
        return length - rule.fixed == 20 || length - rule.fixed == 32;
    case TAIL_SACK:
        return sack_adds_up(chunk, length);
    case TAIL_NOT_OURS:
        return false;
    }
    return false;
}

static bool chunks_add_up(const uint8_t *at, const uint8_t *end)
{
    for (unsigned count = 1; at < end; count++) {
        size_t left = (size_t)(end - at);
        if (left < 4)
            return false;
        size_t length = (size_t)at[2] << 8 | at[3];
        struct chunk_rule rule = rule_of(at[0]);
        if (length > left || !chunk_adds_up(at, length, rule))
            return false;
        size_t padded = (length + 3) & ~(size_t)3;
        bool last = padded >= left;
        if (rule.alone && (count > 1 || !last))
            return false;
        if (last)
            return true;
        at += padded;
    }
    return false;
}

static bool checksum_holds(uint8_t *packet, size_t length)
{
    uint32_t carried;
    memcpy(&carried, packet + CHECKSUM_AT, sizeof carried);
    memset(packet + CHECKSUM_AT, 0, sizeof carried);
    uint32_t computed = crc32c_compute(packet, length);
    memcpy(packet + CHECKSUM_AT, &carried, sizeof carried);
    return computed == carried;
}

enum packet_kind packet_check(uint8_t *packet, size_t length, struct packet_ports *ports)
{
    if (length < PACKET_HEADER + 4)
        return PACKET_BAD;
    struct wire_reader reader = wire_reader(packet, PACKET_HEADER);
    ports->source = wire_get_u16(&reader);
    ports->destination = wire_get_u16(&reader);
    uint32_t tag = wire_get_u32(&reader);
    if (!ports->source || !ports->destination)
        return PACKET_BAD;
    uint8_t first = packet[PACKET_HEADER];
    if ((first == PACKET_CHUNK_INIT) != (tag == 0))
        return PACKET_BAD; /* section 8.5.1: tag 0 is for INIT, and INIT only */
    if (!chunks_add_up(packet + PACKET_HEADER, packet + length) || !checksum_holds(packet, length))
        return PACKET_BAD;
    return first == PACKET_CHUNK_INIT          ? PACKET_INIT
           : first == PACKET_CHUNK_COOKIE_ECHO ? PACKET_COOKIE_ECHO
                                               : PACKET_OTHER;
}

/* ---- of packets that add up ---- */

uint32_t packet_tag(const uint8_t *packet)
{
    struct wire_reader reader = wire_reader(packet + 4, 4);
    return wire_get_u32(&reader);
}

bool packet_tag_reflected(const uint8_t *packet)
{
    uint8_t type = packet[PACKET_HEADER];
    return (type == PACKET_CHUNK_ABORT || type == PACKET_CHUNK_SHUTDOWN_COMPLETE) &&
           packet[PACKET_HEADER + 1] & 1;
}

static size_t padded_length(const uint8_t *chunk)
{
    return (((size_t)chunk[2] << 8 | chunk[3]) + 3) & ~(size_t)3;
}

bool packet_has_auth(const uint8_t *packet, size_t length)
{
    for (size_t at = PACKET_HEADER; at + 4 <= length; at += padded_length(packet + at))
        if (packet[at] == PACKET_CHUNK_AUTH)
            return true;
    return false;
}

/* Where the first chunk is that is not AUTH. */
static const uint8_t *first_chunk(const uint8_t *packet, size_t length)
{
    size_t at = PACKET_HEADER;
    if (packet[at] == PACKET_CHUNK_AUTH && at + padded_length(packet + at) < length)
        at += padded_length(packet + at);
    return packet + at;
}

uint8_t packet_type(const uint8_t *packet, size_t length)
{
    return *first_chunk(packet, length);
}

bool packet_only_moves_data(const uint8_t *packet, size_t length)
{
    for (size_t at = PACKET_HEADER; at + 4 <= length; at += padded_length(packet + at))
        if (packet[at] != PACKET_CHUNK_DATA && packet[at] != PACKET_CHUNK_SACK &&
            packet[at] != PACKET_CHUNK_PAD && packet[at] != PACKET_CHUNK_AUTH)
            return false;
    return true;
}

uint32_t packet_cumulative(const uint8_t *packet, size_t length)
{
    struct wire_reader reader = wire_reader(first_chunk(packet, length) + 4, 4);
    return wire_get_u32(&reader);
}

bool packet_data(const uint8_t *packet, size_t length, uint32_t *tsn)
{
    for (size_t at = PACKET_HEADER; at + 8 <= length; at += padded_length(packet + at)) {
        if (packet[at] == PACKET_CHUNK_DATA) {
            struct wire_reader reader = wire_reader(packet + at + 4, 4);
            *tsn = wire_get_u32(&reader);
            return true;
        }
        if (padded_length(packet + at) == 0)
            break;
    }
    return false;
}

unsigned packet_data_count(const uint8_t *packet, size_t length)
{
    unsigned count = 0;
    for (size_t at = PACKET_HEADER; at + 4 <= length; at += padded_length(packet + at))
        count += packet[at] == PACKET_CHUNK_DATA;
    return count;
}

enum packet_sack packet_sack_kind(const uint8_t *packet, size_t length)
{
    if (PACKET_HEADER + padded_length(packet + PACKET_HEADER) < length)
        return PACKET_SACK_WITH_OTHERS;
    return length == PACKET_HEADER + SACK_PLAIN ? PACKET_SACK_PLAIN : PACKET_SACK_GAPS;
}

void packet_sack_lengthen(const uint8_t *packet, uint8_t longer[PACKET_SACK_LONGER])
{
    static const uint8_t counts[] = {0, 1, 0, 0}, gap[] = {0, 2, 0, 1};
    uint8_t *chunk = longer + PACKET_HEADER;
    memcpy(longer, packet, PACKET_HEADER + SACK_PLAIN);
    chunk[3] = PACKET_SACK_LONGER - PACKET_HEADER;
    memcpy(chunk + SACK_PLAIN - sizeof counts, counts, sizeof counts);
    memcpy(chunk + SACK_PLAIN, gap, sizeof gap);
}

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

bool packet_sack_has_gaps(const uint8_t *packet)
{
    return packet[PACKET_HEADER] == PACKET_CHUNK_SACK && get16(packet + GAPS_AT) > 0;
}

void packet_sack_date(const uint8_t *packet, size_t length, uint32_t cumulative, uint8_t *copy)
{
    memcpy(copy, packet, length);
    struct wire_writer writer = wire_writer(copy + PACKET_HEADER + 4, 4);
    wire_put_u32(&writer, cumulative);
}

size_t packet_sack_hold(const uint8_t *packet, size_t length, uint32_t cumulative, uint8_t *held)
{
    uint32_t back = packet_cumulative(packet, length) - cumulative;
    unsigned size = get16(packet + PACKET_HEADER + 2) + PACKET_SACK_BLOCK;
    unsigned gaps = get16(packet + GAPS_AT);
    if (back > UINT16_MAX || size > UINT16_MAX)
        return 0;
    packet_sack_date(packet, BLOCKS_AT, cumulative, held);
    put16(held + PACKET_HEADER + 2, size);
    put16(held + GAPS_AT, gaps + 1);
    put16(held + BLOCKS_AT, 1);
    put16(held + BLOCKS_AT + 2, back);
    memcpy(held + BLOCKS_AT + PACKET_SACK_BLOCK, packet + BLOCKS_AT, length - BLOCKS_AT);
    for (uint8_t *at = held + BLOCKS_AT + PACKET_SACK_BLOCK; gaps--; at += PACKET_SACK_BLOCK) {
        if (get16(at) + back > UINT16_MAX || get16(at + 2) + back > UINT16_MAX)
            return 0;
        put16(at, get16(at) + back);
        put16(at + 2, get16(at + 2) + back);
    }
    return length + PACKET_SACK_BLOCK;
}

static bool is_unsent(const struct packet_tsn *sent, uint32_t tsn)
{
    return !sent->any || (int32_t)(tsn - sent->highest) > 0;
}

static bool sack_acknowledges_unsent(const uint8_t *chunk, const struct packet_tsn *sent)
{
    struct wire_reader reader = wire_reader(chunk + 4, 4);
    uint32_t cumulative = wire_get_u32(&reader);
    if (is_unsent(sent, cumulative))
        return true;
    const uint8_t *block = chunk + SACK_PLAIN;
    for (unsigned gaps = get16(chunk + GAPS_AT - PACKET_HEADER); gaps--; block += PACKET_SACK_BLOCK)
        if (is_unsent(sent, cumulative + get16(block + 2)))
            return true;
    return false;
}

bool packet_acknowledges_unsent(const uint8_t *packet, size_t length, const struct packet_tsn *sent)
{
    for (size_t at = PACKET_HEADER; at + 4 <= length; at += padded_length(packet + at))
        if (packet[at] == PACKET_CHUNK_SACK && sack_acknowledges_unsent(packet + at, sent))
            return true;
    return false;
}

unsigned packet_repeats(struct packet_tsn *sent, const uint8_t *packet, size_t length, bool *data)
{
    unsigned repeated = 0;
    *data = false;
    for (size_t at = PACKET_HEADER, size; at + 8 <= length; at += size) {
        size = padded_length(packet + at);
        if (size == 0)
            break;
        if (packet[at] != PACKET_CHUNK_DATA)
            continue;
        struct wire_reader reader = wire_reader(packet + at + 4, 4);
        uint32_t tsn = wire_get_u32(&reader);
        *data = true;
        if (sent->any && (int32_t)(tsn - sent->highest) <= 0) {
            repeated++;
        } else {
            sent->any = true;
            sent->highest = tsn;
        }
    }
    return repeated;
}

void packet_seal(uint8_t *packet, size_t length)
{
    memset(packet + CHECKSUM_AT, 0, 4);
    uint32_t computed = crc32c_compute(packet, length);
    memcpy(packet + CHECKSUM_AT, &computed, sizeof computed);
}
