/* Any bytes as an SCTP packet, with a checksum that holds. What packet_check lets through is walked
 * again by rules written anew, and must be what each function says of it; a SACK that is rewritten
 * must acknowledge what it did. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/packet.h"
#include "transport/packet_init.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* What is in a packet, found by another way. */
struct walk {
    unsigned chunks, auths, data, others, repeats;
    uint8_t first; /* that is not AUTH; AUTH if there is no other */
    size_t first_at;
    uint32_t tsn, highest; /* of the first DATA chunk; of all */
};

static const uint8_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 0x84};

static void walk_data(struct walk *w, const uint8_t *chunk)
{
    uint32_t tsn = get32(chunk + 4);
    if (!w->data++)
        w->tsn = w->highest = tsn;
    else if ((int32_t)(tsn - w->highest) > 0)
        w->highest = tsn;
    else
        w->repeats++;
}

static void walk_chunk(struct walk *w, const uint8_t *packet, size_t at, size_t length)
{
    uint8_t type = packet[at];
    must(memchr(types, type, sizeof types));
    w->auths += type == PACKET_CHUNK_AUTH;
    w->others += type != PACKET_CHUNK_DATA && type != PACKET_CHUNK_SACK &&
                 type != PACKET_CHUNK_AUTH && type != PACKET_CHUNK_PAD;
    if (type == PACKET_CHUNK_DATA)
        walk_data(w, packet + at);
    must(type != PACKET_CHUNK_DATA || length > 16);
    must(type != PACKET_CHUNK_SACK ||
         length == 16 + 4 * (get16(packet + at + 12) + get16(packet + at + 14)));
    if (!w->first_at || (w->chunks == 1 && w->first == PACKET_CHUNK_AUTH)) {
        w->first = type;
        w->first_at = at;
    }
    w->chunks++;
}

static struct walk walk_packet(const uint8_t *packet, size_t length)
{
    struct walk w = {0};
    for (size_t at = PACKET_HEADER; at < length;) {
        must(length - at >= 4);
        size_t size = get16(packet + at + 2);
        must(size >= 4 && size <= length - at);
        walk_chunk(&w, packet, at, size);
        at += (size + 3) & ~(size_t)3;
    }
    must(w.chunks > 0);
    return w;
}

/* ---- SACKs ---- */

/* The n-th TSN behind base: whether the packet acknowledges it. */
static bool acknowledges(const uint8_t *packet, uint32_t tsn)
{
    const uint8_t *chunk = packet + PACKET_HEADER;
    uint32_t beyond = tsn - get32(chunk + 4);
    if ((int32_t)beyond <= 0)
        return true;
    for (unsigned i = 0; i < get16(chunk + 12); i++)
        if (beyond >= get16(chunk + 16 + 4 * i) && beyond <= get16(chunk + 18 + 4 * i))
            return true;
    return false;
}

/* Where they could differ: around the ends of all blocks. */
static void must_mean_the_same(const uint8_t *old, const uint8_t *new)
{
    const uint8_t *chunk = old + PACKET_HEADER;
    uint32_t base = get32(chunk + 4);
    for (unsigned i = 0; i < get16(chunk + 12) && i < 64; i++)
        for (unsigned end = 0; end < 2; end++)
            for (int off = -1; off <= 1; off++) {
                uint32_t tsn = base + get16(chunk + 16 + 4 * i + 2 * end) + (uint32_t)off;
                must(acknowledges(old, tsn) == acknowledges(new, tsn));
            }
    must(acknowledges(new, base) && acknowledges(old, base + 1) == acknowledges(new, base + 1));
}

static void check_again(uint8_t *packet, size_t length)
{
    struct packet_ports ports;
    packet_seal(packet, length);
    must(packet_check(packet, length, &ports) == PACKET_OTHER);
}

static void try_hold(const uint8_t *packet, size_t length, uint32_t back)
{
    uint8_t *held = check_alloc(length + PACKET_SACK_BLOCK);
    uint32_t cumulative = packet_cumulative(packet, length) - back;
    size_t size = packet_sack_hold(packet, length, cumulative, held);
    if (size) {
        must(size == length + PACKET_SACK_BLOCK);
        must(packet_cumulative(held, size) == cumulative && packet_sack_has_gaps(held));
        check_again(held, size);
        if (back)
            must_mean_the_same(packet, held);
    }
    free(held);
}

static void check_sack(const uint8_t *packet, size_t length)
{
    enum packet_sack kind = packet_sack_kind(packet, length);
    bool gaps = packet_sack_has_gaps(packet);
    uint8_t *copy = check_alloc(length);
    must(packet_cumulative(packet, length) == get32(packet + PACKET_HEADER + 4));
    packet_sack_date(packet, length, 77, copy);
    must(packet_cumulative(copy, length) == 77);
    check_again(copy, length);
    free(copy);
    struct packet_tsn sent = {true, packet_cumulative(packet, length) - 1};
    must(packet_acknowledges_unsent(packet, length, &sent));
    if (kind == PACKET_SACK_PLAIN) {
        sent.highest++;
        must(!packet_acknowledges_unsent(packet, length, &sent));
        uint8_t longer[PACKET_SACK_LONGER];
        must(!gaps && length == PACKET_HEADER + 16);
        packet_sack_lengthen(packet, longer);
        check_again(longer, sizeof longer);
        must(packet_cumulative(longer, sizeof longer) == packet_cumulative(packet, length));
    }
    if (gaps && kind == PACKET_SACK_GAPS)
        for (uint32_t back = 1; back < 0x20000; back = back * 5 + packet[length - 1])
            try_hold(packet, length, back);
}

/* ---- INIT and INIT ACK ---- */

/* What is left is a packet of its kind, with the same fields, and is not trimmed again. */
static void check_trimmed(const uint8_t *packet, size_t length, enum packet_kind kind, bool auth)
{
    struct packet_ports ports;
    size_t left = length, cookie_length = 0;
    uint8_t *trimmed = malloc(length);
    must(trimmed);
    memcpy(trimmed, packet, length);
    if (packet_init_trim(trimmed, &left, auth)) {
        must(left <= length && left <= PACKET_INIT_ACK_MAX);
        must(packet_init_tag(trimmed) == packet_init_tag(packet) && packet_init_tag(packet));
        packet_seal(trimmed, left);
        must(packet_check(trimmed, left, &ports) == kind);
        uint8_t *again = malloc(left);
        size_t again_left = left;
        must(again);
        memcpy(again, trimmed, left);
        must(packet_init_trim(again, &again_left, auth) && again_left == left);
        must(!memcmp(again, trimmed, left));
        free(again);
        const uint8_t *cookie = packet_init_cookie(trimmed, left, &cookie_length);
        must(!cookie == (kind == PACKET_INIT));
        must(!cookie || (cookie_length && cookie + cookie_length <= trimmed + left));
        must(auth || kind != PACKET_INIT || left == PACKET_HEADER + 20);
    }
    free(trimmed);
}

/* ---- all of it ---- */

static void check_packet(uint8_t *packet, size_t length, enum packet_kind kind)
{
    struct walk w = walk_packet(packet, length);
    uint8_t first = packet[PACKET_HEADER];
    uint32_t tsn;
    bool data;
    struct packet_tsn sent = {0};
    must((kind == PACKET_INIT) == (first == PACKET_CHUNK_INIT));
    must((kind == PACKET_COOKIE_ECHO) == (first == PACKET_CHUNK_COOKIE_ECHO));
    must(kind != PACKET_INIT || (w.chunks == 1 && packet_tag(packet) == 0));
    must(packet_tag(packet) == get32(packet + 4));
    must(packet_has_auth(packet, length) == (w.auths > 0));
    must(packet_type(packet, length) == w.first);
    must(packet_only_moves_data(packet, length) == (w.others == 0));
    must(packet_data(packet, length, &tsn) == (w.data > 0) && (!w.data || tsn == w.tsn));
    must(packet_repeats(&sent, packet, length, &data) == w.repeats && data == (w.data > 0));
    must(!data || (sent.any && sent.highest == w.highest));
    must(packet_tag_reflected(packet) ==
         ((first == PACKET_CHUNK_ABORT || first == PACKET_CHUNK_SHUTDOWN_COMPLETE) &&
          (packet[PACKET_HEADER + 1] & 1)));
    if (w.first == PACKET_CHUNK_SACK)
        must(packet_cumulative(packet, length) == get32(packet + w.first_at + 4));
    if (first == PACKET_CHUNK_SACK)
        check_sack(packet, length);
    for (int auth = 0; auth < 2; auth++)
        if (first == PACKET_CHUNK_INIT || first == PACKET_CHUNK_INIT_ACK)
            check_trimmed(packet, length, kind, auth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_ports ports;
    uint8_t *packet = malloc(size ? size : 1), *before = malloc(size ? size : 1);
    must(packet && before);
    if (size)
        memcpy(packet, data, size);
    bool sealed = size >= PACKET_HEADER;
    if (sealed)
        packet_seal(packet, size);
    memcpy(before, packet, size);
    enum packet_kind kind = packet_check(packet, size, &ports);
    must(!memcmp(before, packet, size));
    if (kind != PACKET_BAD) {
        must(sealed && ports.source == get16(packet) && ports.destination == get16(packet + 2));
        check_packet(packet, size, kind);
        packet[8] ^= 1;
        must(packet_check(packet, size, &ports) == PACKET_BAD);
    }
    free(packet);
    free(before);
    return 0;
}
