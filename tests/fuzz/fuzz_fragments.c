/* Packets in fragments (docs/PROTOCOL.md, P13). The input as a script of fragments of a peer, then
 * as chunks of a packet that is divided: each part fits and is well formed, and reassembly them
 * gives every chunk back, in order. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wire.h"
#include "transport/udp/fragments.h"
#include "transport/udp/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT_MIN  576
#define PACKET_MAX 60000

/* ---- reassembly what anybody may send ---- */

static void take(struct udp_reassembly *reassembly, const uint8_t *bytes, size_t length)
{
    struct sctp_header ports;
    uint8_t *packet = malloc(length), *whole = NULL;
    size_t whole_length = 0;
    must(packet);
    memcpy(packet, bytes, length);
    sctp_wire_seal(packet, length);
    if (sctp_wire_check(packet, length, &ports) &&
        udp_reassembly_take(reassembly, packet, length, &whole, &whole_length) ==
            UDP_FRAGMENT_LAST) {
        must(whole && whole_length && whole_length == reassembly->length);
        uint8_t *copy = malloc(whole_length); /* all of it is there */
        must(copy);
        memcpy(copy, whole, whole_length);
        free(copy);
    }
    free(packet);
}

/* Number, length of the packet, of the fragment, its number, then its bytes as a run. */
static void join_script(struct wire_reader script)
{
    struct udp_reassembly reassembly = {0};
    uint8_t packet[UDP_FRAGMENT_HEADER + 1200];
    for (unsigned i = 0; i < 300 && wire_left(&script); i++) {
        unsigned size = wire_get_u8(&script) * 4u, whole = wire_get_u16(&script);
        uint8_t number = wire_get_u8(&script), index = wire_get_u8(&script);
        struct wire_writer w = wire_writer(packet, sizeof packet);
        wire_put_u64(&w, 0x26ab26ac00000005);
        wire_put_u32(&w, 0);
        wire_put_u8(&w, SCTP_CHUNK_PAD);
        wire_put_u8(&w, 0);
        wire_put_u16(&w, UDP_FRAGMENT_HEADER - SCTP_HEADER + size - (number & 0x80 ? 1u : 0u));
        wire_put_bytes(&w, "HWSPIEC1", 8);
        wire_put_u32(&w, number & 3u);
        wire_put_u16(&w, whole);
        wire_put_u16(&w, number & 0x40 ? wire_get_u16(&script) : size);
        wire_put_u16(&w, index);
        wire_put_u16(&w, number & 0x20 ? 1 : 0);
        memset(w.at, index, size);
        take(&reassembly, packet, UDP_FRAGMENT_HEADER + size);
    }
    udp_reassembly_fini(&reassembly);
}

/* ---- dividing, and reassembly that ---- */

struct received {
    struct udp_reassembly reassembly;
    size_t limit, length;
    bool joins, too_large;     /* a chunk that may not be cut */
    uint8_t bytes[PACKET_MAX]; /* chunks in the order of their arrival */
};

static void add_chunks(struct received *r, const uint8_t *packet, size_t length)
{
    must(r->length + length - SCTP_HEADER <= sizeof r->bytes);
    memcpy(r->bytes + r->length, packet + SCTP_HEADER, length - SCTP_HEADER);
    r->length += length - SCTP_HEADER;
}

static void on_emit(void *context, uint8_t *packet, size_t length)
{
    struct received *r = context;
    struct sctp_header ports;
    uint8_t *whole;
    size_t whole_length;
    must(sctp_wire_check(packet, length, &ports) && sctp_wire_u32(packet + 4) == 5);
    must(length <= r->limit || !r->joins);
    switch (udp_reassembly_take(&r->reassembly, packet, length, &whole, &whole_length)) {
    case UDP_FRAGMENT_NONE:
        add_chunks(r, packet, length);
        break;
    case UDP_FRAGMENT_LAST:
        must(sctp_wire_check(whole, whole_length, &ports));
        add_chunks(r, whole, whole_length);
        break;
    case UDP_FRAGMENT_TAKEN:
        break;
    case UDP_FRAGMENT_BAD:
        must(!"a fragment of ours is bad");
    }
}

/* DATA, PAD and AUTH chunks, of sizes that the script gives. */
static size_t make_packet(struct wire_reader *script, uint8_t *packet)
{
    struct wire_writer w = wire_writer(packet, PACKET_MAX);
    wire_put_u64(&w, 0x26ab26ac00000005);
    wire_put_u32(&w, 0);
    do {
        uint8_t kind = wire_get_u8(script);
        size_t size = 20 + wire_get_u16(script) % 3000u * (kind & 0x80 ? 8 : 1);
        bool auth = (kind & 0x0f) == 15;
        size = auth ? 28 : size;
        if ((size_t)(w.end - w.at) < size + 4)
            break;
        uint8_t *chunk = w.at;
        memset(chunk, kind, (size + 3) & ~(size_t)3);
        memset(chunk + size, 0, -size & 3);
        w.at += (size + 3) & ~(size_t)3;
        chunk[0] = auth ? SCTP_CHUNK_AUTH : kind & 1 ? SCTP_CHUNK_PAD : SCTP_CHUNK_DATA;
        chunk[1] = 0;
        chunk[2] = (uint8_t)(size >> 8);
        chunk[3] = (uint8_t)size;
    } while (wire_left(script));
    return (size_t)(w.at - packet);
}

static void divide(struct wire_reader script)
{
    static struct received r;
    static uint8_t packet[PACKET_MAX];
    r = (struct received){.limit = LIMIT_MIN + wire_get_u16(&script) % 2000u};
    r.joins = wire_get_u8(&script) & 1;
    size_t length = make_packet(&script, packet);
    uint32_t number = 0xffffffff;
    if (length <= SCTP_HEADER)
        return;
    uint8_t *exact = malloc(length);
    must(exact);
    memcpy(exact, packet, length);
    udp_fragments_divide(exact, length, r.limit, r.joins ? &number : NULL, on_emit, &r);
    must(r.length == length - SCTP_HEADER);
    must(!memcmp(r.bytes, exact + SCTP_HEADER, r.length));
    udp_reassembly_fini(&r.reassembly);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct udp_reassembly reassembly = {0};
    join_script(wire_reader(data, size));
    divide(wire_reader(data, size));
    if (size >= SCTP_HEADER)
        take(&reassembly, data, size);
    udp_reassembly_fini(&reassembly);
    return 0;
}
