/* Any bytes as an SCTP packet, with a checksum that holds. A packet that sctp_wire_check lets
 * through is walked again by rules written anew, and must agree with the view of
 * transport/udp/packet.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The content of a packet, found by another way. */
struct walk {
    unsigned chunks, data, others;
    uint8_t first; /* that is not AUTH; AUTH if the one behind it is, too, or there is none */
};

static void walk_chunk(struct walk *w, uint8_t type)
{
    w->data += type == SCTP_CHUNK_DATA;
    w->others += type != SCTP_CHUNK_DATA && type != SCTP_CHUNK_SACK && type != SCTP_CHUNK_AUTH &&
                 type != SCTP_CHUNK_PAD;
    if (!w->chunks || (w->chunks == 1 && w->first == SCTP_CHUNK_AUTH))
        w->first = type;
    w->chunks++;
}

static struct walk walk_packet(const uint8_t *packet, size_t length)
{
    struct walk w = {0};
    for (size_t at = SCTP_HEADER; at < length;) {
        must(length - at >= 4);
        size_t size = sctp_wire_u16(packet + at + 2);
        must(size >= 4 && size <= length - at);
        walk_chunk(&w, packet[at]);
        at += (size + 3) & ~(size_t)3;
    }
    must(w.chunks > 0);
    return w;
}

static void check_packet(const struct packet_view *view)
{
    const uint8_t *packet = view->bytes, first = packet[SCTP_HEADER];
    struct walk w = walk_packet(packet, view->length);
    must(view->header.source == sctp_wire_u16(packet) && view->header.source);
    must(view->header.destination == sctp_wire_u16(packet + 2) && view->header.destination);
    must(view->header.tag == sctp_wire_u32(packet + 4));
    must(view->first == first && view->type == w.first);
    must(packet_view_only_moves_data(view) == (w.others == 0));
    must(packet_view_has_data(view) == (w.data > 0));
    must(view->is_reflected ==
         ((first == SCTP_CHUNK_ABORT || first == SCTP_CHUNK_SHUTDOWN_COMPLETE) &&
          (packet[SCTP_HEADER + 1] & 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_view view;
    uint8_t *packet = calloc(1, size + 1), *before = malloc(size + 1);
    must(packet && before);
    if (size)
        memcpy(packet, data, size);
    bool sealed = size >= SCTP_HEADER;
    if (sealed)
        sctp_wire_seal(packet, size);
    memcpy(before, packet, size);
    bool good = packet_view_read(&view, packet, size);
    must(!memcmp(before, packet, size));
    if (good) {
        must(sealed);
        check_packet(&view);
        packet[8] ^= 1;
        must(!packet_view_read(&view, packet, size));
    }
    free(packet);
    free(before);
    return 0;
}
