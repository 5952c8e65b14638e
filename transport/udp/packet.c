/* An SCTP packet as the paths of an association see it. */
#include "transport/udp/packet.h"

static bool is_reflected(const uint8_t *chunk)
{
    return (chunk[0] == SCTP_CHUNK_ABORT || chunk[0] == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
           chunk[1] & SCTP_FLAG_REFLECTED;
}

static const uint8_t *behind(const uint8_t *chunk)
{
    return chunk + sctp_wire_padded(sctp_wire_u16(chunk + 2));
}

bool packet_view_read(struct packet_view *self, uint8_t *bytes, size_t length)
{
    const uint8_t *first = bytes + SCTP_HEADER, *end = bytes + length;
    if (!sctp_wire_check(bytes, length, &self->header))
        return false;
    self->bytes = bytes;
    self->length = length;
    self->first = *first;
    self->type = *first == SCTP_CHUNK_AUTH && behind(first) < end ? *behind(first) : *first;
    self->is_reflected = is_reflected(first);
    return true;
}

bool packet_view_only_moves_data(const struct packet_view *self)
{
    const uint8_t *end = self->bytes + self->length;
    for (const uint8_t *chunk = self->bytes + SCTP_HEADER; chunk < end; chunk = behind(chunk))
        if (*chunk != SCTP_CHUNK_DATA && *chunk != SCTP_CHUNK_SACK && *chunk != SCTP_CHUNK_PAD &&
            *chunk != SCTP_CHUNK_AUTH)
            return false;
    return true;
}

bool packet_view_has_data(const struct packet_view *self)
{
    const uint8_t *end = self->bytes + self->length;
    for (const uint8_t *chunk = self->bytes + SCTP_HEADER; chunk < end; chunk = behind(chunk))
        if (*chunk == SCTP_CHUNK_DATA)
            return true;
    return false;
}
