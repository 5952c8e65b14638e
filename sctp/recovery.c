/* Lost packets: RACK, TLP, T3; and the retransmission queue. */
#include "sctp/recovery.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"

#define RTX_FIRST 16

/* RFC 8985 section 7.2: the probe waits for an answer that the peer delays: one packet alone for
 * its timer, that of others than ours not known (RFC 9260 section 6.2: usually 200 ms). */
#define PROBE_SLACK_US   2000
#define DELAY_OTHERS_US  200000
#define RACK_SHARE       4 /* of the least round trip */
#define UNKNOWN_PROBE_US 1000000

enum loss { BY_RACK, BY_TIMEOUT, UNTOLD };

void sctp_recovery_fini(struct sctp_association *self)
{
    for (unsigned i = 0; i < 2; i++) {
        free(self->recovery.rtx[i].tsns);
        self->recovery.rtx[i] = (struct sctp_rtx_queue){0};
    }
}

/* ---- the retransmission queue ---- */

static bool waits(const struct sctp_association *self, uint32_t tsn)
{
    return sctp_flight_is_outstanding(&self->flight, tsn) &&
           sctp_flight_chunk(&self->flight, tsn)->flags & SCTP_SENT_QUEUED;
}

/* TSNs that were acknowledged meanwhile are left out. */
static void make_room(const struct sctp_association *self, struct sctp_rtx_queue *ring)
{
    uint32_t kept = 0, mask = ring->size - 1;
    for (uint32_t i = 0; i < ring->count; i++) {
        uint32_t tsn = ring->tsns[(ring->first + i) & mask];
        if (waits(self, tsn))
            ring->tsns[(ring->first + kept++) & mask] = tsn;
    }
    ring->count = kept;
    if (kept < ring->size / 2)
        return;
    uint32_t size = ring->size ? 2 * ring->size : RTX_FIRST;
    uint32_t *tsns = check_alloc(size * sizeof *tsns);
    for (uint32_t i = 0; i < kept; i++)
        tsns[i] = ring->tsns[(ring->first + i) & mask];
    free(ring->tsns);
    *ring = (struct sctp_rtx_queue){.tsns = tsns, .size = size, .count = kept};
}

void sctp_recovery_queue(struct sctp_association *self, uint32_t tsn)
{
    struct sctp_sent *chunk = sctp_flight_chunk(&self->flight, tsn);
    struct sctp_rtx_queue *ring = &self->recovery.rtx[chunk->flags & SCTP_SENT_RTX ? 0 : 1];
    if (chunk->flags & SCTP_SENT_QUEUED)
        return;
    if (ring->count == ring->size)
        make_room(self, ring);
    ring->tsns[(ring->first + ring->count++) & (ring->size - 1)] = tsn;
    chunk->flags |= SCTP_SENT_QUEUED;
}

bool sctp_recovery_next_rtx(struct sctp_association *self, uint32_t *tsn)
{
    const struct sctp_rtx_queue *rings = self->recovery.rtx;
    for (; rings[0].count || rings[1].count; sctp_recovery_pop_rtx(self)) {
        const struct sctp_rtx_queue *ring = &rings[rings[0].count ? 0 : 1];
        *tsn = ring->tsns[ring->first];
        if (waits(self, *tsn))
            return true;
    }
    return false;
}

void sctp_recovery_pop_rtx(struct sctp_association *self)
{
    struct sctp_rtx_queue *rings = self->recovery.rtx, *ring = &rings[rings[0].count ? 0 : 1];
    ring->first = (ring->first + 1) & (ring->size - 1);
    ring->count--;
}

/* ---- losses ---- */

static void queue_chunks(struct sctp_association *self, uint32_t number,
                         const struct sctp_packet *packet)
{
    for (uint32_t i = 0; i < packet->chunk_count; i++) {
        const struct sctp_sent *chunk = sctp_flight_borne(&self->flight, number, i);
        if (chunk && !(chunk->flags & SCTP_SENT_ACKED))
            sctp_recovery_queue(self, packet->first_tsn + i);
    }
}

static void begin_episode(const struct sctp_flight *flight, struct sctp_net *net, bool by_timeout)
{
    net->episode.is_on = true;
    net->episode.by_timeout = by_timeout;
    net->episode.end = flight->next;
    net->episode.end_tsn = flight->next_tsn;
    net->episode.lost = net->episode.spurious = 0;
    if (++net->episode.number == 0)
        net->episode.number = 1;
}

static bool is_adjacent(const struct sctp_flight *flight, uint32_t number, unsigned net)
{
    if (!sctp_flight_knows(flight, number - 1))
        return false;
    const struct sctp_packet *before = sctp_flight_packet(flight, number - 1);
    return before->net == net &&
           (before->flags & (SCTP_PACKET_LOST | SCTP_PACKET_ACKED)) == SCTP_PACKET_LOST;
}

static void tell(struct sctp_association *self, uint64_t now_us, uint32_t number,
                 struct sctp_packet *packet, bool by_timeout)
{
    struct sctp_net *net = self->nets[packet->net];
    struct sctp_loss loss = {.now_us = now_us,
                             .sent_us = packet->sent_us,
                             .size = packet->size,
                             .mark = packet->mark,
                             .in_flight = net->in_flight,
                             .total_lost = net->rate.lost,
                             .total_delivered = net->rate.delivered,
                             .by_timeout = by_timeout,
                             .begins_recovery = !net->episode.is_on,
                             .adjacent = is_adjacent(&self->flight, number, packet->net)};
    if (!net->episode.is_on)
        begin_episode(&self->flight, net, by_timeout);
    packet->episode = net->episode.number;
    net->episode.lost++;
    net->congestion->ops->lost(net->congestion, &loss);
}

static void declare(struct sctp_association *self, uint64_t now_us, uint32_t number,
                    struct sctp_packet *packet, enum loss how)
{
    struct sctp_net *net = self->nets[packet->net];
    if (how == BY_RACK)
        sctp_net_begin_batch(net);
    if (!(packet->flags & SCTP_PACKET_COPY))
        sctp_net_leave(net, packet->size);
    packet->flags |= SCTP_PACKET_LOST;
    net->rate.lost += packet->size;
    if (how == BY_RACK)
        net->sample.lost += packet->size;
    self->counters.lost++;
    queue_chunks(self, number, packet);
    if (how != UNTOLD)
        tell(self, now_us, number, packet, how == BY_TIMEOUT);
}

void sctp_recovery_repaired(struct sctp_association *self, uint64_t now_us, uint32_t number)
{
    declare(self, now_us, number, sctp_flight_packet(&self->flight, number), BY_RACK);
}

/* No packet of that net before it is in flight. Packets that RACK has not passed, because it knows
 * of no answer on that net, may have left the ring. */
static uint32_t oldest_of(const struct sctp_flight *flight, const struct sctp_net *net)
{
    return sctp_flight_before(net->oldest, flight->oldest) ? flight->oldest : net->oldest;
}

static void lose(struct sctp_association *self, uint64_t now_us, unsigned n, enum loss how)
{
    struct sctp_flight *flight = &self->flight;
    struct sctp_net *net = self->nets[n];
    if (!net || !net->in_flight)
        return;
    if (how == BY_TIMEOUT)
        net->episode.is_on = false; /* an episode of its own, so that it can be undone */
    for (uint32_t number = oldest_of(flight, net); number != flight->next; number++) {
        struct sctp_packet *packet = sctp_flight_packet(flight, number);
        if (packet->net == n && !(packet->flags & SCTP_PACKET_RESOLVED))
            declare(self, now_us, number, packet, how);
    }
    net->in_flight = 0;
    if (how == BY_TIMEOUT)
        net->congestion->ops->timeout(net->congestion, now_us);
    sctp_pacer_reset(&net->pacer);
    sctp_flight_pass(flight);
}

void sctp_recovery_lose(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    lose(self, now_us, net, UNTOLD);
    self->recovery.probe_out = self->recovery.probe_due = false;
}

/* ---- RACK (RFC 8985 section 6.2) ---- */

/* Section 6.2.4: nothing once a loss is being repaired and no reordering was ever seen. */
static uint64_t reo_wnd(const struct sctp_net *net)
{
    if (!net->rack.reordering_seen && net->episode.is_on)
        return 0;
    return number_least(net->rack.reo_mult * (net->min_rtt_us / RACK_SHARE), net->srtt_us);
}

/* Not reported yet, for want of room in a SACK: nothing is known of it. */
static bool is_unseen(const struct sctp_association *self, const struct sctp_packet *packet)
{
    return self->acknowledge.is_cut &&
           !sctp_flight_before(packet->first_tsn, self->acknowledge.seen);
}

/* The packets of a net are looked at in the order in which they were sent, from the first that is
 * in flight to the first that is not yet lost: each is passed once. */
static uint64_t detect(struct sctp_association *self, uint64_t now_us, unsigned n)
{
    struct sctp_net *net = self->nets[n];
    if (!net->rack.has_acked || !net->in_flight)
        return SCTP_NEVER;
    uint64_t patience = net->rack.rtt_us + reo_wnd(net);
    bool leading = true;
    uint32_t number = oldest_of(&self->flight, net);
    for (; sctp_flight_before(number, net->rack.packet); number++) {
        struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
        if (packet->net == n && !(packet->flags & SCTP_PACKET_RESOLVED)) {
            if (is_unseen(self, packet)) {
                leading = false;
                continue;
            }
            if (packet->sent_us + patience > now_us)
                return packet->sent_us + patience;
            declare(self, now_us, number, packet, BY_RACK);
        }
        if (leading)
            net->oldest = number + 1;
    }
    return SCTP_NEVER;
}

/* On a net that is not in use any more nothing is sent that could show RACK what was lost before:
 * there each packet has its own time-out, which says nothing of the rate of the net in use. */
static uint64_t detect_left(struct sctp_association *self, uint64_t now_us, unsigned n)
{
    struct sctp_net *net = self->nets[n];
    uint64_t patience = sctp_net_rto(net, &self->options);
    for (uint32_t number = net->oldest; net->in_flight && number != self->flight.next; number++) {
        struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
        if (packet->net != n || packet->flags & SCTP_PACKET_RESOLVED)
            continue;
        if (packet->sent_us + patience > now_us)
            return packet->sent_us + patience;
        declare(self, now_us, number, packet, UNTOLD);
    }
    return SCTP_NEVER;
}

void sctp_recovery_detect(struct sctp_association *self, uint64_t now_us)
{
    self->recovery.rack_us = SCTP_NEVER;
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++) {
        if (!self->nets[i])
            continue;
        uint64_t at_us = detect(self, now_us, i);
        if (i != self->used)
            at_us = number_least(at_us, detect_left(self, now_us, i));
        self->recovery.rack_us = number_least(at_us, self->recovery.rack_us);
    }
}

/* ---- the probe (RFC 8985 section 7) ---- */

static uint64_t probe_timeout(const struct sctp_association *self, const struct sctp_net *net)
{
    uint64_t delay_us = self->peer_is_hawser ? self->options.sack_delay_us : DELAY_OTHERS_US;
    if (!net->srtt_us)
        return UNKNOWN_PROBE_US;
    return 2 * net->srtt_us + (net->in_flight <= net->mtu ? delay_us : PROBE_SLACK_US);
}

bool sctp_recovery_last(const struct sctp_association *self, uint32_t *number)
{
    const struct sctp_flight *flight = &self->flight;
    for (uint32_t at = flight->next; at != flight->oldest; at--)
        if (!(sctp_flight_packet(flight, at - 1)->flags & SCTP_PACKET_RESOLVED)) {
            *number = at - 1;
            return true;
        }
    return false;
}

void sctp_recovery_rtx_packet(struct sctp_association *self, uint32_t number)
{
    struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
    struct sctp_net *net = self->nets[packet->net];
    sctp_net_leave(net, packet->size);
    packet->flags |= SCTP_PACKET_COPY;
    queue_chunks(self, number, packet);
}

/* ---- T3 (RFC 9260 section 6.3.3) ---- */

static void time_out(struct sctp_association *self, uint64_t now_us, unsigned n)
{
    struct sctp_recovery *recovery = &self->recovery;
    struct sctp_net *net = self->nets[n];
    bool probing = recovery->is_probing_window, heard = recovery->is_heard;
    recovery->is_heard = recovery->probe_out = recovery->probe_due = false;
    recovery->rack_us = recovery->probe_us = SCTP_NEVER;
    self->counters.timeouts++;
    net->backoff++;
    lose(self, now_us, n, probing ? UNTOLD : BY_TIMEOUT);
    if (probing && heard) /* section 6.1 A: then its window may stay closed for ever */
        return;
    net->errors++;
    if (++recovery->errors > self->options.retransmissions)
        sctp_association_end(self, ERR_TRANSPORT_LOST, NULL, 0);
}

/* Each net has its own: what is answered on one says nothing of what went by another. Seen in the
 * simulator: after a change of path the rest of the old flight was lost, and went again one packet
 * for each probe, since each answer to a probe started T3 anew. */
static void check_t3(struct sctp_association *self, uint64_t now_us)
{
    for (unsigned i = 0; i < SCTP_NETS_MAX && self->state != SCTP_ENDED; i++)
        if (self->nets[i] && now_us >= sctp_net_t3(self->nets[i], &self->options))
            time_out(self, now_us, i);
}

/* ---- the timer ---- */

uint64_t sctp_recovery_deadline(const struct sctp_association *self)
{
    const struct sctp_recovery *recovery = &self->recovery;
    uint64_t at_us = number_least(recovery->rack_us, recovery->probe_us);
    at_us = number_least(at_us, recovery->wait_us);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        if (self->nets[i])
            at_us = number_least(at_us, sctp_net_t3(self->nets[i], &self->options));
    return number_least(at_us, self->flight.idle_us);
}

void sctp_recovery_timeout(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_recovery *recovery = &self->recovery;
    sctp_flight_rest(&self->flight, now_us);
    if (now_us >= recovery->wait_us) {
        recovery->wait_us = SCTP_NEVER;
        recovery->window_due = true;
        self->nets[self->used]->backoff++;
    }
    if (now_us >= recovery->probe_us) {
        recovery->probe_us = SCTP_NEVER;
        recovery->probe_due = true;
        self->nets[self->used]->t3_from_us = now_us;
    }
    check_t3(self, now_us);
}

/* No probe before the last one is answered, nor while the peer's window is closed, nor after T3:
 * with one before each T3, time-outs would come twice as often as section 6.3.3 E2 allows. */
static void arm_probe(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_recovery *recovery = &self->recovery;
    const struct sctp_net *net = self->nets[self->used];
    recovery->probe_us = SCTP_NEVER;
    if (recovery->probe_out || recovery->probe_due || recovery->is_probing_window || net->backoff)
        return;
    recovery->probe_us =
        number_least(now_us + probe_timeout(self, net), sctp_net_t3(net, &self->options));
}

void sctp_recovery_sent(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    struct sctp_recovery *recovery = &self->recovery;
    const struct sctp_put *put = &self->sending.put;
    if (put->probe) {
        self->counters.probes++;
        recovery->probe_due = recovery->probe_doubled = false;
        recovery->probe_out = true;
        recovery->probe_packet = self->flight.next - 1;
    }
    /* It is restarted when the earliest goes again, and by no other (RFC 9260 section 6.1). */
    if (put->probe || (put->is_rtx && put->first_tsn == self->flight.una))
        self->nets[net]->t3_from_us = now_us;
    arm_probe(self, now_us);
}

void sctp_recovery_acked(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_recovery *recovery = &self->recovery;
    recovery->errors = 0;
    recovery->probe_out = recovery->probe_due = false;
    recovery->is_probing_window = recovery->window_due = false;
    recovery->wait_us = SCTP_NEVER;
    if (self->flight.una == self->flight.next_tsn) {
        recovery->rack_us = recovery->probe_us = SCTP_NEVER;
        return;
    }
    arm_probe(self, now_us);
}

/* ---- the peer's window (RFC 9260 section 6.1 A) ---- */

void sctp_recovery_wait(struct sctp_association *self, uint64_t now_us)
{
    const struct sctp_net *net = self->nets[self->used];
    if (self->recovery.wait_us == SCTP_NEVER && !self->recovery.window_due)
        self->recovery.wait_us = now_us + sctp_net_rto(net, &self->options);
}

void sctp_recovery_window(struct sctp_association *self, uint64_t now_us, uint32_t window)
{
    struct sctp_recovery *recovery = &self->recovery;
    recovery->is_heard = true;
    if (!window)
        return;
    recovery->window_due = false;
    if (recovery->wait_us != SCTP_NEVER || recovery->is_probing_window)
        self->nets[self->used]->backoff = 0;
    recovery->wait_us = SCTP_NEVER;
    if (!recovery->is_probing_window)
        return;
    recovery->is_probing_window = false; /* what probed was too early: it goes at once */
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        lose(self, now_us, i, UNTOLD);
}
