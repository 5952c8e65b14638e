/* Packets that are larger than the path takes go in fragments. */
#include "transport/udp/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "transport/udp/packet.h"

#define MARK_AT    (SCTP_HEADER + 4)
#define MARK_SIZE  8
#define PACKET_MAX 65536

static const uint8_t mark[MARK_SIZE] = {'H', 'W', 'S', 'P', 'I', 'E', 'C', '1'};

/* ---- dividing ---- */

struct divider {
    const uint8_t *packet;
    size_t limit;
    udp_fragments_emit *emit;
    void *context;
    uint8_t *out; /* PACKET_MAX bytes */
};

/* Chunks as a packet of their own. */
static size_t make_packet(struct divider *self, const uint8_t *chunks, size_t length)
{
    memcpy(self->out, self->packet, SCTP_HEADER);
    memcpy(self->out + SCTP_HEADER, chunks, length);
    sctp_wire_seal(self->out, SCTP_HEADER + length);
    return SCTP_HEADER + length;
}

static void emit_chunks(struct divider *self, const uint8_t *chunks, size_t length)
{
    if (length)
        self->emit(self->context, self->out, make_packet(self, chunks, length));
}

static void emit_fragment(const struct divider *self, size_t whole, size_t fragment, uint16_t index,
                          uint32_t number)
{
    uint8_t packet[PACKET_MAX];
    size_t at = index * fragment, part = whole - at < fragment ? whole - at : fragment;
    size_t length = UDP_FRAGMENT_HEADER + part;
    memcpy(packet, self->packet, SCTP_HEADER);
    struct wire_writer writer = wire_writer(packet + SCTP_HEADER, length - SCTP_HEADER);
    wire_put_u8(&writer, SCTP_CHUNK_PAD);
    wire_put_u8(&writer, 0);
    wire_put_u16(&writer, (uint16_t)(length - SCTP_HEADER));
    wire_put_bytes(&writer, mark, MARK_SIZE);
    wire_put_u32(&writer, number);
    wire_put_u16(&writer, (uint16_t)whole);
    wire_put_u16(&writer, (uint16_t)fragment);
    wire_put_u16(&writer, index);
    wire_put_u16(&writer, 0);
    wire_put_bytes(&writer, self->out + at, part);
    sctp_wire_seal(packet, length);
    self->emit(self->context, packet, length);
}

static void emit_fragments(struct divider *self, const uint8_t *chunk, size_t length,
                           uint32_t number)
{
    size_t whole = make_packet(self, chunk, length);
    size_t fragment = (self->limit - UDP_FRAGMENT_HEADER) & ~(size_t)3;
    for (uint16_t index = 0; index * fragment < whole; index++)
        emit_fragment(self, whole, fragment, index, number);
}

/* Of what must stay together: a MAC is over all that follows it. */
static size_t chunk_length(const uint8_t *chunk, size_t left)
{
    if (chunk[0] == SCTP_CHUNK_AUTH)
        return left;
    size_t padded = sctp_wire_padded(sctp_wire_u16(chunk + 2));
    return padded < 4 || padded > left ? left : padded;
}

void udp_fragments_divide(const uint8_t *packet, size_t length, size_t limit, uint32_t *number,
                          udp_fragments_emit *emit, void *context)
{
    must(limit >= 576);
    if (length >= PACKET_MAX)
        return;
    uint8_t out[PACKET_MAX];
    struct divider self = {packet, limit, emit, context, out};
    size_t first = SCTP_HEADER; /* not yet emitted */
    for (size_t at = SCTP_HEADER, size; at < length; at += size) {
        size = length - at < 4 ? length - at : chunk_length(packet + at, length - at);
        if (SCTP_HEADER + at + size - first <= limit)
            continue;
        emit_chunks(&self, packet + first, at - first);
        first = at;
        if (SCTP_HEADER + size <= limit)
            continue;
        if (number)
            emit_fragments(&self, packet + at, size, ++*number);
        else
            emit_chunks(&self, packet + at, size);
        first = at + size;
    }
    emit_chunks(&self, packet + first, length - first);
}

/* ---- reassembly ---- */

void udp_reassembly_fini(struct udp_reassembly *self)
{
    free(self->bytes);
    *self = (struct udp_reassembly){0};
}

struct fragment {
    uint32_t number;
    uint16_t whole, fragment, index;
    const uint8_t *bytes;
    size_t length;
};

static bool read_fragment(const uint8_t *packet, size_t length, struct fragment *fragment)
{
    if (length <= UDP_FRAGMENT_HEADER)
        return false;
    size_t size = sctp_wire_u16(packet + SCTP_HEADER + 2);
    if (SCTP_HEADER + sctp_wire_padded(size) < length || SCTP_HEADER + size <= UDP_FRAGMENT_HEADER)
        return false; /* something behind it, or nothing in it */
    struct wire_reader reader =
        wire_reader(packet + MARK_AT + MARK_SIZE, SCTP_HEADER + size - MARK_AT - MARK_SIZE);
    fragment->number = wire_get_u32(&reader);
    fragment->whole = wire_get_u16(&reader);
    fragment->fragment = wire_get_u16(&reader);
    fragment->index = wire_get_u16(&reader);
    bool reserved = wire_get_u16(&reader) == 0;
    fragment->length = wire_left(&reader);
    fragment->bytes = wire_get_bytes(&reader, fragment->length);
    size_t at = (size_t)fragment->index * fragment->fragment;
    if (!reserved || !fragment->fragment || fragment->index >= UDP_FRAGMENTS_MAX ||
        at >= fragment->whole || (size_t)fragment->fragment * UDP_FRAGMENTS_MAX < fragment->whole)
        return false;
    size_t left = fragment->whole - at;
    return fragment->length == (left < fragment->fragment ? left : fragment->fragment);
}

static void begin(struct udp_reassembly *self, const struct fragment *fragment)
{
    udp_reassembly_fini(self);
    self->bytes = check_alloc(fragment->whole);
    self->number = fragment->number;
    self->length = fragment->whole;
    self->fragment = fragment->fragment;
    unsigned count = (fragment->whole + fragment->fragment - 1u) / fragment->fragment;
    for (unsigned i = 0; i < count; i++)
        self->missing[i / 64] |= 1ull << i % 64;
}

enum udp_fragment udp_reassembly_take(struct udp_reassembly *self, const uint8_t *packet,
                                      size_t length, uint8_t **whole, size_t *whole_length)
{
    struct fragment fragment;
    if (packet[SCTP_HEADER] != SCTP_CHUNK_PAD || length < MARK_AT + MARK_SIZE ||
        memcmp(packet + MARK_AT, mark, MARK_SIZE) != 0)
        return UDP_FRAGMENT_NONE;
    if (!read_fragment(packet, length, &fragment))
        return UDP_FRAGMENT_BAD;
    if (!self->bytes || self->number != fragment.number || self->length != fragment.whole ||
        self->fragment != fragment.fragment)
        begin(self, &fragment);
    uint64_t bit = 1ull << fragment.index % 64;
    if (!(self->missing[fragment.index / 64] & bit))
        return UDP_FRAGMENT_TAKEN; /* once more; or the packet is complete already */
    self->missing[fragment.index / 64] &= ~bit;
    memcpy(self->bytes + (size_t)fragment.index * fragment.fragment, fragment.bytes,
           fragment.length);
    for (unsigned i = 0; i < UDP_FRAGMENTS_MAX / 64; i++)
        if (self->missing[i])
            return UDP_FRAGMENT_TAKEN;
    *whole = self->bytes;
    *whole_length = self->length;
    return UDP_FRAGMENT_LAST;
}
