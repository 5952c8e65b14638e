/* Any bytes as a probe of a path. A question that is read must be answered by what reads as its
 * answer, and whatever reads as a probe must be what the writer makes of the same fields. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_padding(const uint8_t *packet, size_t length)
{
    must(length >= PROBE_SIZE + 4 && packet[PROBE_SIZE] == SCTP_CHUNK_PAD);
    must((size_t)(packet[PROBE_SIZE + 2] << 8 | packet[PROBE_SIZE + 3]) == length - PROBE_SIZE);
}

/* The parsed probe has all that the packet has. */
static void check_written(const uint8_t *packet, struct packet_ports ports, bool question,
                          const struct probe *probe)
{
    uint8_t again[PROBE_SIZE];
    probe_request(again, PROBE_SIZE, ports, sctp_wire_u32(packet + 4), probe);
    must(!memcmp(again, packet, 8));
    must(!memcmp(again + SCTP_HEADER + 1, packet + SCTP_HEADER + 1, PROBE_SIZE - SCTP_HEADER - 1));
    must(packet[SCTP_HEADER] == (question ? SCTP_CHUNK_HEARTBEAT : SCTP_CHUNK_HEARTBEAT_ACK));
}

static void must_be_equal(const struct probe *a, const struct probe *b)
{
    must(a->flags == b->flags && a->idle == b->idle && a->path == b->path &&
         !memcmp(a->nonce, b->nonce, PROBE_NONCE));
}

static void check_sized(size_t size, struct packet_ports ports, const struct probe *probe)
{
    struct probe read;
    struct sctp_header seen;
    size = PROBE_SIZE + 4 + 4 * (size % 400);
    uint8_t *packet = check_alloc(size);
    probe_request(packet, size, ports, 5, probe);
    must(sctp_wire_check(packet, size, &seen));
    must(probe_read(packet, size, &read) == PROBE_REQUEST);
    must_be_equal(&read, probe);
    free(packet);
}

static void check_question(uint8_t *packet, struct packet_ports ports, const struct probe *probe)
{
    struct probe answer;
    struct sctp_header seen;
    uint8_t before[PROBE_SIZE];
    memcpy(before, packet, sizeof before);
    must(!(probe->flags & PROBE_BY_OURS) && !probe->idle);
    probe_reply(packet, 0x01020304, before[PROBE_SIZE - 1]);
    must(sctp_wire_check(packet, PROBE_SIZE, &seen));
    must(seen.source == ports.destination && seen.destination == ports.source);
    must(sctp_wire_u32(packet + 4) == 0x01020304);
    must(probe_read(packet, PROBE_SIZE, &answer) == PROBE_REPLY);
    must(answer.path == probe->path && !memcmp(answer.nonce, probe->nonce, PROBE_NONCE));
    must(answer.flags == (probe->flags | PROBE_BY_OURS));
    must(answer.idle == before[PROBE_SIZE - 1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sctp_header header;
    struct probe probe;
    if (size < SCTP_HEADER)
        return 0;
    uint8_t *packet = malloc(size);
    must(packet);
    memcpy(packet, data, size);
    sctp_wire_seal(packet, size);
    if (sctp_wire_check(packet, size, &header)) {
        struct packet_ports ports = {header.source, header.destination};
        memset(&probe, 0, sizeof probe);
        enum probe_kind kind = probe_read(packet, size, &probe);
        if (kind == PROBE_REQUEST || kind == PROBE_REPLY)
            check_written(packet, ports, kind == PROBE_REQUEST, &probe);
        if ((kind == PROBE_REQUEST || kind == PROBE_REPLY) && size != PROBE_SIZE)
            check_padding(packet, size);
        must(kind != PROBE_REPLY || size == PROBE_SIZE);
        if (kind == PROBE_REQUEST) {
            check_sized(size, ports, &probe);
            check_question(packet, ports, &probe);
        }
    }
    free(packet);
    return 0;
}
