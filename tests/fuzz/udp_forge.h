/* tests/fuzz/udp_forge.h: packets of somebody who means harm, made from a script: whole chunks with
 * fields that fit what was seen, packets of the past with changes, and the answer to a cookie. */
#pragma once

#include "tests/fuzz/udp_world.h"
#include "transport/udp/fragments.h"
#include "transport/udp/probe.h"

/* Of a packet, and room for what does not fit any more. */
#define FORGE_MOST 60000
#define FORGE_MAX  (FORGE_MOST + 36000)

/* The knowledge of an observer of the wire. Index: 0 what goes to the server, 1 what goes to the
 * client; tag[0] is the one that packets to the server carry. */
struct forge_flow {
    uint32_t tag[2], tsn[2];
    uint8_t cookie[1200];
    size_t cookie_size;
};

/* The honest association, and the one of a stranger who answers for himself. */
static struct forge {
    struct forge_flow honest, own;
    uint16_t honest_port; /* SCTP port of the client */
    uint32_t seen[256];   /* tags of INIT and INIT ACK: each INIT ACK has another */
    unsigned seen_count;
    bool blind; /* off the path: no tag that is right */
} forge;

#define FORGE_OWN_TAG  0x0badcafe
#define FORGE_OWN_TSN  1000
#define FORGE_OWN_PORT 40000

static uint32_t forge_get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void forge_put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void forge_put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* ---- what the wire tells ---- */

static void learn_cookie(struct forge_flow *flow, const uint8_t *packet, size_t length)
{
    for (size_t at = SCTP_HEADER + 20; at + 4 <= length;) {
        size_t size = (size_t)packet[at + 2] << 8 | packet[at + 3];
        if (size < 4 || at + size > length)
            return;
        if (packet[at] == 0 && packet[at + 1] == 7 && size - 4 <= sizeof flow->cookie) {
            flow->cookie_size = size - 4;
            memcpy(flow->cookie, packet + at + 4, size - 4);
        }
        at += (size + 3) & ~(size_t)3;
    }
}

static void forge_on_sent(const struct world_packet *sent)
{
    const uint8_t *p = sent->bytes;
    bool to_stranger = world_is_stranger(&sent->to) >= 0;
    if (sent->length < SCTP_HEADER + 16 || (to_stranger && forge.blind))
        return; /* the owner of the address got the answer */
    bool to_client = p[0] == 9899 >> 8 && p[1] == (9899 & 0xff);
    struct forge_flow *flow = to_stranger ? &forge.own : &forge.honest;
    uint8_t type = p[SCTP_HEADER];
    if (type == SCTP_CHUNK_INIT || type == SCTP_CHUNK_INIT_ACK)
        forge.seen[forge.seen_count++ % 256] = forge_get32(p + SCTP_HEADER + 4);
    if (type == SCTP_CHUNK_INIT && !to_client) {
        flow->tag[1] = forge_get32(p + SCTP_HEADER + 4);
        forge.honest_port = (uint16_t)(p[0] << 8 | p[1]);
    }
    if (type == SCTP_CHUNK_INIT_ACK && to_client) {
        flow->tag[0] = forge_get32(p + SCTP_HEADER + 4);
        flow->tsn[1] = forge_get32(p + SCTP_HEADER + 16);
        learn_cookie(flow, p, sent->length);
    }
    if (type == SCTP_CHUNK_DATA)
        flow->tsn[to_client] = forge_get32(p + SCTP_HEADER + 4);
}

/* ---- chunks ---- */

struct draft {
    uint8_t bytes[FORGE_MAX];
    size_t length;
    const struct forge_flow *flow;
    bool to_client;
};

static uint8_t *add_bytes(struct draft *d, size_t size)
{
    if (d->length + size > FORGE_MOST)
        return d->bytes + FORGE_MOST;
    uint8_t *at = d->bytes + d->length;
    d->length += size;
    memset(at, 0, size);
    return at;
}

static uint8_t *add_chunk(struct draft *d, uint8_t type, uint8_t flags, size_t size)
{
    uint8_t *at = add_bytes(d, (size + 3) & ~(size_t)3);
    at[0] = type;
    at[1] = flags;
    forge_put16(at + 2, (unsigned)size);
    return at;
}

static void copy_script(uint8_t *to, size_t size, struct wire_reader *script)
{
    for (size_t i = 0; i < size; i++)
        to[i] = wire_left(script) ? wire_get_u8(script) : (uint8_t)i;
}

/* A small difference, mostly. */
static uint32_t near(struct wire_reader *script)
{
    uint8_t step = wire_get_u8(script);
    if (step == 0x80)
        return wire_get_u32(script);
    if (step == 0x81)
        return (uint32_t)((int32_t)(int16_t)wire_get_u16(script));
    return (uint32_t)(int32_t)(int8_t)step;
}

static void add_init(struct draft *d, uint8_t type, struct wire_reader *script)
{
    unsigned parameters = wire_get_u8(script);
    if (parameters >= 0xf0)
        parameters = (parameters - 0xe0) * 110;
    size_t at = d->length;
    uint8_t *chunk = add_chunk(d, type, 0, 20);
    forge_put32(chunk + 4, FORGE_OWN_TAG + near(script));
    forge_put32(chunk + 8, 0x20000);
    forge_put16(chunk + 12, 16 + near(script));
    forge_put16(chunk + 14, 16 + near(script));
    forge_put32(chunk + 16, FORGE_OWN_TSN);
    if (type == SCTP_CHUNK_INIT_ACK) {
        uint8_t *cookie = add_bytes(d, 4 + 32);
        cookie[1] = 7;
        forge_put16(cookie + 2, 36);
    }
    uint16_t kind = wire_get_u16(script);
    size_t size = wire_get_u8(script);
    for (unsigned i = 0; i < parameters; i++) {
        uint8_t *parameter = add_bytes(d, (4 + size + 3) & ~(size_t)3);
        forge_put16(parameter, kind + (i < 20 && parameters < 20 ? wire_get_u8(script) : 0u));
        forge_put16(parameter + 2, (unsigned)(4 + size));
        if (i < 4)
            copy_script(parameter + 4, size, script);
    }
    if (d->length > at + 4)
        forge_put16(d->bytes + at + 2, (unsigned)(d->length - at));
}

static void add_data(struct draft *d, struct wire_reader *script)
{
    uint8_t flags = wire_get_u8(script);
    size_t size = wire_get_u8(script);
    if (size >= 0xf8)
        size = (size - 0xf0) * 2000;
    uint8_t *chunk = add_chunk(d, SCTP_CHUNK_DATA, flags ? flags & 0x0f : 3, 16 + size);
    uint32_t tsn = d->flow->tsn[d->to_client] + 1;
    forge_put32(chunk + 4, tsn + near(script));
    uint8_t stream = wire_get_u8(script);
    forge_put16(chunk + 8, stream);
    forge_put16(chunk + 10, wire_get_u8(script));
    forge_put32(chunk + 12, 0x48575300u | (stream & 0x80 ? near(script) : 0));
    memset(chunk + 16, 'd', size);
}

static void add_sack(struct draft *d, struct wire_reader *script)
{
    unsigned gaps = wire_get_u8(script) % 8, duplicates = wire_get_u8(script) % 8;
    uint8_t *chunk = add_chunk(d, SCTP_CHUNK_SACK, 0, 16 + 4 * (gaps + duplicates));
    forge_put32(chunk + 4, d->flow->tsn[!d->to_client] + near(script));
    forge_put32(chunk + 8, 0x10000 + near(script));
    forge_put16(chunk + 12, gaps);
    forge_put16(chunk + 14, duplicates);
    for (unsigned i = 0; i < gaps; i++) {
        unsigned start = wire_get_u16(script);
        forge_put16(chunk + 16 + 4 * i, start);
        forge_put16(chunk + 18 + 4 * i, start + near(script));
    }
    copy_script(chunk + 16 + 4 * gaps, 4 * (size_t)duplicates, script);
}

static void add_probe(struct draft *d, struct wire_reader *script)
{
    uint8_t flags = wire_get_u8(script);
    uint8_t *chunk = add_chunk(d, flags & 0x80 ? SCTP_CHUNK_HEARTBEAT_ACK : SCTP_CHUNK_HEARTBEAT, 0,
                               PROBE_SIZE - 12);
    chunk[5] = 1;
    forge_put16(chunk + 6, 36);
    memcpy(chunk + 8, "HWSPROB1", 8);
    chunk[16] = flags & 0x7f;
    forge_put32(chunk + 20, wire_get_u8(script));
    copy_script(chunk + 24, PROBE_NONCE, script);
    if (flags & 0x40)
        add_chunk(d, SCTP_CHUNK_PAD, 0, 4 + 4 * (size_t)wire_get_u8(script));
}

static void add_fragment(struct draft *d, struct wire_reader *script)
{
    size_t size = wire_get_u8(script), whole = wire_get_u16(script);
    uint8_t *chunk = add_chunk(d, SCTP_CHUNK_PAD, 0, UDP_FRAGMENT_HEADER - SCTP_HEADER + size);
    memcpy(chunk + 4, "HWSPIEC1", 8);
    forge_put32(chunk + 12, wire_get_u8(script));
    forge_put16(chunk + 16, (unsigned)(whole & 0x8000 ? size : whole));
    forge_put16(chunk + 18, (unsigned)size);
    forge_put16(chunk + 20, wire_get_u8(script));
    copy_script(chunk + 24, size, script);
}

static void add_tlv(struct draft *d, uint8_t type, struct wire_reader *script)
{
    uint8_t flags = wire_get_u8(script);
    size_t size = wire_get_u8(script);
    uint8_t *chunk = add_chunk(d, type, flags, 8 + size);
    chunk[5] = wire_get_u8(script);
    forge_put16(chunk + 6, (unsigned)(4 + size));
    copy_script(chunk + 8, size, script);
}

static void add_any(struct draft *d, uint8_t kind, struct wire_reader *script)
{
    uint8_t flags = wire_get_u8(script);
    size_t size = wire_get_u8(script);
    copy_script(add_chunk(d, kind, flags, 4 + size) + 4, size, script);
}

static void add_cookie(struct draft *d, struct wire_reader *script)
{
    uint8_t change = wire_get_u8(script);
    uint8_t *chunk = add_chunk(d, SCTP_CHUNK_COOKIE_ECHO, 0, 4 + d->flow->cookie_size);
    memcpy(chunk + 4, d->flow->cookie, d->flow->cookie_size);
    if (change && d->flow->cookie_size)
        chunk[4 + wire_get_u16(script) % d->flow->cookie_size] ^= change;
}

static void forge_chunk(struct draft *d, struct wire_reader *script)
{
    uint8_t kind = wire_get_u8(script);
    switch (kind) {
    case SCTP_CHUNK_DATA:
        add_data(d, script);
        break;
    case SCTP_CHUNK_INIT:
    case SCTP_CHUNK_INIT_ACK:
        add_init(d, kind, script);
        break;
    case SCTP_CHUNK_SACK:
        add_sack(d, script);
        break;
    case SCTP_CHUNK_HEARTBEAT:
    case SCTP_CHUNK_HEARTBEAT_ACK:
    case SCTP_CHUNK_ABORT:
    case SCTP_CHUNK_ERROR:
        add_tlv(d, kind, script);
        break;
    case 7: /* SHUTDOWN */
        forge_put32(add_chunk(d, kind, 0, 8) + 4, d->flow->tsn[!d->to_client] + near(script));
        break;
    case SCTP_CHUNK_SHUTDOWN_ACK:
    case SCTP_CHUNK_COOKIE_ACK:
    case SCTP_CHUNK_SHUTDOWN_COMPLETE:
        add_chunk(d, kind, wire_get_u8(script), 4);
        break;
    case SCTP_CHUNK_COOKIE_ECHO:
        add_cookie(d, script);
        break;
    case 16:
        add_probe(d, script);
        break;
    case 17:
        add_fragment(d, script);
        break;
    default:
        add_any(d, kind, script);
    }
}

/* ---- packets ---- */

static bool is_honest_tag(uint32_t tag)
{
    for (unsigned i = 0; i < 256; i++)
        if (tag && tag == forge.seen[i])
            return true;
    return false;
}

/* Checksum, and no tag that somebody off the path cannot know, in the header or in an INIT. */
static void forge_seal(struct draft *d, bool with_checksum)
{
    static const size_t places[] = {4, SCTP_HEADER + 4};
    if (d->length < SCTP_HEADER)
        return;
    for (size_t i = 0; i < 2 && forge.blind; i++)
        if (d->length >= places[i] + 4 && is_honest_tag(forge_get32(d->bytes + places[i])))
            d->bytes[places[i]] ^= 0x55;
    if (with_checksum)
        sctp_wire_seal(d->bytes, d->length);
}

static void forge_begin(struct draft *d, uint8_t about, struct wire_reader *script)
{
    d->to_client = about & 1;
    d->flow = about & 2 ? &forge.own : &forge.honest;
    uint16_t client = about & 2 ? FORGE_OWN_PORT : forge.honest_port;
    d->length = SCTP_HEADER;
    memset(d->bytes, 0, SCTP_HEADER);
    forge_put16(d->bytes, d->to_client ? 9899 : client);
    forge_put16(d->bytes + 2, d->to_client ? client : 9899);
    uint32_t tag = d->flow->tag[d->to_client];
    switch (about >> 2 & 3) {
    case 1:
        tag = 0;
        break;
    case 2:
        tag = d->flow->tag[!d->to_client];
        break;
    case 3:
        tag = wire_get_u32(script);
        break;
    }
    forge_put32(d->bytes + 4, tag);
}

static void forge_edit(struct draft *d, struct wire_reader *script)
{
    for (unsigned edits = wire_get_u8(script) % 8; edits && d->length > SCTP_HEADER; edits--) {
        size_t at = wire_get_u8(script);
        if (at >= 0xf0)
            at = wire_get_u16(script);
        at = SCTP_HEADER + at % (d->length - SCTP_HEADER);
        d->bytes[at] = (uint8_t)(d->bytes[at] + near(script));
    }
}
