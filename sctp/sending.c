/* Messages cut into DATA chunks, when a packet is made. */
#include "sctp/sending.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/payload.h"
#include "sctp/recovery.h"

/* A message is begun in the rest of a packet if this many bytes of it fit, so that all packets of a
 * train are full. */
#define LEAST_PIECE 4u

/* A round trip is calm up to this, or an eighth, above the least (decision 033, D1). */
#define CALM_US 1000

/* A packet's size stands in 16 bits (sctp/flight.h), and the largest of UDP is smaller. */
#define LARGEST_PACKET 65532u

void sctp_sending_init(struct sctp_association *self, uint32_t first_tsn)
{
    self->sending = (struct sctp_sending){.peer_window = UINT32_MAX};
    self->recovery = (struct sctp_recovery){
        .rack_us = SCTP_NEVER, .probe_us = SCTP_NEVER, .wait_us = SCTP_NEVER};
    sctp_flight_init(&self->flight, self->options.first_packet, first_tsn);
}

void sctp_sending_fini(struct sctp_association *self)
{
    sctp_flight_fini(&self->flight); /* before the queue, whose first message it may refer to */
    message_queue_clear(&self->sending.queue);
    free(self->sending.ssns);
    self->sending.ssns = NULL;
    self->sending.ssn_count = 0;
    sctp_recovery_fini(self);
}

/* ---- limits ---- */

static uint32_t overhead(const struct sctp_association *self)
{
    bool auth = self->auth && sctp_auth_must_send(self->auth, SCTP_CHUNK_DATA);
    return SCTP_HEADER + (auth ? (uint32_t)sctp_auth_size(self->auth) : 0);
}

/* All full packets have this size: it is a multiple of 4, as chunks are. */
static uint32_t full_size(const struct sctp_net *net)
{
    return (uint32_t)number_least(net->mtu, LARGEST_PACKET) & ~3u;
}

static bool has_tsns(const struct sctp_association *self)
{
    uint32_t most = self->peer_is_hawser ? SCTP_SENDING_AHEAD_OURS : SCTP_SENDING_AHEAD_OTHERS;
    return self->flight.next_tsn - self->flight.una < most;
}

/* Bytes that the next chunk may have by the peer's window (RFC 9260 section 6.1 A): where less than
 * a packet's worth is left, only if nothing is outstanding; where nothing is left, only as a probe
 * that is due. 0: none. */
static uint32_t window_allows(const struct sctp_association *self, uint32_t length)
{
    uint32_t window = self->sending.peer_window;
    if (length <= window)
        return length;
    if (self->flight.una != self->flight.next_tsn)
        return 0;
    if (window >= LEAST_PIECE)
        return window & ~3u;
    return self->recovery.window_due ? length : 0;
}

/* Bytes of the next message that a packet of that room can take; 0: none. */
static uint32_t next_length(const struct sctp_association *self, size_t room)
{
    const struct sctp_sending *sending = &self->sending;
    if (room < SCTP_DATA_HEADER + 1)
        return 0;
    uint32_t left = sending->queue.first->length - sending->offset;
    size_t most = room - SCTP_DATA_HEADER;
    if (sctp_wire_padded(left) <= most)
        return left;
    return most < LEAST_PIECE ? 0 : (uint32_t)most & ~3u;
}

/* True: a chunk may be made from the queue. */
static bool may_cut(struct sctp_association *self, uint64_t now_us, const struct sctp_net *net)
{
    if (!self->sending.queue.first || !has_tsns(self))
        return false;
    if (window_allows(self, next_length(self, full_size(net) - overhead(self))))
        return true;
    if (self->flight.una == self->flight.next_tsn)
        sctp_recovery_wait(self, now_us);
    return false;
}

/* A packet that repeats is as large as it was, whatever the net takes by now. */
static size_t rtx_size(const struct sctp_association *self, uint32_t tsn, size_t size)
{
    return number_most(size, overhead(self) + SCTP_DATA_HEADER +
                                 sctp_wire_padded(sctp_flight_chunk(&self->flight, tsn)->length));
}

/* True: the queue fills a packet, whatever stands before it there. */
static bool fills(const struct sctp_association *self, size_t size)
{
    const struct sctp_flight *flight = &self->flight;
    return self->peer_is_hawser && sctp_sending_queued(self) >= size &&
           self->sending.peer_window >= size &&
           SCTP_SENDING_AHEAD_OURS - (flight->next_tsn - flight->una) >
               size / (SCTP_DATA_HEADER + LEAST_PIECE);
}

/* RFC 8985 section 7.3: what was lost, or something new, or else the last packet again. */
static bool wants_probe(struct sctp_association *self, uint64_t now_us, const struct sctp_net *net,
                        struct sctp_wants *wants)
{
    uint32_t tsn, number;
    *wants = (struct sctp_wants){.net = self->used, .size = full_size(net)};
    if (sctp_recovery_next_rtx(self, &tsn)) {
        wants->size = rtx_size(self, tsn, wants->size);
        return true;
    }
    if (may_cut(self, now_us, net))
        return true;
    if (!sctp_recovery_last(self, &number)) {
        self->recovery.probe_due = false;
        return false;
    }
    sctp_recovery_rtx_packet(self, number);
    return wants_probe(self, now_us, net, wants);
}

/* Samples say nothing of the line where something else than the window limits us, unless a queue
 * stands there all the same: with the peer's window as the limit a line can be full, and Startup
 * must see it (seen at 1 Gbit/s and 100 ms: it went on for ever, with a queue of 41 ms). */
static void note_limit(struct sctp_association *self, uint64_t now_us, struct sctp_net *net)
{
    if (!self->sending.queue.first) {
        if (!self->sending.lacks_us)
            self->sending.lacks_us = number_most(now_us, net->pacer.next_us);
        return;
    }
    uint64_t slack_us = number_most(net->min_rtt_us / 8, CALM_US);
    bool has_queue = net->srtt_us > net->min_rtt_us + slack_us;
    if (!has_queue)
        sctp_rate_limited(&net->rate, net->in_flight);
}

/* Asks what there is, the window and the pacer, in this order: only the last one is worth a timer.
 */
static bool may_go(struct sctp_association *self, uint64_t now_us, struct sctp_wants *wants)
{
    struct sctp_net *net = self->nets[self->used];
    const struct sctp_congestion *congestion = net->congestion;
    uint32_t tsn = 0, size = full_size(net);
    bool again = sctp_recovery_next_rtx(self, &tsn),
         fits = net->in_flight + size <= congestion->window;
    self->sending.is_paced = false;
    if (!again && !may_cut(self, now_us, net)) {
        if (fits)
            note_limit(self, now_us, net);
        return false;
    }
    if (!fits && net->in_flight)
        return false;
    if (!sctp_pacer_allows(&net->pacer, now_us, congestion->pace, congestion->quantum)) {
        self->sending.is_paced = true;
        return false;
    }
    *wants = (struct sctp_wants){.net = self->used,
                                 .size = again ? rtx_size(self, tsn, size) : size,
                                 .full = !again && fills(self, size)};
    return true;
}

bool sctp_sending_wants(struct sctp_association *self, uint64_t now_us, struct sctp_wants *wants)
{
    const struct sctp_net *net = self->nets[self->used];
    if (!net || !sctp_association_may_send(self))
        return false;
    if (self->recovery.probe_due && wants_probe(self, now_us, net, wants))
        return true;
    return self->sending.may_put = may_go(self, now_us, wants);
}

uint64_t sctp_sending_deadline(const struct sctp_association *self)
{
    return self->sending.is_paced ? self->nets[self->used]->pacer.next_us : SCTP_NEVER;
}

/* ---- cutting ---- */

/* Section 3.3.1. There is room for it. */
static void put_chunk(struct wire_writer *writer, uint32_t tsn, const struct sctp_sent *chunk,
                      uint8_t more_flags)
{
    const struct message *message = chunk->message;
    uint8_t flags = more_flags | (chunk->flags & SCTP_SENT_BEGIN ? SCTP_FLAG_BEGIN : 0) |
                    (chunk->flags & SCTP_SENT_END ? SCTP_FLAG_END : 0);
    uint8_t *at = writer->at;
    *at++ = SCTP_CHUNK_DATA;
    *at++ = flags;
    at = sctp_wire_store_u16(at, SCTP_DATA_HEADER + chunk->length);
    at = sctp_wire_store_u32(at, tsn);
    at = sctp_wire_store_u16(at, message->stream);
    at = sctp_wire_store_u16(at, chunk->ssn);
    at = sctp_wire_store_u32(at, SCTP_MESSAGE_PPID | message->epoch);
    memcpy(at, message->data + chunk->offset, chunk->length);
    at += chunk->length;
    while ((at - writer->at) % 4)
        *at++ = 0;
    writer->at = at;
}

static uint16_t *ssn_of(struct sctp_sending *sending, uint16_t stream)
{
    if (stream >= sending->ssn_count) {
        uint32_t count = sending->ssn_count ? sending->ssn_count : 8;
        while (count <= stream)
            count *= 2;
        sending->ssns = check_resize(sending->ssns, count * sizeof *sending->ssns);
        memset(sending->ssns + sending->ssn_count, 0,
               (count - sending->ssn_count) * sizeof *sending->ssns);
        sending->ssn_count = count;
    }
    return &sending->ssns[stream];
}

/* Takes that many bytes from the queue; the message leaves it with its last. */
static struct sctp_sent *cut(struct sctp_association *self, uint32_t length)
{
    struct sctp_sending *sending = &self->sending;
    struct message *message = sending->queue.first;
    struct sctp_sent *chunk = sctp_flight_add_chunk(&self->flight);
    uint16_t *ssn = ssn_of(sending, message->stream);
    bool last = sending->offset + length == message->length;
    *chunk = (struct sctp_sent){.message = message,
                                .offset = sending->offset,
                                .length = (uint16_t)length,
                                .ssn = *ssn,
                                .packet = self->flight.next,
                                .flags = (sending->offset ? 0 : SCTP_SENT_BEGIN) |
                                         (last ? SCTP_SENT_END : 0)};
    self->flight.outstanding += length;
    sending->peer_window = (uint32_t)number_minus(sending->peer_window, length);
    message->offset++;
    sending->offset += length;
    if (last) {
        message_queue_pop(&sending->queue);
        message->offset--;
        sending->offset = 0;
        ++*ssn;
    }
    return chunk;
}

/* Less than a piece is left, and more packets follow: each of a train has the same size. */
static void pad(struct wire_writer *writer)
{
    size_t room = wire_room(writer) & ~(size_t)3;
    if (room < SCTP_CHUNK_HEADER || room >= SCTP_DATA_HEADER + LEAST_PIECE)
        return;
    memset(writer->at, 0, room);
    writer->at[0] = SCTP_CHUNK_PAD;
    sctp_wire_store_u16(writer->at + 2, (uint32_t)room);
    writer->at += room;
}

/* RFC 9260 section 3.3.1, the I bit: what is sent to hear of it at once, and the last before the
 * end. Not where the queue runs empty: each answer would be preceded by a SACK of its own. */
static uint8_t immediate(const struct sctp_association *self, bool last)
{
    bool alone = self->sending.put.is_rtx && !self->nets[self->used]->in_flight;
    bool asks = self->sending.put.probe || self->recovery.is_probing_window || alone ||
                (last && self->state == SCTP_SHUTDOWN_PENDING);
    return asks ? SCTP_FLAG_IMMEDIATE : 0;
}

static void put_new(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_sending *sending = &self->sending;
    while (sending->queue.first && has_tsns(self)) {
        uint32_t fits = next_length(self, wire_room(writer)), length = window_allows(self, fits);
        if (!length || (length < fits && sending->put.count))
            break;
        if (length > sending->peer_window)
            self->recovery.is_probing_window = true;
        self->recovery.window_due = false;
        uint32_t tsn = self->flight.next_tsn;
        const struct sctp_sent *chunk = cut(self, length);
        put_chunk(writer, tsn, chunk, immediate(self, !sending->queue.first));
        if (!sending->put.count++)
            sending->put.first_tsn = tsn;
    }
    if (self->peer_is_hawser && sending->put.count && sending->queue.first)
        pad(writer);
}

/* A run of consecutive TSNs that wait to be sent again: of whichever packets they were. */
static void put_rtx(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_put *put = &self->sending.put;
    uint32_t tsn;
    while (sctp_recovery_next_rtx(self, &tsn)) {
        struct sctp_sent *chunk = sctp_flight_chunk(&self->flight, tsn);
        if (put->count && tsn != put->first_tsn + put->count)
            return;
        if (wire_room(writer) < SCTP_DATA_HEADER + sctp_wire_padded(chunk->length))
            return;
        if (!put->count++) {
            put->first_tsn = tsn;
            put->previous = chunk->packet;
            put->is_rtx = true;
        }
        sctp_recovery_pop_rtx(self);
        chunk->packet = self->flight.next;
        chunk->flags &= (uint8_t)~SCTP_SENT_QUEUED;
        chunk->flags |= SCTP_SENT_RTX;
        put_chunk(writer, tsn, chunk, immediate(self, false));
        self->counters.retransmitted++;
    }
}

bool sctp_sending_put(struct sctp_association *self, uint64_t now_us, unsigned net,
                      struct wire_writer *writer)
{
    struct sctp_put *put = &self->sending.put;
    struct sctp_wants wants;
    uint32_t tsn;
    bool may = self->sending.may_put;
    *put = (struct sctp_put){0};
    self->sending.may_put = false;
    if (net != self->used || !self->nets[net] || writer->overrun)
        return false;
    put->probe = self->recovery.probe_due && wants_probe(self, now_us, self->nets[net], &wants);
    if (!put->probe && !may && !may_go(self, now_us, &wants))
        return false;
    if (sctp_recovery_next_rtx(self, &tsn))
        put_rtx(self, writer);
    else if (self->sending.queue.first)
        put_new(self, writer);
    return put->count;
}

void sctp_sending_sent(struct sctp_association *self, uint64_t now_us, unsigned n, size_t size)
{
    struct sctp_flight *flight = &self->flight;
    struct sctp_net *net = self->nets[n];
    const struct sctp_put *put = &self->sending.put;
    struct sctp_congestion *congestion = net->congestion;
    uint32_t number = flight->next;
    struct sctp_packet *packet = sctp_flight_add_packet(flight);
    must(put->count && size <= UINT16_MAX);
    packet->sent_us = now_us;
    packet->first_tsn = put->first_tsn;
    packet->chunk_count = put->count;
    packet->size = (uint16_t)size;
    packet->net = (uint8_t)n;
    packet->previous = put->is_rtx ? put->previous : number;
    packet->flags = (put->is_rtx ? SCTP_PACKET_RTX : 0) | (put->probe ? SCTP_PACKET_PROBE : 0);
    congestion->ops->sent(congestion, now_us, (uint32_t)size, net->in_flight);
    if (!net->in_flight) {
        net->oldest = number;
        net->t3_from_us = now_us;
    }
    net->in_flight += size;
    sctp_rate_sent(&net->rate, now_us, (uint32_t)size, net->in_flight, &packet->mark);
    sctp_pacer_sent(&net->pacer, now_us, congestion->pace, congestion->quantum, (uint32_t)size);
    sctp_recovery_sent(self, now_us, n);
}

/* ---- keys ---- */

void sctp_sending_key_changed(struct sctp_association *self, uint16_t key)
{
    struct sctp_sending *sending = &self->sending;
    sending->key_waits = true;
    sending->key = key;
    sending->key_tsn = self->flight.next_tsn;
    sctp_sending_check_key(self);
}

void sctp_sending_check_key(struct sctp_association *self)
{
    struct sctp_sending *sending = &self->sending;
    if (!sending->key_waits || sctp_flight_before(self->flight.una, sending->key_tsn))
        return;
    sending->key_waits = false;
    self->settled = true;
    self->settled_key = sending->key;
}
