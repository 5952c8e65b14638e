/* Each rule of RFC 8985 that is used, spurious losses, the probe, T3, paths that fail. Packet
 * numbers and TSNs wrap within each test. */
#include "tests/unit/sctp/sender_bed.h"

#define RTT 40000

/* So many packets in flight, one chunk each; a round trip of RTT is known, and nothing else. */
static struct bed *bed_with(unsigned count, bool hawser)
{
    struct bed *bed = bed_new(hawser);
    bed_fill(bed, 1);
    bed->now_us += RTT;
    bed_sack(bed, 1, NULL);
    bed_fill(bed, count);
    return bed;
}

static struct sctp_net *net_of(const struct bed *bed)
{
    return bed->a->nets[bed->a->used];
}

static uint64_t t3_of(const struct bed *bed)
{
    return sctp_net_t3(net_of(bed), &bed->a->options);
}

/* ---- RACK ---- */

static void test_loss(void)
{
    struct bed *bed = bed_with(10, true);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 2);
    ok(bed_congestion(bed)->lost == 0,
       "one packet overtaken: it may be late by a quarter of a round trip");
    ok(bed->a->recovery.rack_us == bed->now_us + RTT / 4, "a timer waits for it");
    ok(sctp_recovery_deadline(bed->a) == bed->a->recovery.rack_us, "which is the next");
    ok(!bed_send(bed), "nothing goes meanwhile");
    bed_tick(bed);
    ok(bed_congestion(bed)->lost == 1 && bed_congestion(bed)->begins == 1, "then it is lost");
    ok(bed_congestion(bed)->acked == 2 + 1 &&
           bed_congestion(bed)->sample.lost == bed->packets[1].size &&
           bed_congestion(bed)->sample.acked == 0,
       "congestion control is told at once");
    ok(bed_send_all(bed) == 1 && bed_last(bed)->tsn == BED_FIRST + 1, "it goes again, and only it");
    ok(bed->a->counters.lost == 1 && bed->a->counters.retransmitted == 1, "and is counted");
    bed_sack_gaps(bed, 1, 2, 3);
    ok(bed_congestion(bed)->lost == 1, "it is not lost twice");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

/* RFC 8985 section 6.2.4: while a loss is repaired and no reordering was ever seen, at once. */
static void test_no_window(void)
{
    struct bed *bed = bed_with(10, true);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 3, 3);
    bed_tick(bed);
    ok(bed_congestion(bed)->lost == 2, "two packets lost");
    ok(bed_congestion(bed)->begins == 1 && bed_congestion(bed)->adjacent == 1,
       "in one episode, and next to each other");
    bed_sack_gaps(bed, 1, 3, 3, 6, 6);
    ok(bed_congestion(bed)->lost == 4,
       "two more: without a wait, as nothing ever came out of order");
    bed_end(bed);
}

/* Packets sent later than the newest that arrived are not judged. */
static void test_order(void)
{
    struct bed *bed = bed_new(true);
    bed_fill(bed, 2);
    bed->now_us += 1000;
    bed_fill(bed, 2);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 0, 1, 1);
    bed->now_us += 10 * RTT;
    sctp_recovery_detect(bed->a, bed->now_us);
    ok(bed_congestion(bed)->lost == 1, "only the one before it is lost, however long it takes");
    bed_end(bed);
}

/* A retransmission that is lost, too, is one more packet: RACK finds it, not T3. */
static void test_lost_again(void)
{
    struct bed *bed = bed_with(10, true);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 10);
    bed_tick(bed);
    ok(bed_send_all(bed) == 1, "TSN 1 goes again");
    bed->now_us += 100;
    bed_fill(bed, 5);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 15);
    ok(bed_congestion(bed)->lost == 2, "what was sent after it has arrived: lost again");
    ok(bed_send_all(bed) == 1 && bed_last(bed)->tsn == BED_FIRST + 1, "so it goes a third time");
    ok(bed->a->counters.timeouts == 0 && bed->a->counters.probes == 0, "by no time-out");
    bed->now_us += RTT;
    bed_sack(bed, 16, NULL);
    ok(sctp_sending_is_done(bed->a) && net_of(bed)->in_flight == 0, "all is there");
    bed_end(bed);
}

/* The blocks of others are few, the lowest ones: behind the last nothing is known. */
static void test_cut_sack(void)
{
    struct bed *bed = bed_with(60, false);
    uint32_t pairs[34] = {0};
    for (uint32_t i = 0; i < 16; i++)
        pairs[2 * i] = pairs[2 * i + 1] = 2 + 2 * i;
    bed->now_us += RTT;
    bed_sack(bed, 1, pairs);
    while (!bed_congestion(bed)->lost)
        bed_tick(bed);
    bed_send_all(bed); /* sent after all others */
    bed->now_us += RTT;
    pairs[0] = 1;
    bed_sack(bed, 1, pairs);
    ok(bed_congestion(bed)->lost == 16, "16 are lost, of those below the last block");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

/* ---- the reordering window ---- */

static void test_reordering(void)
{
    struct bed *bed = bed_with(30, true);
    struct sctp_net *net = net_of(bed);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 3, 3);
    bed->now_us += 1000;
    bed_sack_gaps(bed, 3, 3, 3);
    ok(net->rack.reordering_seen && bed_congestion(bed)->lost == 0, "out of order, and not lost");
    ok(net->rack.reo_mult == 1, "the window is as before");
    bed_sack_gaps(bed, 4, 8, 8);
    bed_tick(bed);
    ok(bed_congestion(bed)->lost == 4, "four are lost");
    bed_sack_gaps(bed, 4, 8, 8, 10, 10);
    ok(bed_congestion(bed)->lost == 4, "another has a window, also in recovery");
    uint64_t lost = net->rate.lost;
    bed_sack_gaps(bed, 6, 8, 8, 10, 10);
    ok(bed_congestion(bed)->spurious == 2 && bed_congestion(bed)->whole == 0,
       "two of four arrive before they are sent again");
    ok(net->rate.lost == lost - 2 * bed->packets[5].size, "they are taken back");
    ok(net->rack.reo_mult == 2 && net->rack.reo_persist == 16, "the window grows");
    bed_sack_gaps(bed, 7, 8, 8, 10, 10);
    ok(net->rack.reo_mult == 2, "once in a round trip");
    bed_sack_gaps(bed, 8, 8, 8, 10, 10);
    ok(bed_congestion(bed)->whole == 1, "the last of them: all of the episode was a mistake");
    ok(!bed_send(bed) && bed->a->counters.retransmitted == 0, "nothing goes again");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

/* An answer too soon after a retransmission is the answer to the packet before it. */
static void test_too_soon(void)
{
    struct bed *bed = bed_with(10, true);
    struct sctp_net *net = net_of(bed);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 2);
    bed_tick(bed);
    bed_send_all(bed);
    bed->now_us += RTT / 2;
    bed_sack(bed, 3, NULL);
    ok(bed_congestion(bed)->spurious == 1 && bed_congestion(bed)->whole == 1, "spurious");
    ok(bed->a->counters.spurious == 1 && net->rate.lost == 0, "counted, and taken back");
    ok(net->in_flight == 8 * bed->packets[1].size, "the needless one is in flight no more");
    ok(net->min_rtt_us == RTT && net->srtt_us >= RTT, "and gives no round trip");
    bed_end(bed);

    bed = bed_with(10, true);
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 2);
    bed_tick(bed);
    bed_send_all(bed);
    uint64_t srtt = net_of(bed)->srtt_us;
    bed->now_us += RTT + 5000;
    bed_sack(bed, 3, NULL);
    ok(bed_congestion(bed)->spurious == 0 && net_of(bed)->srtt_us == srtt,
       "after a round trip it is the retransmission's, and says nothing of round trips (Karn)");
    bed_end(bed);
}

/* Duplicate TSNs are D-SACKs. */
static void test_duplicates(void)
{
    const uint32_t twice[] = {1, 2, 3};
    struct bed *bed = bed_with(20, true);
    struct sctp_net *net = net_of(bed);
    bed_sack_with(bed, 1, NULL, twice, 3, 1u << 24);
    sctp_acknowledge_end(bed->a, bed->now_us);
    ok(net->rack.reo_mult == 1, "nothing was sent twice: the line has doubled it");
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 2);
    bed_tick(bed);
    bed_send_all(bed);
    bed->now_us += 2 * RTT;
    bed_sack_with(bed, 3, NULL, twice, 1, 1u << 24);
    sctp_acknowledge_end(bed->a, bed->now_us);
    ok(net->rack.reo_mult == 2, "what was sent twice came twice: the window grows");
    for (int i = 0; i < 40; i++) {
        net->needless = net->in_batch = true;
        net->rack.has_reo_round = false;
        bed->a->acknowledge.any = true;
        sctp_acknowledge_end(bed->a, bed->now_us);
    }
    ok(net->rack.reo_mult == 16, "up to 16 quarters");
    bed_end(bed);

    bed = bed_with(5, true);
    net_of(bed)->rack.reo_mult = 16;
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 2, 2);
    ok(bed->a->recovery.rack_us == bed->now_us + net_of(bed)->srtt_us,
       "but no longer than a round trip");
    bed_end(bed);
}

static void test_window_returns(void)
{
    struct bed *bed = bed_with(1, true);
    struct sctp_net *net = net_of(bed);
    net->rack.reo_mult = 5;
    net->rack.reo_persist = 16;
    net->rack.reordering_seen = true;
    for (unsigned i = 0; i < 16; i++) {
        ok(net->rack.reo_mult == 5 || i == 16, "after %u recoveries", i);
        bed_fill(bed, 2);
        bed->now_us += 2 * RTT;
        uint32_t next = bed->a->flight.next_tsn - BED_FIRST;
        bed_sack_gaps(bed, bed->a->flight.una - BED_FIRST, next - 1, next - 1);
        while (bed->a->recovery.rack_us != SCTP_NEVER)
            bed_tick(bed);
        bed_send_all(bed);
        bed_fill(bed, 1);
        bed->now_us += 2 * RTT;
        bed_sack(bed, next + 1, NULL);
    }
    ok(net->rack.reo_mult == 1, "after 16 it is one quarter again");
    bed_end(bed);
}

/* ---- the probe ---- */

static void test_probe(void)
{
    struct bed *bed = bed_with(5, true);
    struct sctp_net *net = net_of(bed);
    uint64_t at = bed->now_us + 2 * net->srtt_us + 2000;
    at = at < t3_of(bed) ? at : t3_of(bed);
    ok(bed->a->recovery.probe_us == at && sctp_recovery_deadline(bed->a) == at,
       "two round trips of silence: a probe");
    bed_tick(bed);
    uint64_t in_flight = net->in_flight;
    net->congestion->window = 1;
    ok(bed_send_all(bed) == 1 && bed_last(bed)->tsn == BED_FIRST + 5 && bed_last(bed)->immediate,
       "the last packet again, with the I bit, beyond the window");
    ok(net->in_flight == in_flight && bed->a->counters.probes == 1, "it takes the other's place");
    ok(bed->a->recovery.probe_us == SCTP_NEVER && t3_of(bed) > bed->now_us, "one probe; then T3");
    net->congestion->window = 1 << 20;
    bed->now_us += RTT;
    bed_sack_gaps(bed, 1, 5, 5);
    ok(bed_congestion(bed)->lost == 5,
       "its answer: those before it are lost, and what it repeated was, too (section 7.4)");
    ok(bed->a->counters.spurious == 0 && bed_send_all(bed) == 4, "four go again");
    bed->now_us += RTT;
    bed_sack(bed, 6, NULL);
    ok(sctp_sending_is_done(bed->a) && net->in_flight == 0 && !bed_check(bed), "all is there");
    ok(sctp_recovery_deadline(bed->a) == bed->now_us + SCTP_FLIGHT_IDLE_US,
       "no timer but that which gives the rings back");
    bed_end(bed);
}

static void test_probe_needless(void)
{
    const uint32_t twice[] = {5};
    struct bed *bed = bed_with(5, true);
    bed_tick(bed);
    bed_send_all(bed);
    bed->now_us += RTT;
    bed_sack_with(bed, 6, NULL, twice, 1, 1u << 24);
    sctp_acknowledge_end(bed->a, bed->now_us);
    ok(bed_congestion(bed)->lost == 0 && net_of(bed)->rack.reo_mult == 1,
       "the peer had it: only its SACK was lost, and the window does not grow");
    ok(!bed_check(bed) && sctp_sending_is_done(bed->a), "all is there");
    bed_end(bed);

    bed = bed_with(5, true);
    bed_tick(bed);
    bed_send_all(bed);
    bed->now_us += RTT / 2;
    bed_sack(bed, 6, NULL);
    ok(bed_congestion(bed)->lost == 0 && bed_congestion(bed)->spurious == 0 &&
           net_of(bed)->in_flight == 0,
       "too soon for the probe: the first one's answer was late");
    ok(net_of(bed)->rack.reo_mult == 1, "and the window does not grow");
    bed_end(bed);
}

/* RFC 8985 section 7.3: something new rather than something old. */
static void test_probe_new(void)
{
    struct bed *bed = bed_with(5, true);
    net_of(bed)->congestion->window = 1;
    bed_queue(bed, 1, 100);
    bed_queue(bed, 1, 100);
    ok(!bed_send(bed), "the window is full");
    bed_tick(bed);
    ok(bed_send_all(bed) == 1 && bed_last(bed)->tsn == BED_FIRST + 6 && bed_last(bed)->count == 2,
       "a probe takes what waits");
    ok(bed->a->counters.retransmitted == 0, "and repeats nothing");
    bed_end(bed);
}

/* One packet in flight waits for the peer's delayed SACK, too. */
static void test_probe_alone(void)
{
    struct bed *bed = bed_with(1, true);
    net_of(bed)->rto_us = 1000000;
    sctp_recovery_acked(bed->a, bed->now_us);
    ok(bed->a->recovery.probe_us == bed->now_us + 2 * RTT + 20000, "ours: 20 ms");
    bed->a->peer_is_hawser = false;
    sctp_recovery_acked(bed->a, bed->now_us);
    ok(bed->a->recovery.probe_us == bed->now_us + 2 * RTT + 200000, "others: 200 ms");
    net_of(bed)->rto_us = 50000;
    sctp_recovery_acked(bed->a, bed->now_us);
    ok(bed->a->recovery.probe_us == t3_of(bed), "but not beyond T3");
    bed->a->peer_is_hawser = true;
    bed_end(bed);
}

/* ---- T3 ---- */

/* To the T3 after the probe, which is not answered. */
static void expire(struct bed *bed)
{
    unsigned timeouts = (unsigned)bed->a->counters.timeouts;
    while (bed->a->counters.timeouts == timeouts && bed->a->state != SCTP_ENDED) {
        bed_tick(bed);
        if (bed->a->recovery.probe_due)
            bed_send(bed);
    }
}

static void test_timeout(void)
{
    struct bed *bed = bed_with(10, true);
    struct sctp_net *net = net_of(bed);
    bed_sack_gaps(bed, 1, 4, 6);
    while (bed->a->recovery.rack_us != SCTP_NEVER)
        bed_tick(bed);
    uint64_t since = bed->now_us;
    bed_send_all(bed);
    expire(bed);
    ok(bed->now_us - since <= 2 * 200000 + 100000, "T3, by RTO.Min, after the probe");
    ok(bed_congestion(bed)->timeouts == 1 && bed_congestion(bed)->by_timeout > 0,
       "congestion control is told");
    ok(net->in_flight == 0 && net->backoff == 1 && bed->a->recovery.errors == 1,
       "all in flight is lost");
    ok(bed_congestion(bed)->begins == 2, "in an episode of its own, that can be undone alone");
    bed_sack_gaps(bed, 1, 4, 6);
    ok(bed->a->recovery.errors == 1, "a SACK that says nothing new does not count as an answer");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    net->congestion->window = 1;
    unsigned before = bed->count;
    ok(bed_send_all(bed) == 1, "only what the window allows goes");
    ok(bed->packets[before].immediate, "alone, it asks for an answer at once");
    ok(bed->a->recovery.probe_us == SCTP_NEVER, "and nothing goes before the next T3");
    net->congestion->window = 1 << 20;
    bed->now_us += RTT;
    bed_sack_gaps(bed, 2, 4, 6);
    bed_send_all(bed);
    for (unsigned i = before; i < bed->count; i++) {
        struct bed_packet *packet = &bed->packets[i];
        for (uint32_t t = packet->tsn; t != packet->tsn + packet->count; t++)
            if (t - BED_FIRST >= 4 && t - BED_FIRST <= 6)
                bed->wrong = true;
    }
    ok(!bed->wrong, "what gap blocks acknowledged does not go again");
    ok(net->backoff == 0 && bed->a->recovery.errors == 0, "an answer ends the backoff");
    bed->now_us += RTT;
    bed_sack(bed, 11, NULL);
    ok(sctp_sending_is_done(bed->a) && !bed_check(bed), "all is there");
    bed_end(bed);
}

/* The line stood still for longer than T3, and then everything comes: no harm is done. */
static void test_timeout_spurious(void)
{
    struct bed *bed = bed_with(20, true);
    struct sctp_net *net = net_of(bed);
    expire(bed);
    unsigned lost = bed_congestion(bed)->lost;
    net->congestion->window = 1452;
    ok(bed_send_all(bed) == 1, "after T3 one packet goes again");
    net->congestion->window = 1 << 20;
    bed->now_us += 1000;
    bed_sack(bed, 3, NULL);
    ok(bed_congestion(bed)->spurious >= 1 && bed_congestion(bed)->whole >= 1,
       "an answer to one sent before T3: what T3 did is undone");
    ok(lost == 20 && net->rate.lost <= bed->packets[0].size,
       "no loss is left but the probe's, perhaps");
    ok(!bed_send(bed), "nothing more goes again: it is in flight still");
    ok(!net->episode.is_on && !bed_check(bed), "%s",
       bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_sack(bed, 21, NULL);
    ok(sctp_sending_is_done(bed->a) && net->in_flight == 0, "all is there");
    ok(bed->a->counters.retransmitted <= 2, "the probe and one packet went twice");
    bed_end(bed);
}

/* T3 was right for some: RACK finds them among what was taken back. */
static void test_timeout_partly(void)
{
    struct bed *bed = bed_with(20, true);
    expire(bed);
    bed->now_us += 1000;
    bed_sack_gaps(bed, 1, 10, 12);
    while (bed->a->recovery.rack_us != SCTP_NEVER)
        bed_tick(bed);
    bed_send_all(bed);
    for (uint32_t t = 1; t < 10; t++)
        bed->wrong |= !(sctp_flight_chunk(&bed->a->flight, BED_FIRST + t)->flags & SCTP_SENT_RTX);
    ok(!bed->wrong, "those before the answered ones are lost after all");
    bed->wrong = false;
    for (uint32_t t = 13; t < 20; t++)
        bed->wrong |= sctp_flight_chunk(&bed->a->flight, BED_FIRST + t)->flags & SCTP_SENT_RTX;
    ok(!bed->wrong && !bed_check(bed), "those behind are waited for");
    bed_end(bed);
}

static void test_t3(void)
{
    struct bed *bed = bed_with(1, true);
    bed->now_us += RTT;
    bed_sack(bed, 2, NULL);
    ok(t3_of(bed) == SCTP_NEVER, "nothing is in flight: no T3");
    bed->now_us += 5000000;
    bed_fill(bed, 1);
    uint64_t at = t3_of(bed);
    ok(at == bed->now_us + sctp_net_rto(net_of(bed), &bed->a->options), "it begins with the first");
    bed->now_us += 1000;
    bed_fill(bed, 1);
    ok(t3_of(bed) == at, "and not anew with the second");
    bed->now_us += RTT;
    bed_sack_gaps(bed, 2, 3, 3);
    ok(t3_of(bed) == bed->now_us + sctp_net_rto(net_of(bed), &bed->a->options),
       "but with an answer");
    bed_end(bed);
}

/* A round trip that has become longer than RTO: all goes twice, and is never measured, unless the
 * backoff stays. */
static void test_longer_than_rto(void)
{
    const uint32_t twice[] = {1};
    struct bed *bed = bed_with(3, true);
    struct sctp_net *net = net_of(bed);
    expire(bed);
    bed_send_all(bed);
    bed->now_us += 2 * RTT;
    bed_sack(bed, 4, NULL);
    ok(net->backoff == 0, "an answer to what went twice ends the backoff");
    bed_sack_with(bed, 4, NULL, twice, 1, 1u << 24);
    sctp_acknowledge_end(bed->a, bed->now_us);
    bed_fill(bed, 1);
    expire(bed);
    bed_send_all(bed);
    bed->now_us += 2 * RTT;
    bed_sack(bed, 5, NULL);
    ok(net->backoff == 1, "but not after the peer had it twice");
    bed_fill(bed, 1);
    bed->now_us += 10 * RTT;
    bed_sack(bed, 6, NULL);
    ok(net->backoff == 0 && net->srtt_us > RTT && !net->is_doubled,
       "a round trip that is measured does");
    bed_end(bed);
}

static void test_too_many(void)
{
    struct bed *bed = bed_with(3, true);
    bed->a->options.retransmissions = 4;
    for (unsigned i = 0; i < 4; i++) {
        expire(bed);
        bed_send_all(bed);
    }
    ok(bed->a->state == SCTP_ESTABLISHED, "Association.Max.Retrans time-outs are borne");
    uint64_t since = bed->now_us;
    expire(bed);
    ok(bed->now_us - since >= 16 * 200000, "each waits twice as long");
    ok(bed->a->state == SCTP_ENDED && bed->a->reason == ERR_TRANSPORT_LOST, "one more is its end");
    bed_end(bed);
}

/* ---- paths ---- */

static void test_path_fails(void)
{
    struct bed *bed = bed_with(10, true);
    bed->a->nets[1] = sctp_net_new(&bed->a->options, bed->now_us, 1400, 0);
    bed->now_us += 5000;
    bed->a->used = 1;
    ok(!bed_send(bed), "on another path: what is in flight stays there");
    sctp_recovery_lose(bed->a, bed->now_us, 0);
    struct bed_congestion *old = bed_of(bed->a->nets[0]->congestion);
    ok(old->lost == 0 && bed->a->nets[0]->in_flight == 0, "it fails: nobody's rate is to blame");
    bed_sack(bed, 2, NULL);
    ok(old->spurious == 0 && !bed->a->nets[0]->needless && bed->a->nets[0]->rack.reo_mult == 1,
       "an answer that was on its way shows no mistake");
    unsigned before = bed->count;
    bed_send_all(bed);
    uint32_t again = 0;
    for (unsigned i = before; i < bed->count; i++) {
        again += bed->packets[i].count;
        bed->wrong |= bed->packets[i].net != 1 || bed->packets[i].size > 1400;
    }
    ok(again == 9 && !bed->wrong, "the rest goes by the other at once");
    bed->now_us += 1000;
    bed_sack_gaps(bed, 3, 5, 6);
    ok(bed_congestion(bed)->spurious == 0, "answers to what went by the first are no mistake");
    ok(!bed->a->nets[1]->rack.has_acked || !bed->a->nets[1]->episode.is_on,
       "and say nothing of the second");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed->now_us += RTT;
    bed_sack(bed, 11, NULL);
    ok(sctp_sending_is_done(bed->a) && !bed_check(bed), "all is there");
    bed_end(bed);
}

/* A change of path is no loss: what is slower on the old one is judged by what went there. */
static void test_path_changes(void)
{
    struct bed *bed = bed_with(10, true);
    bed->a->nets[1] = sctp_net_new(&bed->a->options, bed->now_us, 1400, 0);
    bed->a->used = 1;
    bed->now_us += 1000;
    bed_fill(bed, 10);
    bed->now_us += 5000;
    bed_sack_gaps(bed, 1, 11, 20);
    uint64_t left_us = bed->a->recovery.rack_us;
    ok(bed_congestion(bed)->lost == 0 && left_us >= bed->now_us - 6000 + 200000,
       "the new path is faster: nothing of the old is lost before its own time-out");
    ok(bed->a->nets[1]->min_rtt_us == 5000 && bed->a->nets[0]->min_rtt_us == RTT,
       "each has round trips of its own");
    bed->now_us += RTT;
    bed_sack(bed, 21, NULL);
    ok(sctp_sending_is_done(bed->a) && bed->a->nets[0]->in_flight == 0 && !bed_check(bed),
       "all is there");
    bed_end(bed);
}

/* Packets left on the old path are lost there: its T3 does not wait for the new path's answers. */
static void test_path_left(void)
{
    struct bed *bed = bed_with(10, true);
    bed->a->nets[1] = sctp_net_new(&bed->a->options, bed->now_us, 1400, 0);
    bed->a->used = 1;
    uint64_t at = sctp_net_t3(bed->a->nets[0], &bed->a->options);
    for (uint32_t i = 11; bed->a->nets[0]->in_flight && i < 100; i++) {
        bed_fill(bed, 1);
        bed->now_us += 5000;
        bed_sack_gaps(bed, 1, 11, i);
        if (sctp_recovery_deadline(bed->a) <= bed->now_us)
            sctp_delivery_timeout(bed->a, bed->now_us);
    }
    ok(bed->now_us >= at && bed->now_us < at + 10000, "T3 of the old path expires in its time");
    unsigned before = bed->count;
    bed_send_all(bed);
    uint32_t again = 0;
    for (unsigned i = before; i < bed->count; i++)
        again += bed->packets[i].net == 1 ? bed->packets[i].count : 0;
    ok(again == 10 && bed_congestion(bed)->timeouts == 0 && !bed_check(bed),
       "all of it goes by the new path, whose window is not to blame");
    bed_end(bed);
}

/* ---- the peer's window ---- */

static void test_closed_window(void)
{
    struct bed *bed = bed_new(true);
    bed_fill(bed, 1);
    bed->now_us += RTT;
    bed_sack_with(bed, 1, NULL, NULL, 0, 0);
    sctp_acknowledge_end(bed->a, bed->now_us);
    bed_queue(bed, 1, 1000);
    bed_queue(bed, 1, 1000);
    ok(!bed_send(bed), "the peer's window is closed");
    uint64_t at = sctp_recovery_deadline(bed->a);
    ok(at == bed->now_us + sctp_net_rto(net_of(bed), &bed->a->options), "RTO is waited for");
    bed_tick(bed);
    ok(bed_send_all(bed) == 1 && bed_last(bed)->count == 1 && bed_last(bed)->immediate,
       "then one chunk probes it");
    for (unsigned i = 0; i < 20; i++) {
        bed_sack_with(bed, 1, NULL, NULL, 0, 0);
        sctp_acknowledge_end(bed->a, bed->now_us);
        bed_tick(bed);
        ok(bed_send_all(bed) <= 1, "probe %u", i);
    }
    ok(bed->a->state == SCTP_ESTABLISHED && bed->a->recovery.errors == 0,
       "while the peer answers, it may stay closed for ever (section 6.1 A)");
    ok(bed_congestion(bed)->lost == 0 && bed_congestion(bed)->timeouts == 0,
       "and says nothing of the line");
    bed->now_us += 1000;
    bed_sack_with(bed, 1, NULL, NULL, 0, 100000);
    sctp_acknowledge_end(bed->a, bed->now_us);
    ok(bed_send_all(bed) == 2, "it opens: the probe's chunk at once, and the rest");
    ok(net_of(bed)->backoff == 0 && !bed_check(bed), "%s",
       bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

static void test_silent_window(void)
{
    struct bed *bed = bed_new(true);
    bed->a->options.retransmissions = 3;
    bed_sack_with(bed, 0, NULL, NULL, 0, 0);
    sctp_acknowledge_end(bed->a, bed->now_us);
    bed_queue(bed, 1, 1000);
    for (unsigned i = 0; i < 20 && bed->a->state != SCTP_ENDED; i++) {
        bed_send_all(bed);
        bed_tick(bed);
    }
    ok(bed->a->state == SCTP_ENDED, "a peer that is silent behind its closed window is lost");
    bed_end(bed);
}

int main(void)
{
    test_loss();
    test_no_window();
    test_order();
    test_lost_again();
    test_cut_sack();
    test_reordering();
    test_too_soon();
    test_duplicates();
    test_window_returns();
    test_probe();
    test_probe_needless();
    test_probe_new();
    test_probe_alone();
    test_t3();
    test_timeout();
    test_timeout_spurious();
    test_timeout_partly();
    test_longer_than_rto();
    test_too_many();
    test_path_fails();
    test_path_changes();
    test_path_left();
    test_closed_window();
    test_silent_window();
    return tap_done();
}
