/* Probes of paths as bytes. */
#include "transport/udp/probe.h"

#include <string.h>

#include "base/wire.h"

#define INFO_TYPE   1
#define INFO_SIZE   36
#define CHUNK_SIZE  (4 + INFO_SIZE)
#define MARK_AT     (SCTP_HEADER + 8)
#define MARK_SIZE   8
#define FLAGS_AT    (MARK_AT + MARK_SIZE)
#define IDLE_AT     (FLAGS_AT + 1)
#define FLAGS_KNOWN (PROBE_BY_OURS | PROBE_IN_USE)

_Static_assert(SCTP_HEADER + CHUNK_SIZE == PROBE_SIZE, "the layout adds up");

static const uint8_t mark[MARK_SIZE] = {'H', 'W', 'S', 'P', 'R', 'O', 'B', '1'};

/* Only the first chunk is looked at: SCTP itself never sends the mark, whoever bundles it with
 * something else is not one of ours. */
static bool is_marked(const uint8_t *packet, size_t length)
{
    uint8_t type = packet[SCTP_HEADER];
    return (type == SCTP_CHUNK_HEARTBEAT || type == SCTP_CHUNK_HEARTBEAT_ACK) &&
           length >= MARK_AT + MARK_SIZE && !memcmp(packet + MARK_AT, mark, MARK_SIZE);
}

static bool is_padding(const uint8_t *chunk, size_t length)
{
    return length >= 4 && chunk[0] == SCTP_CHUNK_PAD && sctp_wire_u16(chunk + 2) == length;
}

enum probe_kind probe_read(const uint8_t *packet, size_t length, struct probe *probe)
{
    if (!is_marked(packet, length))
        return PROBE_NONE;
    bool padded = length > PROBE_SIZE && is_padding(packet + PROBE_SIZE, length - PROBE_SIZE);
    if (length != PROBE_SIZE && !padded)
        return PROBE_BAD;
    struct wire_reader reader = wire_reader(packet + SCTP_HEADER, CHUNK_SIZE);
    uint8_t type = wire_get_u8(&reader);
    uint8_t chunk_flags = wire_get_u8(&reader);
    bool lengths = wire_get_u16(&reader) == CHUNK_SIZE;
    lengths = wire_get_u16(&reader) == INFO_TYPE && lengths;
    lengths = wire_get_u16(&reader) == INFO_SIZE && lengths;
    wire_get_bytes(&reader, MARK_SIZE);
    probe->flags = wire_get_u8(&reader);
    probe->idle = wire_get_u8(&reader);
    uint16_t reserved = wire_get_u16(&reader);
    probe->path = wire_get_u32(&reader);
    memcpy(probe->nonce, wire_get_bytes(&reader, PROBE_NONCE), PROBE_NONCE);
    bool request = type == SCTP_CHUNK_HEARTBEAT;
    if (!lengths || chunk_flags || reserved || probe->flags & ~FLAGS_KNOWN ||
        (request ? probe->flags & PROBE_BY_OURS || probe->idle : padded))
        return PROBE_BAD;
    return request ? PROBE_REQUEST : PROBE_REPLY;
}

void probe_request(uint8_t *packet, size_t size, struct packet_ports ports, uint32_t tag,
                   const struct probe *probe)
{
    struct wire_writer writer = wire_writer(packet, size);
    sctp_wire_put_header(&writer, &(struct sctp_header){ports.source, ports.destination, tag});
    wire_put_u8(&writer, SCTP_CHUNK_HEARTBEAT);
    wire_put_u8(&writer, 0);
    wire_put_u16(&writer, CHUNK_SIZE);
    wire_put_u16(&writer, INFO_TYPE);
    wire_put_u16(&writer, INFO_SIZE);
    wire_put_bytes(&writer, mark, MARK_SIZE);
    wire_put_u32(&writer, (uint32_t)probe->flags << 24 | (uint32_t)probe->idle << 16);
    wire_put_u32(&writer, probe->path);
    wire_put_bytes(&writer, probe->nonce, PROBE_NONCE);
    if (size > PROBE_SIZE) {
        memset(writer.at, 0, size - PROBE_SIZE);
        *writer.at = SCTP_CHUNK_PAD;
        sctp_wire_store_u16(writer.at + 2, size - PROBE_SIZE);
    }
    sctp_wire_seal(packet, size);
}

void probe_reply(uint8_t packet[PROBE_SIZE], uint32_t tag, uint8_t idle)
{
    uint8_t ports[4];
    memcpy(ports, packet + 2, 2);
    memcpy(ports + 2, packet, 2);
    memcpy(packet, ports, sizeof ports);
    struct wire_writer writer = wire_writer(packet + 4, 4);
    wire_put_u32(&writer, tag);
    packet[SCTP_HEADER] = SCTP_CHUNK_HEARTBEAT_ACK;
    packet[FLAGS_AT] |= PROBE_BY_OURS;
    packet[IDLE_AT] = idle;
    sctp_wire_seal(packet, PROBE_SIZE);
}
