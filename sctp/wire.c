/* SCTP packets read and written. */
#include "sctp/wire.h"

#include "sctp/crc32c.h"

#define CHECKSUM_AT 8

/* ---- reading ---- */

static bool chunks_add_up(const uint8_t *at, size_t left)
{
    while (left) {
        size_t length = sctp_wire_u16(at + 2);
        if (length < SCTP_CHUNK_HEADER || length > left)
            return false;
        at += sctp_wire_padded(length);
        left -= sctp_wire_padded(length);
    }
    return true;
}

bool sctp_wire_check(const uint8_t *packet, size_t length, struct sctp_header *header)
{
    if (length < SCTP_HEADER + SCTP_CHUNK_HEADER || length % 4)
        return false;
    header->source = sctp_wire_u16(packet);
    header->destination = sctp_wire_u16(packet + 2);
    header->tag = sctp_wire_u32(packet + 4);
    if (!header->source || !header->destination ||
        !chunks_add_up(packet + SCTP_HEADER, length - SCTP_HEADER))
        return false;
    uint32_t carried;
    memcpy(&carried, packet + CHECKSUM_AT, sizeof carried);
    return crc32c_packet(packet, length) == carried;
}

struct wire_reader sctp_wire_chunks(const uint8_t *packet, size_t length)
{
    return wire_reader(packet + SCTP_HEADER, length - SCTP_HEADER);
}

/* Chunks and parameters: four bytes, of which the last two are the length of both with the value;
 * the padding of the last one may be missing. */
static const uint8_t *next_item(struct wire_reader *reader, size_t *length)
{
    size_t left = wire_left(reader);
    if (!left)
        return NULL;
    const uint8_t *item = reader->at;
    *length = left < SCTP_CHUNK_HEADER ? 0 : sctp_wire_u16(item + 2);
    if (*length < SCTP_CHUNK_HEADER || *length > left) {
        reader->overrun = true;
        return NULL;
    }
    reader->at += sctp_wire_padded(*length) < left ? sctp_wire_padded(*length) : left;
    *length -= SCTP_CHUNK_HEADER;
    return item;
}

bool sctp_wire_next_chunk(struct wire_reader *chunks, struct sctp_chunk *chunk)
{
    const uint8_t *whole = next_item(chunks, &chunk->length);
    if (!whole)
        return false;
    chunk->type = whole[0];
    chunk->flags = whole[1];
    chunk->whole = whole;
    chunk->value = whole + SCTP_CHUNK_HEADER;
    return true;
}

bool sctp_wire_next_parameter(struct wire_reader *reader, struct sctp_parameter *parameter)
{
    const uint8_t *whole = next_item(reader, &parameter->length);
    if (!whole)
        return false;
    parameter->type = sctp_wire_u16(whole);
    parameter->whole = whole;
    parameter->value = whole + SCTP_CHUNK_HEADER;
    return true;
}

bool sctp_wire_read_data(const struct sctp_chunk *chunk, struct sctp_data *data)
{
    const size_t fixed = SCTP_DATA_HEADER - SCTP_CHUNK_HEADER;
    if (chunk->length < fixed)
        return false;
    data->tsn = sctp_wire_u32(chunk->value);
    data->stream = sctp_wire_u16(chunk->value + 4);
    data->ssn = sctp_wire_u16(chunk->value + 6);
    data->ppid = sctp_wire_u32(chunk->value + 8);
    data->begins = chunk->flags & SCTP_FLAG_BEGIN;
    data->ends = chunk->flags & SCTP_FLAG_END;
    data->bytes = chunk->value + fixed;
    data->length = chunk->length - fixed;
    return true;
}

bool sctp_wire_read_sack(const struct sctp_chunk *chunk, struct sctp_sack *sack)
{
    const size_t fixed = SCTP_SACK_HEADER - SCTP_CHUNK_HEADER;
    if (chunk->length < fixed)
        return false;
    sack->cumulative = sctp_wire_u32(chunk->value);
    sack->window = sctp_wire_u32(chunk->value + 4);
    sack->gap_count = sctp_wire_u16(chunk->value + 8);
    sack->duplicate_count = sctp_wire_u16(chunk->value + 10);
    sack->gaps = chunk->value + fixed;
    sack->duplicates = sack->gaps + 4 * (size_t)sack->gap_count;
    return chunk->length == fixed + 4 * ((size_t)sack->gap_count + sack->duplicate_count);
}

bool sctp_wire_find(struct wire_reader parameters, uint16_t type, struct sctp_parameter *found)
{
    while (sctp_wire_next_parameter(&parameters, found))
        if (found->type == type)
            return true;
    return false;
}

bool sctp_wire_is_stale_cookie(const struct sctp_chunk *error)
{
    struct sctp_parameter cause;
    return sctp_wire_find(wire_reader(error->value, error->length), SCTP_CAUSE_STALE_COOKIE,
                          &cause);
}

bool sctp_wire_adds_up(struct wire_reader parameters)
{
    struct sctp_parameter parameter;
    while (sctp_wire_next_parameter(&parameters, &parameter))
        continue;
    return !parameters.overrun;
}

bool sctp_wire_read_init(const struct sctp_chunk *chunk, struct sctp_init *init)
{
    struct wire_reader reader = wire_reader(chunk->value, chunk->length);
    init->tag = wire_get_u32(&reader);
    init->window = wire_get_u32(&reader);
    init->streams_out = wire_get_u16(&reader);
    init->streams_in = wire_get_u16(&reader);
    init->tsn = wire_get_u32(&reader);
    init->parameters = reader;
    return !reader.overrun && sctp_wire_adds_up(reader);
}

/* ---- writing ---- */

/* Once for each packet: by wire_put, byte by byte, it took a third more time. */
void sctp_wire_put_header(struct wire_writer *writer, const struct sctp_header *header)
{
    if (writer->overrun || writer->end - writer->at < SCTP_HEADER) {
        writer->overrun = true;
        return;
    }
    uint8_t *at = sctp_wire_store_u16(writer->at, header->source);
    at = sctp_wire_store_u16(at, header->destination);
    at = sctp_wire_store_u32(at, header->tag);
    memset(at, 0, 4);
    writer->at = at + 4;
}

static uint8_t *begin_item(struct wire_writer *writer, uint16_t head)
{
    uint8_t *item = writer->at;
    wire_put_u16(writer, head);
    wire_put_u16(writer, 0);
    return writer->overrun ? NULL : item;
}

uint8_t *sctp_wire_begin(struct wire_writer *writer, uint8_t type, uint8_t flags)
{
    return begin_item(writer, (uint16_t)(type << 8 | flags));
}

void sctp_wire_end(struct wire_writer *writer, uint8_t *chunk)
{
    static const uint8_t zeros[3];
    if (writer->overrun || !chunk)
        return;
    size_t length = (size_t)(writer->at - chunk);
    if (length > UINT16_MAX) {
        writer->overrun = true;
        return;
    }
    sctp_wire_store_u16(chunk + 2, length);
    wire_put_bytes(writer, zeros, sctp_wire_padded(length) - length);
}

void sctp_wire_put_chunk(struct wire_writer *writer, uint8_t type, uint8_t flags, const void *value,
                         size_t length)
{
    uint8_t *chunk = sctp_wire_begin(writer, type, flags);
    wire_put_bytes(writer, value, length);
    sctp_wire_end(writer, chunk);
}

void sctp_wire_put_parameter(struct wire_writer *writer, uint16_t type, const void *value,
                             size_t length)
{
    uint8_t *parameter = begin_item(writer, type);
    wire_put_bytes(writer, value, length);
    sctp_wire_end(writer, parameter);
}

void sctp_wire_put_cause(struct wire_writer *writer, uint8_t type, uint8_t flags, uint16_t cause,
                         const void *value, size_t length)
{
    uint8_t *chunk = sctp_wire_begin(writer, type, flags);
    wire_put_u16(writer, cause);
    wire_put_u16(writer, SCTP_CHUNK_HEADER + length);
    wire_put_bytes(writer, value, length);
    sctp_wire_end(writer, chunk);
}

void sctp_wire_seal(uint8_t *packet, size_t length)
{
    uint32_t computed = crc32c_packet(packet, length);
    memcpy(packet + CHECKSUM_AT, &computed, sizeof computed);
}
