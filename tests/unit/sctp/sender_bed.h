/* tests/unit/sctp/sender_bed.h: the sending half of an engine alone, under a virtual clock, with a
 * congestion control that only counts and has the window that the test gives it. Packets are not
 * carried: the test says what the peer acknowledges. Everything is static: one test, one copy. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sctp/acknowledge.h"
#include "sctp/delivery.h"
#include "sctp/recovery.h"
#include "sctp/sending.h"
#include "tests/lib/tap.h"

#define BED_PACKETS 4096
#define BED_FIRST   0xffffff00u /* TSN */
#define BED_NUMBER  0xfffffff8u /* packet */

/* Calls of congestion control. */
struct bed_congestion {
    struct sctp_congestion base;
    unsigned sent, acked, lost, spurious, whole, timeouts, begins, by_timeout, adjacent;
    uint64_t bytes_lost, bytes_spurious;
    struct sctp_sample sample;
};

/* A packet that was sent. */
struct bed_packet {
    uint32_t tsn, count; /* of its chunks */
    uint32_t bytes;      /* of user data */
    size_t size;
    bool immediate, full, padded;
    unsigned net;
};

struct bed {
    struct sctp_association *a;
    uint64_t now_us;
    struct bed_packet packets[BED_PACKETS];
    unsigned count;
    uint8_t room[66000];
    bool wrong; /* a packet did not add up */
};

static struct sctp_congestion *bed_make(uint64_t now_us, uint32_t mss, uint64_t rtt_us)
{
    struct bed_congestion *self = check_alloc(sizeof *self);
    extern const struct sctp_congestion_ops bed_ops;
    (void)now_us, (void)rtt_us;
    self->base = (struct sctp_congestion){
        .ops = &bed_ops, .window = 1u << 30, .quantum = 64 * 1024, .mss = mss};
    return &self->base;
}

static struct bed_congestion *bed_of(struct sctp_congestion *self)
{
    return (struct bed_congestion *)self;
}

static void bed_sent(struct sctp_congestion *self, uint64_t now_us, uint32_t size,
                     uint64_t in_flight)
{
    (void)now_us, (void)size, (void)in_flight;
    bed_of(self)->sent++;
}

static void bed_acked(struct sctp_congestion *self, const struct sctp_sample *sample)
{
    bed_of(self)->acked++;
    bed_of(self)->sample = *sample;
}

static void bed_lost(struct sctp_congestion *self, const struct sctp_loss *loss)
{
    struct bed_congestion *bed = bed_of(self);
    bed->lost++;
    bed->bytes_lost += loss->size;
    bed->begins += loss->begins_recovery;
    bed->by_timeout += loss->by_timeout;
    bed->adjacent += loss->adjacent;
}

static void bed_spurious(struct sctp_congestion *self, uint64_t now_us, uint32_t size, bool whole)
{
    (void)now_us;
    bed_of(self)->spurious++;
    bed_of(self)->bytes_spurious += size;
    bed_of(self)->whole += whole;
}

static void bed_timeout(struct sctp_congestion *self, uint64_t now_us)
{
    (void)now_us;
    bed_of(self)->timeouts++;
}

static void bed_mtu(struct sctp_congestion *self, uint32_t mss)
{
    self->mss = mss;
}

static const char *bed_phase(const struct sctp_congestion *self, double *floor)
{
    (void)self;
    *floor = 0;
    return "fixed";
}

extern const struct sctp_congestion_ops bed_ops;
const struct sctp_congestion_ops bed_ops = {"fixed",     bed_make, bed_sent,
                                            bed_acked,   bed_lost, bed_spurious,
                                            bed_timeout, bed_mtu,  bed_phase};

/* ---- set up ---- */

__attribute__((unused)) static struct bed_congestion *bed_congestion(const struct bed *bed)
{
    return bed_of(bed->a->nets[bed->a->used]->congestion);
}

__attribute__((unused)) static struct bed *bed_new(bool hawser)
{
    struct bed *bed = check_alloc(sizeof *bed);
    struct sctp_association *a = bed->a = check_alloc(sizeof *a);
    bed->now_us = 1000000;
    sctp_association_defaults(&a->options);
    a->options.congestion = &bed_ops;
    a->options.mtu = 1452;
    a->options.first_packet = BED_NUMBER;
    a->state = SCTP_ESTABLISHED;
    a->streams = 1000;
    a->peer_is_hawser = hawser;
    a->peer_tag = 7;
    sctp_sending_init(a, BED_FIRST);
    a->nets[0] = sctp_net_new(&a->options, bed->now_us, a->options.mtu, 0);
    return bed;
}

__attribute__((unused)) static void bed_end(struct bed *bed)
{
    sctp_sending_fini(bed->a);
    sctp_acknowledge_fini(bed->a);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        sctp_net_free(bed->a->nets[i]);
    free(bed->a);
    free(bed);
}

/* ---- sending ---- */

/* Byte i of what is sent on a stream is the low byte of i + stream. */
__attribute__((unused)) static enum err bed_queue(struct bed *bed, uint16_t stream, uint32_t length)
{
    struct message *message = message_new(length);
    message->stream = stream;
    message->length = length;
    message->epoch = 3;
    for (uint32_t i = 0; i < length; i++)
        message->data[i] = (uint8_t)(i + stream);
    enum err e = sctp_sending_queue(bed->a, bed->now_us, message);
    if (e != ERR_OK)
        message_free(message);
    return e;
}

static void bed_read(struct bed *bed, struct bed_packet *packet, size_t length)
{
    struct wire_reader reader = sctp_wire_chunks(bed->room, length);
    struct sctp_chunk chunk;
    struct sctp_data data;
    while (sctp_wire_next_chunk(&reader, &chunk)) {
        packet->padded |= chunk.type == SCTP_CHUNK_PAD;
        if (chunk.type != SCTP_CHUNK_DATA)
            continue;
        bed->wrong |= !sctp_wire_read_data(&chunk, &data);
        if (!packet->count)
            packet->tsn = data.tsn;
        bed->wrong |= data.tsn != packet->tsn + packet->count;
        packet->count++;
        packet->bytes += (uint32_t)data.length;
        packet->immediate |= (chunk.flags & SCTP_FLAG_IMMEDIATE) != 0;
    }
    bed->wrong |= !packet->count;
}

/* One packet, if one may go. */
__attribute__((unused)) static bool bed_send(struct bed *bed)
{
    struct sctp_association *a = bed->a;
    struct sctp_wants wants;
    if (!sctp_sending_wants(a, bed->now_us, &wants))
        return false;
    struct wire_writer writer = wire_writer(bed->room, wants.size);
    struct sctp_header header = {1, 2, a->peer_tag};
    sctp_wire_put_header(&writer, &header);
    if (!sctp_sending_put(a, bed->now_us, wants.net, &writer)) {
        bed->wrong = true;
        return false;
    }
    size_t size = (size_t)(writer.at - bed->room);
    sctp_sending_sent(a, bed->now_us, wants.net, size);
    struct bed_packet *packet = &bed->packets[bed->count++ % BED_PACKETS];
    *packet = (struct bed_packet){.size = size, .full = wants.full, .net = wants.net};
    bed->wrong |= (wants.full && size != wants.size) || size > wants.size || size % 4;
    bed_read(bed, packet, size);
    return true;
}

/* All that may go now; returns how many packets. */
__attribute__((unused)) static unsigned bed_send_all(struct bed *bed)
{
    unsigned count = 0;
    while (bed_send(bed))
        count++;
    return count;
}

/* So many packets of one chunk each. */
__attribute__((unused)) static void bed_fill(struct bed *bed, unsigned count)
{
    while (count--) {
        bed_queue(bed, 1, 1000);
        bed_send(bed);
    }
}

__attribute__((unused)) static struct bed_packet *bed_last(struct bed *bed)
{
    return &bed->packets[(bed->count - 1) % BED_PACKETS];
}

/* ---- the peer ---- */

/* TSNs by their distance from BED_FIRST: all below `cumulative` have arrived, and, by pairs, from …
 * to … (both of them included). Pairs end with 0, 0. */
__attribute__((unused)) static enum err bed_sack_with(struct bed *bed, uint32_t cumulative,
                                                      const uint32_t *pairs, const uint32_t *twice,
                                                      unsigned twice_count, uint32_t window)
{
    static uint8_t gaps[65536 * 4], duplicates[64 * 4];
    struct sctp_sack sack = {.cumulative = BED_FIRST + cumulative - 1,
                             .window = window,
                             .gaps = gaps,
                             .duplicates = duplicates,
                             .duplicate_count = (uint16_t)twice_count};
    struct wire_writer writer = wire_writer(gaps, sizeof gaps);
    for (; pairs && pairs[1]; pairs += 2, sack.gap_count++) {
        wire_put_u16(&writer, pairs[0] - cumulative + 1);
        wire_put_u16(&writer, pairs[1] - cumulative + 1);
    }
    writer = wire_writer(duplicates, sizeof duplicates);
    for (unsigned i = 0; i < twice_count; i++)
        wire_put_u32(&writer, BED_FIRST + twice[i]);
    return sctp_acknowledge_sack(bed->a, bed->now_us, &sack);
}

__attribute__((unused)) static void bed_sack(struct bed *bed, uint32_t cumulative,
                                             const uint32_t *pairs)
{
    bed_sack_with(bed, cumulative, pairs, NULL, 0, 1u << 24);
    sctp_acknowledge_end(bed->a, bed->now_us);
}
#define bed_sack_gaps(bed, cumulative, ...)                                                        \
    bed_sack((bed), (cumulative), (const uint32_t[]){__VA_ARGS__, 0, 0})

/* ---- time ---- */

/* To the next deadline, and what is due then; false: there is none. */
__attribute__((unused)) static bool bed_tick(struct bed *bed)
{
    uint64_t at_us = sctp_recovery_deadline(bed->a);
    if (at_us == SCTP_NEVER)
        return false;
    if (at_us > bed->now_us)
        bed->now_us = at_us;
    sctp_delivery_timeout(bed->a, bed->now_us);
    return true;
}

/* ---- what holds at any time ---- */

static bool bed_waits(const struct sctp_association *a, uint32_t tsn)
{
    const struct sctp_recovery *recovery = &a->recovery;
    for (const struct sctp_rtx_queue *ring = recovery->rtx; ring < recovery->rtx + 2; ring++)
        for (uint32_t i = 0; i < ring->count; i++)
            if (ring->tsns[(ring->first + i) & (ring->size - 1)] == tsn)
                return true;
    return false;
}

/* No chunk is forgotten: each is acknowledged, or waits, or is in a packet in flight. */
static const char *bed_check_chunks(const struct sctp_association *a)
{
    const struct sctp_flight *flight = &a->flight;
    uint64_t outstanding = 0;
    for (uint32_t tsn = flight->una; tsn != flight->next_tsn; tsn++) {
        const struct sctp_sent *chunk = sctp_flight_chunk(flight, tsn);
        if (chunk->flags & SCTP_SENT_ACKED) {
            if (a->peer_is_hawser == (chunk->message != NULL))
                return "bytes are kept that are not needed, or not kept";
            continue;
        }
        outstanding += chunk->length;
        if (!chunk->message)
            return "bytes were freed that are needed";
        if (chunk->flags & SCTP_SENT_QUEUED) {
            if (!bed_waits(a, tsn))
                return "a chunk is not where it waits to be sent again";
        } else if (!sctp_flight_knows(flight, chunk->packet) ||
                   sctp_flight_packet(flight, chunk->packet)->flags & SCTP_PACKET_RESOLVED) {
            return "a chunk is forgotten";
        }
    }
    return outstanding == flight->outstanding ? NULL : "outstanding bytes";
}

static const char *bed_check_packets(const struct sctp_association *a)
{
    const struct sctp_flight *flight = &a->flight;
    uint64_t in_flight[SCTP_NETS_MAX] = {0};
    for (uint32_t i = flight->packet_size; i > 0; i--) {
        uint32_t number = flight->next - i;
        const struct sctp_packet *packet = sctp_flight_packet(flight, number);
        if (!packet->size || packet->flags & SCTP_PACKET_RESOLVED)
            continue;
        in_flight[packet->net] += packet->size;
        if (sctp_flight_before(number, flight->oldest))
            return "the oldest packet in flight";
        if (sctp_flight_before(number, a->nets[packet->net]->oldest))
            return "the oldest packet in flight of a net";
    }
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        if (a->nets[i] && a->nets[i]->in_flight != in_flight[i])
            return "bytes in flight";
    return NULL;
}

static const char *bed_check_list(const struct sctp_association *a)
{
    const struct sctp_acknowledge *list = &a->acknowledge;
    const struct sctp_flight *flight = &a->flight;
    uint32_t at = flight->una;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct sctp_interval *interval = &list->intervals[i];
        if (sctp_flight_before(interval->first, at) || (i && interval->first == at) ||
            sctp_flight_before(interval->last, interval->first) ||
            !sctp_flight_before(interval->last, flight->next_tsn))
            return "the list of intervals is not in order";
        for (; at != interval->first; at++)
            if (sctp_flight_chunk(flight, at)->flags & SCTP_SENT_ACKED)
                return "acknowledged, and in no interval";
        for (; at != interval->last + 1; at++)
            if (!(sctp_flight_chunk(flight, at)->flags & SCTP_SENT_ACKED))
                return "in an interval, and not acknowledged";
    }
    for (; at != flight->next_tsn; at++)
        if (sctp_flight_chunk(flight, at)->flags & SCTP_SENT_ACKED)
            return "acknowledged, and behind all intervals";
    return list->count <= list->capacity ? NULL : "capacity";
}

/* NULL: all is well; else what is not. */
__attribute__((unused)) static const char *bed_check(const struct bed *bed)
{
    const struct sctp_association *a = bed->a;
    const char *wrong = bed_check_chunks(a);
    wrong = wrong ? wrong : bed_check_packets(a);
    wrong = wrong ? wrong : bed_check_list(a);
    if (!wrong && bed->wrong)
        wrong = "a packet";
    return wrong;
}
