/* From messages to packets: cutting when a packet is made, full packets, sequence numbers, the
 * windows, the queue, keys; TSNs, SSNs and packet numbers wrap. */
#include "tests/unit/sctp/sender_bed.h"

#include "sctp/payload.h"

/* ---- cutting ---- */

/* Reads a packet's DATA and appends it to what has come on its stream. */
struct reader {
    uint8_t *bytes;
    size_t length;
    uint32_t next_tsn, messages;
    uint16_t ssn;
    bool inside, wrong;
};

static void read_packet(struct reader *reader, const uint8_t *packet, size_t length)
{
    struct wire_reader chunks = sctp_wire_chunks(packet, length);
    struct sctp_chunk chunk;
    struct sctp_data data;
    while (sctp_wire_next_chunk(&chunks, &chunk)) {
        if (chunk.type == SCTP_CHUNK_PAD)
            continue;
        reader->wrong |= chunk.type != SCTP_CHUNK_DATA || !sctp_wire_read_data(&chunk, &data);
        bool begin = chunk.flags & SCTP_FLAG_BEGIN, end = chunk.flags & SCTP_FLAG_END;
        reader->wrong |= data.tsn != reader->next_tsn++ || begin == reader->inside;
        reader->wrong |= data.ssn != reader->ssn || data.ppid != (SCTP_MESSAGE_PPID | 3);
        reader->inside = !end;
        reader->ssn += end;
        reader->messages += end;
        memcpy(reader->bytes + reader->length, data.bytes, data.length);
        reader->length += data.length;
    }
}

/* Messages of one stream, of sizes of a pattern, are there whole and in order. */
static void test_whole(uint32_t mtu)
{
    static uint8_t bytes[4 << 20];
    static const uint32_t sizes[] = {1, 3, 4, 1423, 1424, 1425, 16645, 2, 500, 16406, 5000, 1403};
    struct reader reader = {.bytes = bytes, .next_tsn = BED_FIRST};
    struct bed *bed = bed_new(true);
    uint32_t total = 0, count = 0;
    unsigned packets = 0, not_full = 0;
    bed->a->nets[0]->mtu = mtu;
    for (unsigned i = 0; i < 20; i++)
        for (unsigned k = 0; k < sizeof sizes / sizeof sizes[0]; k++, count++) {
            while (bed_queue(bed, 2, sizes[k]) == ERR_AGAIN) {
                must(bed_send(bed));
                read_packet(&reader, bed->room, bed_last(bed)->size);
                not_full += !bed_last(bed)->full || bed_last(bed)->size != (mtu & ~3u);
                packets++;
            }
            total += sizes[k];
        }
    ok(packets && !not_full, "of %u bytes, %u packets: while more waits, all are full", mtu,
       packets);
    while (bed_send(bed))
        read_packet(&reader, bed->room, bed_last(bed)->size);
    ok(!bed->wrong && !reader.wrong && reader.messages == count && reader.length == total,
       "%u messages are whole, in order, with consecutive TSNs and SSNs", count);
    uint32_t at = 0, wrong = 0;
    for (uint32_t m = 0; m < count; m++)
        for (uint32_t i = 0; i < sizes[m % (sizeof sizes / sizeof sizes[0])]; i++)
            wrong += bytes[at++] != (uint8_t)(i + 2);
    ok(!wrong && sctp_sending_queued(bed->a) == 0, "and their bytes are what they were");
    bed->now_us += 1000;
    bed_sack(bed, bed->a->flight.next_tsn - BED_FIRST, NULL);
    ok(sctp_sending_is_done(bed->a) && bed->a->flight.outstanding == 0, "all of it arrives");
    bed_end(bed);
}

/* A new path MTU cuts all that is not sent yet; what is in flight goes again as it was. */
static void test_mtu(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_net *net = bed->a->nets[0];
    bed_queue(bed, 1, 16000);
    bed_send(bed);
    bed_send(bed);
    net->mtu = 1000;
    ok(bed_send(bed) && bed_last(bed)->size == 1000, "what is not sent is cut anew");
    net->rate.lost = 0;
    sctp_recovery_lose(bed->a, bed->now_us, 0);
    ok(bed_send(bed) && bed_last(bed)->size == 1452, "what was lost goes as it was made");
    net->mtu = 1303;
    bed_send(bed);
    bed_send(bed);
    ok(bed_send(bed) && bed_last(bed)->size == 1300, "a size that is no multiple of 4 is rounded");
    ok(!bed->wrong && !bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

static void test_bundling(void)
{
    struct bed *bed = bed_new(true);
    for (unsigned i = 0; i < 100; i++)
        bed_queue(bed, (uint16_t)i, 100);
    ok(bed_send(bed) && bed_last(bed)->count == 13, "twelve messages of 100 bytes, and a piece");
    bed_send_all(bed);
    ok(bed->count == 9 && !bed->wrong, "a hundred in nine packets");
    sctp_recovery_lose(bed->a, bed->now_us, 0);
    unsigned again = bed_send_all(bed);
    ok(again == 9 && !bed->wrong && !bed_check(bed), "and as many when they go again");
    bed_end(bed);
}

/* So little is left that no piece fits: the packet of a train is filled up (RFC 4820). */
static void test_padding(void)
{
    for (unsigned hawser = 0; hawser < 2; hawser++) {
        unsigned padded = 0, uneven = 0;
        for (uint32_t left = 0; left <= 24; left += 4) {
            struct bed *bed = bed_new(hawser);
            bed_queue(bed, 1, 1424 - left);
            bed_queue(bed, 1, 16000);
            bed_send(bed);
            padded += bed_last(bed)->padded;
            uneven += bed_last(bed)->size != 1452;
            uneven += bed->wrong;
            bed_end(bed);
        }
        ok(padded == (hawser ? 4 : 0) && uneven == (hawser ? 0 : 4), "%s are padded",
           hawser ? "packets of a train" : "no packets to others");
    }
}

static void test_ssns(void)
{
    struct bed *bed = bed_new(true);
    unsigned wrong = 0;
    bed_queue(bed, 999, 10);
    bed_send(bed);
    bed->a->sending.ssns[999] = 0xffff;
    for (unsigned i = 0; i < 3; i++) {
        bed_queue(bed, 999, 10);
        bed_send(bed);
        uint16_t ssn = sctp_flight_chunk(&bed->a->flight, bed->a->flight.next_tsn - 1)->ssn;
        wrong += ssn != (uint16_t)(0xffff + i);
    }
    ok(!wrong, "sequence numbers wrap");
    ok(bed->a->sending.ssn_count == 1024, "room for as many streams as are used");
    bed_end(bed);
}

/* ---- how much ---- */

static void test_windows(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_congestion *congestion = bed->a->nets[0]->congestion;
    congestion->window = 3 * 1452 + 700;
    bed_queue(bed, 1, 16000);
    ok(bed_send_all(bed) == 3, "as many packets as the window holds");
    ok(bed->a->nets[0]->rate.limited_until == 0, "at the limit the line is measured");
    bed->now_us += 1000;
    bed_sack(bed, 3, NULL);
    ok(bed_send_all(bed) == 3, "and as many more as were acknowledged");
    congestion->window = 10;
    bed->now_us += 1000;
    bed_sack(bed, 6, NULL);
    ok(bed_send_all(bed) == 1, "one packet may always be in flight");
    congestion->window = 1 << 20;
    bed_sack_with(bed, 6, NULL, NULL, 0, 5000);
    ok(bed_send_all(bed) == 2, "the peer's window: 5000, less 1424 in flight, takes two");
    ok(bed->a->nets[0]->rate.limited_until != 0, "then the line is not measured");
    bed->a->nets[0]->rate.limited_until = 0;
    bed->a->nets[0]->srtt_us = 2 * bed->a->nets[0]->min_rtt_us + 2000;
    ok(!bed_send(bed) && bed->a->nets[0]->rate.limited_until == 0, "unless a queue stands there");
    ok(!bed_check(bed), "%s", bed_check(bed) ? bed_check(bed) : "all adds up");
    bed_end(bed);
}

/* The user sends more a moment later, in another turn of the loop, or only after a while. */
static bool is_limited_after(struct bed *bed, uint64_t gap_us)
{
    bed->now_us += 1000000;
    bed_queue(bed, 1, 1000);
    bed_send_all(bed);
    bed->a->nets[0]->rate.limited_until = 0;
    bed->now_us += gap_us;
    bed_queue(bed, 1, 1000);
    bool limited = bed->a->nets[0]->rate.limited_until != 0;
    bed_send_all(bed);
    return limited;
}

static void test_gap(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_net *net = bed->a->nets[0];
    net->congestion->window = 1 << 20;
    net->srtt_us = 5000;
    ok(!is_limited_after(bed, 900), "a moment without data is no lack of them");
    ok(is_limited_after(bed, 1100), "more than 1 ms is");
    net->srtt_us = 160000;
    ok(!is_limited_after(bed, 9900) && is_limited_after(bed, 10100),
       "on a long line a sixteenth of a round trip");
    net->congestion->pace = 20000;
    for (uint64_t gap_us = 55000; gap_us <= 65000; gap_us += 10000) {
        bed->now_us += 1000000;
        bed_send_all(bed);
        net->rate.limited_until = bed->a->sending.lacks_us = 0;
        net->pacer.next_us = bed->now_us + 50000;
        bed_send(bed);
        bed->now_us += gap_us;
        bed_queue(bed, 1, 1000);
        ok((net->rate.limited_until != 0) == (gap_us > 60000),
           "%u ms: the 50 that the pace would have held it up do not count",
           (unsigned)gap_us / 1000);
    }
    bed_end(bed);
}

static void test_small_window(void)
{
    struct bed *bed = bed_new(true);
    bed_sack_with(bed, 0, NULL, NULL, 0, 1001);
    bed_queue(bed, 1, 3000);
    ok(bed_send_all(bed) == 1 && bed_last(bed)->bytes == 1000,
       "where nothing is outstanding, a window of less than a packet is filled");
    ok(bed->a->sending.peer_window == 1, "and no more");
    bed_end(bed);
}

static void test_tsns(bool hawser)
{
    struct bed *bed = bed_new(hawser);
    uint32_t most = hawser ? SCTP_SENDING_AHEAD_OURS : SCTP_SENDING_AHEAD_OTHERS;
    bed->a->sending.peer_window = 1u << 30;
    for (uint32_t i = 0; i < most; i++) {
        bed_queue(bed, 1, 40);
        if (i % 16 == 0)
            bed_send_all(bed);
    }
    bed_send_all(bed);
    ok(bed->a->flight.next_tsn - bed->a->flight.una == most, "%u TSNs are outstanding", most);
    bed_queue(bed, 1, 40);
    ok(!bed_send(bed), "one more waits");
    ok(bed->a->nets[0]->rate.limited_until != 0, "and the line is not measured");
    bed->now_us += 1000;
    bed_sack(bed, 1, NULL);
    ok(bed_send(bed), "until the first has arrived");
    ok(!bed->wrong, "all packets are sound");
    bed_end(bed);
}

static void test_pace(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_congestion *congestion = bed->a->nets[0]->congestion;
    congestion->pace = 1452000; /* a packet each millisecond */
    congestion->quantum = 2 * 1452;
    bed_queue(bed, 1, 16000);
    unsigned first = bed_send_all(bed);
    ok(first >= 2 && first <= 4, "a train of %u", first);
    uint64_t at = sctp_sending_deadline(bed->a);
    ok(at > bed->now_us && at <= bed->now_us + 2000, "the next one is timed");
    bed->now_us = at;
    ok(bed_send_all(bed) == 2, "and goes then");
    congestion->pace = 0;
    bed_send_all(bed);
    ok(sctp_sending_deadline(bed->a) == SCTP_NEVER, "without a pace nothing is timed");
    bed_end(bed);
}

/* ---- the queue ---- */

static void test_small(void)
{
    struct bed *bed = bed_new(true);
    bed_queue(bed, 1, 100);
    bed_queue(bed, 1, 5000);
    const struct message *small = bed->a->sending.queue.first;
    ok(small->capacity == 100 && small->next->capacity >= 5000,
       "a small message is kept in room of its size");
    bed_end(bed);
}

static void test_queue(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_congestion *congestion = bed->a->nets[0]->congestion;
    unsigned taken = 0;
    congestion->window = 1;
    bed_queue(bed, 1, 10);
    bed_send(bed);
    while (bed_queue(bed, 1, 16000) == ERR_OK)
        taken++;
    ok(taken == (96 * 1024 + 15999) / 16000, "not paced: 96 KB wait at most, and a message");
    ok(sctp_sending_queued(bed->a) == taken * 16000, "they are told");
    ok(!sctp_sending_is_writable(bed->a), "it is full");
    congestion->window = 40000;
    bed_send_all(bed);
    ok(!sctp_sending_is_writable(bed->a), "above half of it, too");
    congestion->window = 80000;
    bed_send_all(bed);
    ok(sctp_sending_is_writable(bed->a), "below, somebody who was refused may go on");
    ok(!sctp_sending_is_writable(bed->a), "and is told so once");
    bed_end(bed);

    bed = bed_new(true);
    congestion = bed->a->nets[0]->congestion;
    congestion->pace = 10000000;
    congestion->quantum = 3000;
    ok(sctp_association_pace(bed->a) == 20000, "in 2 ms 20 KB leave");
    congestion->window = 1;
    bed_queue(bed, 1, 10);
    bed_send(bed);
    for (taken = 0; bed_queue(bed, 1, 5000) == ERR_OK;)
        taken++;
    ok(taken == 4, "so much waits at most");
    bed_end(bed);

    bed = bed_new(true);
    congestion = bed->a->nets[0]->congestion;
    congestion->pace = 8000000000;
    congestion->window = 1;
    bed_queue(bed, 1, 10);
    bed_send(bed);
    for (taken = 0; bed_queue(bed, 1, 16000) == ERR_OK;)
        taken++;
    ok(taken == (256 * 1024 + 15999) / 16000, "and no more at a pace that nothing could keep");
    congestion->pace = 1000;
    bed_end(bed);

    bed = bed_new(true);
    congestion = bed->a->nets[0]->congestion;
    congestion->pace = 1000;
    congestion->quantum = 2904;
    ok(bed_queue(bed, 1, 16645) == ERR_OK, "however slow, a message is taken when none waits");
    ok(bed_queue(bed, 1, 1) == ERR_AGAIN, "then no other");
    bed_end(bed);
}

/* ---- what else ---- */

static void test_messages(bool hawser)
{
    struct bed *bed = bed_new(hawser);
    bed_queue(bed, 1, 3000);
    bed_send_all(bed);
    struct message *message = sctp_flight_chunk(&bed->a->flight, BED_FIRST)->message;
    ok(message->offset == 3, "three chunks of it are out");
    bed->now_us += 1000;
    bed_sack_gaps(bed, 0, 1, 2);
    ok(message->offset == (hawser ? 1 : 3), "a gap block is %s", hawser ? "final" : "not final");
    bed_sack(bed, 3, NULL);
    ok(sctp_sending_is_done(bed->a), "the cumulative TSN is");
    bed_queue(bed, 1, 3000);
    bed_queue(bed, 1, 3000);
    bed_send(bed); /* the leak checker finds what is left */
    bed_end(bed);
}

static void test_keys(void)
{
    struct bed *bed = bed_new(true);
    sctp_sending_key_changed(bed->a, 4);
    ok(bed->a->settled && bed->a->settled_key == 4, "nothing is in flight: a new key has settled");
    bed->a->settled = false;
    bed_fill(bed, 3);
    sctp_sending_key_changed(bed->a, 5);
    bed_fill(bed, 3);
    bed->now_us += 1000;
    bed_sack_gaps(bed, 2, 3, 5);
    ok(!bed->a->settled, "one is out that went with the old key");
    bed_sack(bed, 3, NULL);
    ok(bed->a->settled && bed->a->settled_key == 5, "now none is");
    bed->a->settled = false;
    bed_sack(bed, 6, NULL);
    ok(!bed->a->settled, "it is told once");
    bed_end(bed);
}

/* RFC 9260 section 3.3.1, the I bit. */
static void test_immediate(void)
{
    struct bed *bed = bed_new(true);
    bed_queue(bed, 1, 3000);
    bed_send_all(bed);
    ok(!bed_last(bed)->immediate, "the queue runs empty: an answer may wait for company");
    bed->a->state = SCTP_SHUTDOWN_PENDING;
    bed_queue(bed, 1, 3000);
    bed_send(bed);
    ok(!bed_last(bed)->immediate, "before the end, too");
    bed_send_all(bed);
    ok(bed_last(bed)->immediate, "but not that to the last of all");
    bed_end(bed);
}

static void test_states(void)
{
    struct bed *bed = bed_new(true);
    struct sctp_wants wants;
    bed_queue(bed, 1, 300);
    bed->a->state = SCTP_COOKIE_ECHOED;
    ok(!sctp_sending_wants(bed->a, bed->now_us, &wants), "before it is up nothing is wanted");
    struct wire_writer writer = wire_writer(bed->room, 1452);
    ok(!sctp_sending_put(bed->a, bed->now_us, 1, &writer), "nor put on another path");
    ok(sctp_sending_put(bed->a, bed->now_us, 0, &writer), "but behind COOKIE ECHO there is room");
    sctp_sending_sent(bed->a, bed->now_us, 0, 500);
    sctp_recovery_lose(bed->a, bed->now_us, 0);
    writer = wire_writer(bed->room, 1452);
    ok(sctp_sending_put(bed->a, bed->now_us, 0, &writer), "and behind its repetition");
    sctp_sending_sent(bed->a, bed->now_us, 0, 500);
    bed_end(bed);
}

int main(void)
{
    test_whole(1452);
    test_whole(1231);
    test_whole(9000);
    test_whole(65535);
    test_mtu();
    test_bundling();
    test_padding();
    test_ssns();
    test_windows();
    test_gap();
    test_small_window();
    test_tsns(true);
    test_tsns(false);
    test_pace();
    test_small();
    test_queue();
    test_messages(true);
    test_messages(false);
    test_keys();
    test_immediate();
    test_states();
    return tap_done();
}
