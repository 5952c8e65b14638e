/* Packets that were acknowledged, and losses that were none. */
#include "sctp/delivery.h"

#include "base/number.h"
#include "sctp/recovery.h"

/* An answer that comes sooner after a retransmission than this share of the least round trip is the
 * answer to the packet before it. */
#define EARLY_PERCENT 95
#define EARLY_ROUNDS  2

/* RFC 8985 section 6.2.4: how far the reordering window grows, and how long it stays. */
#define REO_MULT_MAX 16
#define REO_PERSIST  16

/* ---- one packet ---- */

static void measure(struct sctp_net *net, uint32_t number, uint64_t rtt_us)
{
    net->backoff = 0;
    net->is_doubled = false;
    bool newer = !net->rack.has_newest || sctp_flight_before(net->rack.newest, number);
    if (!newer)
        net->rack.reordering_seen = true;
    if (newer || !net->sample.rtt_us)
        net->sample.rtt_us = rtt_us ? rtt_us : 1;
    if (newer)
        net->rack.newest = number;
    net->rack.has_newest = true;
}

/* RFC 8985 section 6.2, step 2; Karn's rule (RFC 9260 section 6.3.1 C5). */
static void count(struct sctp_association *self, uint64_t now_us, uint32_t number,
                  struct sctp_packet *packet)
{
    struct sctp_net *net = self->nets[packet->net];
    bool repeats = packet->flags & SCTP_PACKET_RTX, probe = packet->flags & SCTP_PACKET_PROBE;
    uint64_t rtt_us = number_minus(now_us, packet->sent_us);
    packet->flags |= SCTP_PACKET_ACKED;
    net->heard_us = net->t3_from_us = now_us;
    net->errors = 0;
    sctp_rate_acked(&net->rate, &net->sample, now_us, packet->sent_us, packet->size, &packet->mark);
    if (!net->is_doubled)
        net->backoff = 0;
    if (!repeats)
        measure(net, number, rtt_us);
    else if (!net->min_rtt_us && !probe)
        return; /* perhaps it is the packet before it that is answered (is_early cannot tell) */
    if (net->rack.has_acked && !sctp_flight_before(net->rack.packet, number))
        return;
    net->rack.has_acked = true;
    net->rack.packet = number;
    net->rack.rtt_us = rtt_us;
}

/* One that was not held lost. */
static void arrive(struct sctp_association *self, uint64_t now_us, uint32_t number,
                   struct sctp_packet *packet)
{
    if (!(packet->flags & SCTP_PACKET_COPY))
        sctp_net_leave(self->nets[packet->net], packet->size);
    count(self, now_us, number, packet);
}

/* ---- losses that were none ---- */

/* True: one of its chunks still waits to be sent again. */
static bool is_waiting(const struct sctp_association *self, uint32_t number,
                       const struct sctp_packet *packet)
{
    for (uint32_t i = 0; i < packet->chunk_count; i++) {
        const struct sctp_sent *chunk = sctp_flight_borne(&self->flight, number, i);
        if (chunk && chunk->flags & SCTP_SENT_QUEUED)
            return true;
    }
    return false;
}

static void return_to_flight(struct sctp_association *self, uint32_t number,
                             struct sctp_packet *packet)
{
    struct sctp_net *net = self->nets[packet->net];
    for (uint32_t i = 0; i < packet->chunk_count; i++) {
        struct sctp_sent *chunk = sctp_flight_borne(&self->flight, number, i);
        if (chunk)
            chunk->flags &= (uint8_t)~SCTP_SENT_QUEUED;
    }
    if (!net->in_flight || sctp_flight_before(number, net->oldest))
        net->oldest = number;
    if (sctp_flight_before(number, self->flight.oldest))
        self->flight.oldest = number;
    packet->flags &= (uint8_t)~SCTP_PACKET_LOST;
    net->in_flight += packet->size;
}

/* T3 was too early: an answer has come to what it declared lost. So the rest is in flight still, as
 * far as it was not sent again; RACK judges it anew. Returns the bytes. */
static uint32_t undo_timeout(struct sctp_association *self, unsigned n)
{
    struct sctp_flight *flight = &self->flight;
    struct sctp_net *net = self->nets[n];
    uint32_t bytes = 0;
    for (uint32_t i = flight->packet_size; i > 0; i--) {
        uint32_t number = flight->next - i;
        struct sctp_packet *packet = sctp_flight_packet(flight, number);
        if (packet->net != n || packet->episode != net->episode.number ||
            (packet->flags & SCTP_PACKET_RESOLVED) != SCTP_PACKET_LOST ||
            !is_waiting(self, number, packet))
            continue;
        return_to_flight(self, number, packet);
        net->rate.lost = number_minus(net->rate.lost, packet->size);
        bytes += packet->size;
    }
    net->episode.is_on = net->episode.by_timeout = false;
    return bytes;
}

static void spurious(struct sctp_association *self, uint64_t now_us, uint32_t number,
                     struct sctp_packet *packet)
{
    struct sctp_net *net = self->nets[packet->net];
    uint32_t size = packet->size;
    bool whole = false;
    net->rate.lost = number_minus(net->rate.lost, size);
    count(self, now_us, number, packet);
    if (!packet->episode) /* a path was given up, or a window was probed: no mistake of ours */
        return;
    net->needless = net->rack.reordering_seen = true;
    if (packet->episode == net->episode.number && net->episode.is_on && net->episode.by_timeout &&
        sctp_flight_before(number, net->episode.end)) {
        size += undo_timeout(self, packet->net);
        whole = true;
    } else if (packet->episode == net->episode.number) {
        whole = ++net->episode.spurious == net->episode.lost;
    }
    net->congestion->ops->spurious(net->congestion, now_us, size, whole);
}

/* The packet that this one repeated has arrived, so this one is needless: it ends silently. */
static void arrived_before(struct sctp_association *self, uint64_t now_us,
                           struct sctp_packet *packet)
{
    struct sctp_net *net = self->nets[packet->net];
    uint32_t number = packet->previous;
    self->counters.spurious += packet->chunk_count;
    net->needless |= !(packet->flags & SCTP_PACKET_PROBE);
    sctp_net_leave(net, packet->size);
    packet->flags |= SCTP_PACKET_ACKED;
    if (!sctp_flight_knows(&self->flight, number))
        return;
    struct sctp_packet *before = sctp_flight_packet(&self->flight, number);
    if (before->flags & SCTP_PACKET_ACKED)
        return;
    sctp_net_begin_batch(self->nets[before->net]);
    if (before->flags & SCTP_PACKET_LOST)
        spurious(self, now_us, number, before);
    else
        arrive(self, now_us, number, before);
}

static bool is_early(const struct sctp_net *net, uint64_t now_us, const struct sctp_packet *packet)
{
    return packet->flags & SCTP_PACKET_RTX &&
           (now_us - packet->sent_us) * 100 < net->min_rtt_us * EARLY_PERCENT;
}

/* Late answers to what was sent first come within a round trip or two. If answers are early for
 * longer, the line has become shorter, and they are right. */
static void check_early(struct sctp_net *net, uint64_t now_us, const struct sctp_packet *packet)
{
    if (!is_early(net, now_us, packet)) {
        if (!(packet->flags & SCTP_PACKET_RTX))
            net->early_us = 0;
    } else if (!net->early_us) {
        net->early_us = now_us;
    } else if (now_us - net->early_us > EARLY_ROUNDS * net->min_rtt_us) {
        net->min_rtt_us = now_us - packet->sent_us;
        net->early_us = 0;
    }
}

/* A probe was answered: what it repeated was lost, unless the peer says that it had it. */
static void answer_to_probe(struct sctp_association *self, uint64_t now_us, uint32_t number)
{
    if (!sctp_flight_knows(&self->flight, number))
        return;
    struct sctp_packet *before = sctp_flight_packet(&self->flight, number);
    if ((before->flags & SCTP_PACKET_RESOLVED) != SCTP_PACKET_COPY)
        return;
    if (self->recovery.probe_doubled)
        before->flags |= SCTP_PACKET_ACKED;
    else
        sctp_recovery_repaired(self, now_us, number);
}

void sctp_delivery_packet(struct sctp_association *self, uint64_t now_us, uint32_t number)
{
    if (!sctp_flight_knows(&self->flight, number))
        return;
    struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
    struct sctp_net *net = self->nets[packet->net];
    if (packet->flags & SCTP_PACKET_ACKED)
        return;
    sctp_net_begin_batch(net);
    check_early(net, now_us, packet);
    if (packet->flags & SCTP_PACKET_LOST) {
        spurious(self, now_us, number, packet);
    } else if (is_early(net, now_us, packet)) {
        arrived_before(self, now_us, packet);
    } else {
        arrive(self, now_us, number, packet);
        if (packet->flags & SCTP_PACKET_PROBE && packet->flags & SCTP_PACKET_RTX)
            answer_to_probe(self, now_us, packet->previous);
    }
}

/* ---- the end of a batch ---- */

/* RFC 8985 section 6.2.4: by one for each round trip in which something was sent needlessly. */
static void widen(const struct sctp_flight *flight, struct sctp_net *net)
{
    net->needless = false;
    if (net->rack.has_reo_round &&
        (!net->rack.has_acked || sctp_flight_before(net->rack.packet, net->rack.reo_round)))
        return;
    if (net->rack.reo_mult < REO_MULT_MAX)
        net->rack.reo_mult++;
    net->rack.reo_persist = REO_PERSIST;
    net->rack.has_reo_round = true;
    net->rack.reo_round = flight->next;
}

static void check_recovery_end(const struct sctp_flight *flight, struct sctp_net *net)
{
    if (!net->episode.is_on || sctp_flight_before(flight->una, net->episode.end_tsn))
        return;
    net->episode.is_on = net->episode.by_timeout = false;
    if (net->rack.reo_persist && --net->rack.reo_persist == 0)
        net->rack.reo_mult = 1;
}

static void tell(struct sctp_net *net, uint64_t now_us)
{
    struct sctp_sample *sample = &net->sample;
    net->in_batch = false;
    if (!sample->acked && !sample->lost)
        return;
    sample->in_flight = net->in_flight;
    sample->srtt_us = net->srtt_us;
    sample->in_recovery = net->episode.is_on;
    sample->by_timeout = net->episode.by_timeout;
    sctp_rate_finish(&net->rate, sample, now_us, net->min_rtt_us);
    net->congestion->ops->acked(net->congestion, sample);
}

/* After an outage of the way back acknowledgements are late by its length. A line that has become
 * slower is followed within two or three samples all the same. */
static uint64_t believable(const struct sctp_net *net, uint64_t rtt_us)
{
    return net->srtt_us ? number_least(rtt_us, 2 * net->rto_us) : rtt_us;
}

void sctp_delivery_end(struct sctp_association *self, uint64_t now_us)
{
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++) {
        struct sctp_net *net = self->nets[i];
        if (!net || !net->in_batch)
            continue;
        if (net->sample.rtt_us)
            sctp_net_measured(net, &self->options, believable(net, net->sample.rtt_us));
        check_recovery_end(&self->flight, net);
        if (net->needless)
            widen(&self->flight, net);
    }
    sctp_recovery_detect(self, now_us);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        if (self->nets[i] && self->nets[i]->in_batch)
            tell(self->nets[i], now_us);
    sctp_flight_pass(&self->flight);
}

void sctp_delivery_timeout(struct sctp_association *self, uint64_t now_us)
{
    if (now_us >= self->recovery.rack_us)
        sctp_delivery_end(self, now_us);
    sctp_recovery_timeout(self, now_us);
}
