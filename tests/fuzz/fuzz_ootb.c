/* Any packet that belongs to nothing: what answer it gets, and how often. The answer is no larger
 * than the packet, gets no answer itself, so that two ends never talk for ever, and nothing that
 * tells of an end or a failure gets one (RFC 9260 section 8.4). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "sctp/listener.h"
#include "transport/udp/answers.h"
#include "transport/udp/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(const uint8_t *packet, size_t length, uint8_t type)
{
    for (size_t at = SCTP_HEADER; at + 4 <= length;
         at += ((size_t)(packet[at + 2] << 8 | packet[at + 3]) + 3) & ~(size_t)3)
        if (packet[at] == type)
            return true;
    return false;
}

static void check_answer(const uint8_t *packet, size_t length, uint8_t *answer, size_t size)
{
    static const uint8_t silent[] = {SCTP_CHUNK_INIT, SCTP_CHUNK_ABORT};
    struct packet_view view;
    uint8_t again[SCTP_REPLY_MAX];
    must(size <= length);
    must(packet_view_read(&view, answer, size));
    must(view.header.source == sctp_wire_u16(packet + 2));
    must(view.header.destination == sctp_wire_u16(packet));
    must(view.header.tag == sctp_wire_u32(packet + 4) && view.is_reflected);
    must(!sctp_listener_ootb(answer, size, again));
    for (size_t i = 0; i < sizeof silent; i++)
        must(!has(packet, length, silent[i]));
    bool shutdown_ack = has(packet, length, SCTP_CHUNK_SHUTDOWN_ACK);
    must(answer[SCTP_HEADER] == (shutdown_ack ? SCTP_CHUNK_SHUTDOWN_COMPLETE : SCTP_CHUNK_ABORT));
    must(shutdown_ack || !has(packet, length, SCTP_CHUNK_COOKIE_ACK));
}

/* The bytes as times that pass, and peers: never more than the burst and what has come back. */
static void check_limit(const uint8_t *data, size_t size)
{
    struct answers_limit limit = {.per_second = ANSWERS_OOTB_PER_SECOND};
    struct wire_reader reader = wire_reader(data, size);
    uint64_t begun = 1000000, now = begun, allowed = 0, latest[4] = {0};
    while (wire_left(&reader) >= 2) {
        uint8_t peer = wire_get_u8(&reader) % 4, step = wire_get_u8(&reader);
        struct path_key key;
        memset(&key, 0, sizeof key);
        key.udp_port = peer;
        now += (uint64_t)step * step;
        if (!answers_limit_allow(&limit, &key, now))
            continue;
        allowed++;
        must(!latest[peer] || limit.latest_us == now);
        latest[peer] = now;
        must(allowed <=
             ANSWERS_OOTB_PER_SECOND + (now - begun) * ANSWERS_OOTB_PER_SECOND / 1000000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sctp_header header;
    uint8_t answer[SCTP_REPLY_MAX];
    check_limit(data, size);
    if (size < SCTP_HEADER)
        return 0;
    uint8_t *packet = malloc(size);
    must(packet);
    memcpy(packet, data, size);
    sctp_wire_seal(packet, size);
    size_t length =
        sctp_wire_check(packet, size, &header) ? sctp_listener_ootb(packet, size, answer) : 0;
    if (length)
        check_answer(packet, size, answer, length);
    free(packet);
    return 0;
}
