/* Packets that are larger than the path takes go in pieces. */
#include "transport/udp/pieces.h"

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
    udp_pieces_emit *emit;
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

static void emit_piece(const struct divider *self, size_t whole, size_t piece, uint16_t index,
                       uint32_t number)
{
    uint8_t packet[PACKET_MAX];
    size_t at = index * piece, part = whole - at < piece ? whole - at : piece;
    size_t length = UDP_PIECE_HEADER + part;
    memcpy(packet, self->packet, SCTP_HEADER);
    struct wire_writer writer = wire_writer(packet + SCTP_HEADER, length - SCTP_HEADER);
    wire_put_u8(&writer, SCTP_CHUNK_PAD);
    wire_put_u8(&writer, 0);
    wire_put_u16(&writer, (uint16_t)(length - SCTP_HEADER));
    wire_put_bytes(&writer, mark, MARK_SIZE);
    wire_put_u32(&writer, number);
    wire_put_u16(&writer, (uint16_t)whole);
    wire_put_u16(&writer, (uint16_t)piece);
    wire_put_u16(&writer, index);
    wire_put_u16(&writer, 0);
    wire_put_bytes(&writer, self->out + at, part);
    sctp_wire_seal(packet, length);
    self->emit(self->context, packet, length);
}

static void emit_in_pieces(struct divider *self, const uint8_t *chunk, size_t length,
                           uint32_t number)
{
    size_t whole = make_packet(self, chunk, length);
    size_t piece = (self->limit - UDP_PIECE_HEADER) & ~(size_t)3;
    for (uint16_t index = 0; index * piece < whole; index++)
        emit_piece(self, whole, piece, index, number);
}

/* Of what must stay together: a MAC is over all that follows it. */
static size_t chunk_length(const uint8_t *chunk, size_t left)
{
    if (chunk[0] == SCTP_CHUNK_AUTH)
        return left;
    size_t padded = sctp_wire_padded(sctp_wire_u16(chunk + 2));
    return padded < 4 || padded > left ? left : padded;
}

void udp_pieces_divide(const uint8_t *packet, size_t length, size_t limit, uint32_t *number,
                       udp_pieces_emit *emit, void *context)
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
            emit_in_pieces(&self, packet + at, size, ++*number);
        else
            emit_chunks(&self, packet + at, size);
        first = at + size;
    }
    emit_chunks(&self, packet + first, length - first);
}

/* ---- joining ---- */

void udp_joining_fini(struct udp_joining *self)
{
    free(self->bytes);
    *self = (struct udp_joining){0};
}

struct piece {
    uint32_t number;
    uint16_t whole, piece, index;
    const uint8_t *bytes;
    size_t length;
};

static bool read_piece(const uint8_t *packet, size_t length, struct piece *piece)
{
    if (length <= UDP_PIECE_HEADER)
        return false;
    size_t size = sctp_wire_u16(packet + SCTP_HEADER + 2);
    if (SCTP_HEADER + sctp_wire_padded(size) < length || SCTP_HEADER + size <= UDP_PIECE_HEADER)
        return false; /* something behind it, or nothing in it */
    struct wire_reader reader =
        wire_reader(packet + MARK_AT + MARK_SIZE, SCTP_HEADER + size - MARK_AT - MARK_SIZE);
    piece->number = wire_get_u32(&reader);
    piece->whole = wire_get_u16(&reader);
    piece->piece = wire_get_u16(&reader);
    piece->index = wire_get_u16(&reader);
    bool reserved = wire_get_u16(&reader) == 0;
    piece->length = wire_left(&reader);
    piece->bytes = wire_get_bytes(&reader, piece->length);
    size_t at = (size_t)piece->index * piece->piece;
    if (!reserved || !piece->piece || piece->index >= UDP_PIECES_MAX || at >= piece->whole ||
        (size_t)piece->piece * UDP_PIECES_MAX < piece->whole)
        return false;
    size_t left = piece->whole - at;
    return piece->length == (left < piece->piece ? left : piece->piece);
}

static void begin(struct udp_joining *self, const struct piece *piece)
{
    udp_joining_fini(self);
    self->bytes = check_alloc(piece->whole);
    self->number = piece->number;
    self->length = piece->whole;
    self->piece = piece->piece;
    unsigned count = (piece->whole + piece->piece - 1u) / piece->piece;
    for (unsigned i = 0; i < count; i++)
        self->missing[i / 64] |= 1ull << i % 64;
}

enum udp_piece udp_joining_take(struct udp_joining *self, const uint8_t *packet, size_t length,
                                uint8_t **whole, size_t *whole_length)
{
    struct piece piece;
    if (packet[SCTP_HEADER] != SCTP_CHUNK_PAD || length < MARK_AT + MARK_SIZE ||
        memcmp(packet + MARK_AT, mark, MARK_SIZE) != 0)
        return UDP_PIECE_NONE;
    if (!read_piece(packet, length, &piece))
        return UDP_PIECE_BAD;
    if (!self->bytes || self->number != piece.number || self->length != piece.whole ||
        self->piece != piece.piece)
        begin(self, &piece);
    uint64_t bit = 1ull << piece.index % 64;
    if (!(self->missing[piece.index / 64] & bit))
        return UDP_PIECE_TAKEN; /* once more; or the packet is complete already */
    self->missing[piece.index / 64] &= ~bit;
    memcpy(self->bytes + (size_t)piece.index * piece.piece, piece.bytes, piece.length);
    for (unsigned i = 0; i < UDP_PIECES_MAX / 64; i++)
        if (self->missing[i])
            return UDP_PIECE_TAKEN;
    *whole = self->bytes;
    *whole_length = self->length;
    return UDP_PIECE_LAST;
}
