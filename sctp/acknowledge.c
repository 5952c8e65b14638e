/* SACKs in: what they newly acknowledge, what they take back. */
#include "sctp/acknowledge.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/delivery.h"
#include "sctp/recovery.h"
#include "sctp/sending.h"

#define CAPACITY_FIRST 16

/* Linux reports at most 16 gap blocks, others more: a SACK with as many may leave out others. */
#define BLOCKS_OTHERS 16

/* SACKs in a row that leave out what an earlier one had acknowledged: the peer has taken it back
 * (RFC 9260 section 6.2.1 D iii). */
#define MISSES 3

void sctp_acknowledge_fini(struct sctp_association *self)
{
    free(self->acknowledge.intervals);
    free(self->acknowledge.spare);
    self->acknowledge = (struct sctp_acknowledge){0};
}

/* ---- chunks ---- */

/* The peer took only the chunks of that range from a packet that arrived: it had no room for the
 * others. Nothing was lost, but they must go again. */
static void requeue_rest(struct sctp_association *self, uint32_t number, uint32_t first,
                         uint32_t last)
{
    if (!sctp_flight_knows(&self->flight, number))
        return;
    const struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
    uint32_t begin = packet->first_tsn, end = begin + packet->chunk_count;
    if (!(packet->flags & SCTP_PACKET_ACKED) ||
        (!sctp_flight_before(begin, first) && !sctp_flight_before(last + 1, end)))
        return;
    for (uint32_t tsn = begin; tsn != end; tsn++) {
        const struct sctp_sent *chunk = sctp_flight_borne(&self->flight, number, tsn - begin);
        if (tsn - first > last - first && chunk && !(chunk->flags & SCTP_SENT_ACKED))
            sctp_recovery_queue(self, tsn);
    }
}

/* The answer may have been to the packet that this one repeats (sctp/delivery.c). */
static void requeue_untaken(struct sctp_association *self, uint32_t number, uint32_t first,
                            uint32_t last)
{
    requeue_rest(self, number, first, last);
    if (!sctp_flight_knows(&self->flight, number))
        return;
    const struct sctp_packet *packet = sctp_flight_packet(&self->flight, number);
    if (packet->flags & SCTP_PACKET_RTX)
        requeue_rest(self, packet->previous, first, last);
}

/* These TSNs are acknowledged, and were not before. */
static void acknowledge(struct sctp_association *self, uint64_t now_us, uint32_t first,
                        uint32_t last)
{
    struct sctp_flight *flight = &self->flight;
    bool kept = !self->peer_is_hawser, any = false;
    uint32_t packet = 0;
    for (uint32_t tsn = first; tsn != last + 1; tsn++) {
        struct sctp_sent *chunk = sctp_flight_chunk(flight, tsn);
        if (chunk->flags & SCTP_SENT_ACKED)
            continue;
        chunk->flags |= SCTP_SENT_ACKED;
        chunk->misses = 0;
        flight->outstanding -= chunk->length;
        if (!any || chunk->packet != packet) {
            any = true;
            packet = chunk->packet;
            sctp_delivery_packet(self, now_us, packet);
            requeue_untaken(self, packet, first, last);
        }
        chunk->flags &= (uint8_t)~SCTP_SENT_QUEUED;
        if (!kept)
            sctp_flight_release(chunk);
    }
    self->acknowledge.is_new |= any;
}

/* ---- the list ---- */

static bool before(uint32_t a, uint32_t b)
{
    return sctp_flight_before(a, b);
}

/* una moves behind that TSN. TSNs between the intervals are newly acknowledged. */
static void advance(struct sctp_association *self, uint64_t now_us, uint32_t cumulative)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    struct sctp_flight *flight = &self->flight;
    uint32_t at = flight->una, i = 0;
    for (; i < list->count && !before(cumulative, list->intervals[i].first); i++) {
        const struct sctp_interval *interval = &list->intervals[i];
        if (before(at, interval->first))
            acknowledge(self, now_us, at, interval->first - 1);
        at = interval->last + 1;
    }
    if (!before(cumulative, at))
        acknowledge(self, now_us, at, cumulative);
    if (i && before(cumulative, list->intervals[i - 1].last)) /* cut in two */
        list->intervals[--i].first = cumulative + 1;
    if (i) {
        list->count -= i;
        for (uint32_t k = 0; k < list->count; k++)
            list->intervals[k] = list->intervals[k + i];
    }
    if (!self->peer_is_hawser)
        for (uint32_t tsn = flight->una; tsn != cumulative + 1; tsn++)
            sctp_flight_release(sctp_flight_chunk(flight, tsn));
    sctp_flight_advance(flight, now_us, cumulative + 1);
    sctp_sending_check_key(self);
}

/* Blocks that are in order and within what was sent; at the first that is not, the rest is ignored.
 */
static uint32_t sound_blocks(const struct sctp_association *self, const struct sctp_sack *sack)
{
    uint32_t sent = self->flight.next_tsn - 1 - sack->cumulative, last = 0;
    for (unsigned i = 0; i < sack->gap_count; i++) {
        uint16_t start, end;
        sctp_wire_gap(sack, i, &start, &end);
        if (start <= last || end < start || end > sent)
            return i;
        last = end;
    }
    return sack->gap_count;
}

static void make_room(struct sctp_acknowledge *list, uint32_t needed)
{
    uint32_t capacity = list->capacity ? list->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    if (capacity == list->capacity)
        return;
    list->intervals = check_resize(list->intervals, capacity * sizeof *list->intervals);
    list->spare = check_resize(list->spare, capacity * sizeof *list->spare);
    list->capacity = capacity;
}

static void give_back(struct sctp_acknowledge *list)
{
    if (list->capacity <= CAPACITY_FIRST)
        return;
    free(list->intervals);
    free(list->spare);
    list->intervals = list->spare = NULL;
    list->capacity = 0;
}

/* One block, with what of the list touches it, from *i on; what it adds is acknowledged. block may
 * begin within what was merged last, since others' blocks may end where none of ours does. */
static struct sctp_interval join(struct sctp_association *self, uint64_t now_us,
                                 struct sctp_interval block, uint32_t *i, uint32_t *out)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    struct sctp_interval joined = block;
    uint32_t at = block.first;
    if (*out && !before(list->spare[*out - 1].last + 1, block.first)) {
        const struct sctp_interval *last = &list->spare[--*out];
        joined.first = last->first;
        at = last->last + 1;
        if (before(joined.last, last->last))
            joined.last = last->last;
    }
    for (; *i < list->count && !before(block.last + 1, list->intervals[*i].first); ++*i) {
        const struct sctp_interval *old = &list->intervals[*i];
        if (before(at, old->first))
            acknowledge(self, now_us, at, old->first - 1);
        if (before(old->first, joined.first))
            joined.first = old->first;
        if (before(joined.last, old->last))
            joined.last = old->last;
        if (before(at, old->last + 1))
            at = old->last + 1;
    }
    if (!before(block.last, at))
        acknowledge(self, now_us, at, block.last);
    return joined;
}

static void merge(struct sctp_association *self, uint64_t now_us, const struct sctp_sack *sack,
                  uint32_t blocks)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    uint32_t i = 0, out = 0;
    make_room(list, list->count + blocks);
    for (uint32_t k = 0; k < blocks; k++) {
        uint16_t start, end;
        sctp_wire_gap(sack, k, &start, &end);
        struct sctp_interval block = {sack->cumulative + start, sack->cumulative + end};
        while (i < list->count && before(list->intervals[i].last + 1, block.first))
            list->spare[out++] = list->intervals[i++];
        struct sctp_interval joined = join(self, now_us, block, &i, &out);
        list->spare[out++] = joined;
    }
    while (i < list->count)
        list->spare[out++] = list->intervals[i++];
    struct sctp_interval *merged = list->spare;
    list->spare = list->intervals;
    list->intervals = merged;
    list->count = out;
}

/* ---- reneging (section 6.2.1 D iii) ---- */

/* True: it is to be sent again. */
static bool count_miss(struct sctp_association *self, uint32_t tsn)
{
    struct sctp_sent *chunk = sctp_flight_chunk(&self->flight, tsn);
    if (chunk->miss_round != self->acknowledge.miss_round)
        chunk->misses = 0;
    chunk->miss_round = self->acknowledge.miss_round;
    if (++chunk->misses < MISSES)
        return false;
    chunk->flags &= (uint8_t)~SCTP_SENT_ACKED;
    self->flight.outstanding += chunk->length;
    sctp_recovery_queue(self, tsn);
    return true;
}

static void rebuild_list(struct sctp_association *self)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    list->count = 0;
    bool inside = false;
    for (uint32_t tsn = self->flight.una; tsn != self->flight.next_tsn; tsn++) {
        bool acked = sctp_flight_chunk(&self->flight, tsn)->flags & SCTP_SENT_ACKED;
        if (acked && !inside) {
            make_room(list, list->count + 1);
            list->intervals[list->count++].first = tsn;
        }
        if (acked)
            list->intervals[list->count - 1].last = tsn;
        inside = acked;
    }
}

/* TSNs from *at up to end, without it, are in the list and not in this SACK. */
static bool count_misses(struct sctp_association *self, uint32_t *at, uint32_t end, bool *any)
{
    bool back = false;
    for (; before(*at, end); ++*at) {
        *any = true;
        back |= count_miss(self, *at);
    }
    return back;
}

static void find_reneged(struct sctp_association *self, const struct sctp_sack *sack,
                         uint32_t blocks)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    bool any = false, back = false;
    uint32_t k = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t at = list->intervals[i].first, end = list->intervals[i].last + 1;
        for (; k < blocks; k++) {
            uint16_t start, stop;
            sctp_wire_gap(sack, k, &start, &stop);
            if (!before(sack->cumulative + start, end))
                break;
            back |= count_misses(self, &at, sack->cumulative + start, &any);
            if (before(at, sack->cumulative + stop + 1))
                at = sack->cumulative + stop + 1;
            if (!before(at, end))
                break; /* the block may reach into the next one */
        }
        if (list->is_cut && before(list->seen, end))
            end = list->seen;
        back |= count_misses(self, &at, end, &any);
    }
    if (!any)
        list->miss_round++;
    if (back)
        rebuild_list(self);
}

/* ---- SACKs ---- */

/* Duplicates are D-SACKs (RFC 8985 section 6.2.4): at most as many as were sent again, and not what
 * a probe repeated, which was no mistake. */
static void take_duplicates(struct sctp_association *self, const struct sctp_sack *sack)
{
    struct sctp_recovery *recovery = &self->recovery;
    struct sctp_net *net = self->nets[self->used];
    for (unsigned i = 0; i < sack->duplicate_count; i++) {
        uint32_t tsn = sctp_wire_u32(sack->duplicates + 4 * (size_t)i);
        if (sctp_flight_knows(&self->flight, recovery->probe_packet)) {
            const struct sctp_packet *probe =
                sctp_flight_packet(&self->flight, recovery->probe_packet);
            if (probe->flags & SCTP_PACKET_PROBE && tsn - probe->first_tsn < probe->chunk_count) {
                recovery->probe_doubled = true;
                continue;
            }
        }
        if (self->acknowledge.repeats_told >= self->counters.retransmitted)
            return;
        self->acknowledge.repeats_told++;
        sctp_net_begin_batch(net);
        net->needless = net->is_doubled = true;
    }
}

enum err sctp_acknowledge_sack(struct sctp_association *self, uint64_t now_us,
                               const struct sctp_sack *sack)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    struct sctp_flight *flight = &self->flight;
    if (!before(sack->cumulative, flight->next_tsn))
        return ERR_CONTROL_PROTOCOL;
    list->any = true;
    take_duplicates(self, sack);
    if (before(sack->cumulative + 1, flight->una))
        return ERR_OK;
    uint32_t blocks = sound_blocks(self, sack);
    if (sack->cumulative + 1 != flight->una)
        advance(self, now_us, sack->cumulative);
    if (!self->peer_is_hawser) {
        uint16_t start = 0, end = 0;
        if (blocks)
            sctp_wire_gap(sack, blocks - 1, &start, &end);
        list->is_cut = sack->gap_count >= BLOCKS_OTHERS || blocks < sack->gap_count;
        list->seen = sack->cumulative + end + 1;
        find_reneged(self, sack, blocks);
    }
    if (blocks)
        merge(self, now_us, sack, blocks);
    if (!list->count)
        give_back(list);
    self->sending.peer_window = (uint32_t)number_minus(sack->window, flight->outstanding);
    sctp_recovery_window(self, now_us, sack->window);
    return ERR_OK;
}

enum err sctp_acknowledge_cumulative(struct sctp_association *self, uint64_t now_us, uint32_t tsn)
{
    if (!before(tsn, self->flight.next_tsn))
        return ERR_CONTROL_PROTOCOL;
    self->acknowledge.any = true;
    if (!before(tsn, self->flight.una))
        advance(self, now_us, tsn);
    return ERR_OK;
}

void sctp_acknowledge_end(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_acknowledge *list = &self->acknowledge;
    if (!list->any)
        return;
    bool is_new = list->is_new;
    list->any = list->is_new = false;
    sctp_delivery_end(self, now_us);
    if (is_new)
        sctp_recovery_acked(self, now_us);
}
