#include "transport/udp/packet.h"

uint32_t packet_tag(const uint8_t *packet)
{
    return sctp_wire_u32(packet + 4);
}

bool packet_tag_reflected(const uint8_t *packet)
{
    uint8_t type = packet[SCTP_HEADER];
    return (type == SCTP_CHUNK_ABORT || type == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
           packet[SCTP_HEADER + 1] & SCTP_FLAG_REFLECTED;
}

static size_t padded_length(const uint8_t *chunk)
{
    return sctp_wire_padded(sctp_wire_u16(chunk + 2));
}

uint8_t packet_type(const uint8_t *packet, size_t length)
{
    size_t at = SCTP_HEADER;
    if (packet[at] == SCTP_CHUNK_AUTH && at + padded_length(packet + at) < length)
        at += padded_length(packet + at);
    return packet[at];
}

bool packet_only_moves_data(const uint8_t *packet, size_t length)
{
    for (size_t at = SCTP_HEADER; at < length; at += padded_length(packet + at))
        if (packet[at] != SCTP_CHUNK_DATA && packet[at] != SCTP_CHUNK_SACK &&
            packet[at] != SCTP_CHUNK_PAD && packet[at] != SCTP_CHUNK_AUTH)
            return false;
    return true;
}

unsigned packet_data_count(const uint8_t *packet, size_t length)
{
    unsigned count = 0;
    for (size_t at = SCTP_HEADER; at < length; at += padded_length(packet + at))
        count += packet[at] == SCTP_CHUNK_DATA;
    return count;
}
