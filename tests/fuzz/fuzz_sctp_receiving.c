/* DATA in any order, of any message, against a list of what was taken: what a SACK says is in it,
 * nothing that is in it is left out where there is room, a message is consecutive TSNs of it, each
 * stream's come in order, and memory stays within the buffer's bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/receiving.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TAKEN_MAX 4096
#define STREAMS   200
#define PPID      0x48575300u

struct taken {
    uint32_t tsn;
    uint16_t stream, ssn, length;
    uint8_t flags;
    bool used;
};

struct world {
    struct sctp_association association;
    struct taken taken[TAKEN_MAX];
    unsigned count;
    uint16_t place[65536]; /* in it, and 1, of the TSN with these low bits: all are within 2^16 */
    uint32_t cumulative;
    uint16_t turn[STREAMS];
    uint64_t now_us;
};

static struct taken *find(struct world *w, uint32_t tsn)
{
    unsigned place = w->place[tsn & 0xffff];
    return place && w->taken[place - 1].tsn == tsn ? &w->taken[place - 1] : NULL;
}

/* A chunk begins with its TSN, so that a message can be found again. */
static void fill(uint8_t *bytes, uint32_t tsn, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = i < 4 ? (uint8_t)(tsn >> 8 * i) : (uint8_t)(tsn * 7 + i);
}

/* ---- messages ---- */

static void check_message(struct world *w, const struct message *message)
{
    uint8_t expected[2048];
    must(message->length >= 4 && message->stream < STREAMS);
    uint32_t tsn = (uint32_t)message->data[0] | (uint32_t)message->data[1] << 8 |
                   (uint32_t)message->data[2] << 16 | (uint32_t)message->data[3] << 24;
    size_t at = 0;
    for (bool ends = false; !ends; tsn++) {
        struct taken *one = find(w, tsn);
        must(one && !one->used && !(one->flags & SCTP_FLAG_UNORDERED));
        must(!(one->flags & SCTP_FLAG_BEGIN) == (at > 0));
        must(one->stream == message->stream && one->ssn == w->turn[message->stream]);
        must(at + one->length <= message->length);
        fill(expected, tsn, one->length);
        must(!memcmp(message->data + at, expected, one->length));
        at += one->length;
        one->used = true;
        ends = one->flags & SCTP_FLAG_END;
    }
    must(at == message->length);
    w->turn[message->stream]++;
}

static void take_all(struct world *w)
{
    struct message *message;
    while ((message = sctp_receiving_take(&w->association))) {
        check_message(w, message);
        message_free(message);
    }
}

/* ---- DATA ---- */

/* False: the association is over. */
static bool give(struct world *w, struct wire_reader *reader)
{
    struct sctp_association *a = &w->association;
    uint8_t bytes[2048];
    uint16_t ahead = wire_get_u16(reader);
    uint8_t flags = wire_get_u8(reader), stream = wire_get_u8(reader);
    int distance = flags & 0x20 ? (int16_t)ahead : (int)(ahead % 256) - 8; /* far is slow */
    uint32_t tsn = w->cumulative + 1 + (uint32_t)distance;
    uint16_t ssn = (uint16_t)(wire_get_u8(reader) - 8), length = wire_get_u16(reader) % 1500;
    if (stream < STREAMS)
        ssn = (uint16_t)(ssn + w->turn[stream]);
    if (w->count == TAKEN_MAX)
        return false;
    length = length < 4 ? 4 : length;
    fill(bytes, tsn, length);
    struct sctp_data data = {.tsn = tsn,
                             .ppid = PPID,
                             .stream = stream,
                             .ssn = ssn,
                             .begins = flags & SCTP_FLAG_BEGIN,
                             .ends = flags & SCTP_FLAG_END,
                             .bytes = bytes,
                             .length = length};
    uint64_t rejected = a->counters.rejected, duplicates = a->counters.duplicates;
    bool invalid_stream, known = find(w, tsn) || (int32_t)(tsn - w->cumulative) <= 0;
    if (flags & 0x40)
        sctp_receiving_packet(a);
    enum err e = sctp_receiving_data(a, &data, flags, &invalid_stream);
    must((a->counters.duplicates > duplicates) == known || e != ERR_OK);
    if (e != ERR_OK)
        return false;
    if (known || a->counters.rejected > rejected)
        return true;
    must(invalid_stream == (stream >= STREAMS));
    w->taken[w->count++] = (struct taken){tsn, stream, ssn, length, flags, false};
    w->place[tsn & 0xffff] = (uint16_t)w->count;
    while (find(w, w->cumulative + 1))
        w->cumulative++;
    return true;
}

/* ---- SACKs ---- */

static void check_sack(struct world *w, size_t room)
{
    struct sctp_association *a = &w->association;
    uint8_t bytes[2048];
    struct wire_writer writer = wire_writer(bytes, room);
    struct sctp_sack sack;
    if (!sctp_receiving_put(a, &writer)) {
        must(room < SCTP_SACK_HEADER);
        return;
    }
    struct sctp_chunk chunk = {.type = bytes[0],
                               .whole = bytes,
                               .value = bytes + SCTP_CHUNK_HEADER,
                               .length = sctp_wire_u16(bytes + 2) - (size_t)SCTP_CHUNK_HEADER};
    must(!writer.overrun && sctp_wire_read_sack(&chunk, &sack));
    must(sack.cumulative == w->cumulative && sack.window <= a->options.buffer);
    unsigned told = 0, beyond = 0, last = 0;
    for (unsigned i = 0; i < sack.gap_count; i++) {
        uint16_t start, end;
        sctp_wire_gap(&sack, i, &start, &end);
        must(start > last + 1 && end >= start);
        for (unsigned at = start; at <= end; at++, told++)
            must(find(w, w->cumulative + at));
        last = end;
    }
    for (unsigned i = 0; i < w->count; i++)
        beyond += (int32_t)(w->taken[i].tsn - w->cumulative) > 0;
    if (room > 1000) /* for 246 blocks; there are fewer TSNs */
        must(told == beyond || sack.gap_count > 200);
    must(!a->receiving.sack_now && !a->receiving.owes_sack);
}

static void check_bounds(const struct world *w)
{
    const struct sctp_association *a = &w->association;
    size_t held = sctp_receiving_held(a);
    must(held <= 2 * ((size_t)a->options.buffer + 1500 + MESSAGE_MAX + SCTP_CHUNK_COST));
    must(sctp_receiving_memory(a) <= 4 * (size_t)a->options.buffer + 200000);
    must(a->receiving.map.cumulative == w->cumulative);
    must(sctp_receiving_deadline(a) > w->now_us || a->receiving.owes_sack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t buffers[] = {1500, 8000, 100000, 1 << 24};
    static struct world w;
    struct wire_reader reader = wire_reader(data, size);
    memset(&w, 0, sizeof w);
    uint8_t options = wire_get_u8(&reader);
    w.cumulative = wire_get_u32(&reader);
    w.association.options =
        (struct sctp_options){.buffer = buffers[options & 3], .mtu = 1452, .sack_delay_us = 20000};
    w.association.streams = STREAMS;
    w.association.state = SCTP_ESTABLISHED;
    w.association.peer_is_hawser = options & 4;
    sctp_receiving_init(&w.association, w.cumulative + 1);
    bool goes_on = true;
    while (goes_on && wire_left(&reader)) {
        uint8_t what = wire_get_u8(&reader);
        if (what < 192)
            goes_on = give(&w, &reader);
        else if (what < 224) {
            sctp_receiving_end(&w.association, w.now_us);
            take_all(&w);
        } else if (what < 248)
            check_sack(&w, what & 1 ? 1452 : wire_get_u8(&reader));
        else {
            w.now_us += (uint64_t)(wire_get_u8(&reader) * 1000);
            sctp_receiving_timeout(&w.association, w.now_us);
        }
        if (goes_on)
            check_bounds(&w);
    }
    sctp_receiving_fini(&w.association);
    return 0;
}
