/* The receiver beside a naive model by chance, then each rule for the time of a SACK (RFC 9260
 * section 6.2) and each bound. */
#include "sctp/receiving.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

#define PPID    0x48575301u
#define STREAMS 8

static const uint32_t firsts[] = {1, 0xfffffff0, 0x7ffffffe};

static struct sctp_association *open_one(uint32_t first, uint32_t buffer)
{
    struct sctp_association *self = check_alloc(sizeof *self);
    self->options.buffer = buffer;
    self->options.mtu = 1452;
    self->options.sack_delay_us = 20000;
    self->state = SCTP_ESTABLISHED;
    self->streams = STREAMS;
    sctp_receiving_init(self, first);
    return self;
}

static void close_one(struct sctp_association *self)
{
    free(self->nets[0]);
    sctp_receiving_fini(self);
    free(self);
}

static bool invalid_stream;

static enum err give(struct sctp_association *self, struct sctp_data data, uint8_t flags)
{
    return sctp_receiving_data(self, &data, flags, &invalid_stream);
}

/* One whole message in one chunk. */
static struct sctp_data whole(uint32_t tsn, uint16_t stream, uint16_t ssn, size_t length)
{
    static const uint8_t bytes[MESSAGE_MAX];
    return (struct sctp_data){tsn, PPID, stream, ssn, true, true, bytes, length};
}

/* A packet with it, and the end of the batch. */
static enum err packet(struct sctp_association *self, struct sctp_data data)
{
    sctp_receiving_packet(self);
    enum err e = give(self, data, 0);
    sctp_receiving_end(self, 1000);
    return e;
}

static unsigned take_all(struct sctp_association *self)
{
    unsigned count = 0;
    struct message *message;
    for (; (message = sctp_receiving_take(self)); count++)
        message_free(message);
    return count;
}

/* The SACK, in so much room. */
static uint8_t sack_bytes[4096];

static bool get_sack(struct sctp_association *self, size_t room, struct sctp_sack *sack)
{
    struct wire_writer writer = wire_writer(sack_bytes, room);
    if (!sctp_receiving_put(self, &writer) || writer.overrun)
        return false;
    struct sctp_chunk chunk = {.type = sack_bytes[0],
                               .whole = sack_bytes,
                               .value = sack_bytes + SCTP_CHUNK_HEADER,
                               .length = sctp_wire_u16(sack_bytes + 2) - (size_t)SCTP_CHUNK_HEADER};
    return chunk.type == SCTP_CHUNK_SACK && (size_t)(writer.at - sack_bytes) == chunk.length + 4 &&
           sctp_wire_read_sack(&chunk, sack);
}

/* ---- by chance ---- */

#define CHUNKS 3000

struct model {
    uint32_t first;
    struct sctp_data chunks[CHUNKS];
    uint8_t *bytes[CHUNKS];
    bool taken[CHUNKS], told[CHUNKS];
    uint32_t cumulative; /* so many are there without a gap */
    unsigned messages, seen, wrong, sacks;
    uint32_t number[STREAMS];
};

static uint8_t byte_of(uint16_t stream, uint32_t number, size_t at)
{
    return (uint8_t)(stream * 31 + number * 7 + at * 13);
}

static void make_messages(struct model *model)
{
    uint32_t number[STREAMS] = {0}, at = 0;
    while (at < CHUNKS) {
        uint16_t stream = (uint16_t)(random() % STREAMS);
        uint32_t count = 1 + (uint32_t)random() % 12;
        size_t size = 1 + (size_t)random() % 1300;
        if (count > CHUNKS - at)
            count = CHUNKS - at;
        for (uint32_t i = 0; i < count; i++, at++) {
            model->bytes[at] = check_alloc(size);
            for (size_t j = 0; j < size; j++)
                model->bytes[at][j] = byte_of(stream, number[stream], i * size + j);
            model->chunks[at] = (struct sctp_data){.tsn = model->first + at,
                                                   .ppid = PPID,
                                                   .stream = stream,
                                                   .ssn = (uint16_t)number[stream],
                                                   .begins = i == 0,
                                                   .ends = i == count - 1,
                                                   .bytes = model->bytes[at],
                                                   .length = size};
        }
        number[stream]++;
        model->messages++;
    }
}

static void check_messages(struct sctp_association *self, struct model *model)
{
    struct message *message;
    while ((message = sctp_receiving_take(self))) {
        uint32_t number = model->number[message->stream]++;
        for (size_t i = 0; i < message->length; i++)
            model->wrong += message->data[i] != byte_of(message->stream, number, i);
        model->seen++;
        message_free(message);
    }
}

/* The SACK covers all data that were taken; nothing less, unless room was short. */
static void check_sack(struct sctp_association *self, struct model *model, size_t room)
{
    struct sctp_sack sack;
    if (!get_sack(self, room, &sack)) {
        model->wrong++;
        return;
    }
    model->sacks++;
    model->wrong += sack.cumulative != model->first + model->cumulative - 1;
    uint32_t last = 0;
    for (unsigned i = 0; i < sack.gap_count; i++) {
        uint16_t start, end;
        sctp_wire_gap(&sack, i, &start, &end);
        model->wrong += start <= last + 1 || end < start;
        for (uint32_t j = start; j <= end && model->cumulative + j - 1 < CHUNKS; j++) {
            model->wrong += !model->taken[model->cumulative + j - 1];
            model->told[model->cumulative + j - 1] = true;
        }
        last = end;
    }
    for (uint32_t i = 0; i < model->cumulative; i++)
        model->told[i] = true;
    if (room < 1452)
        return;
    for (uint32_t i = 0; i < CHUNKS; i++)
        model->wrong += model->taken[i] && !model->told[i];
}

static void by_chance(uint32_t first, uint32_t buffer, bool hawser, size_t room)
{
    struct model *model = check_alloc(sizeof *model);
    model->first = first;
    make_messages(model);
    struct sctp_association *self = open_one(first, buffer);
    self->peer_is_hawser = hawser;
    unsigned batches = 0;
    size_t most = 0, most_memory = 0;
    for (; model->cumulative < CHUNKS && batches < 100000; batches++) {
        for (unsigned i = (unsigned)random() % 4; i > 0; i--) {
            sctp_receiving_packet(self);
            uint32_t which = model->cumulative;
            if (random() % 8)
                which += (uint32_t)random() % 300;
            for (unsigned j = (unsigned)random() % 4; j > 0 && which < CHUNKS; j--, which++) {
                uint64_t rejected = self->counters.rejected;
                model->wrong += give(self, model->chunks[which], 0) != ERR_OK;
                model->taken[which] |= self->counters.rejected == rejected;
            }
            while (model->cumulative < CHUNKS && model->taken[model->cumulative])
                model->cumulative++;
        }
        sctp_receiving_end(self, 1000);
        model->wrong += self->receiving.map.cumulative != first + model->cumulative - 1;
        most = sctp_receiving_held(self) > most ? sctp_receiving_held(self) : most;
        check_messages(self, model);
        most_memory =
            sctp_receiving_memory(self) > most_memory ? sctp_receiving_memory(self) : most_memory;
        if (self->receiving.sack_now)
            check_sack(self, model, room);
    }
    ok(!model->wrong && model->cumulative == CHUNKS && model->seen == model->messages &&
           !sctp_receiving_held(self),
       "%u messages in %d chunks from TSN %#x, buffer %u, %zu bytes for a SACK, %s: in order, told "
       "by %u SACKs (%u wrong)",
       model->seen, CHUNKS, first, buffer, room, hawser ? "ours" : "a stranger", model->sacks,
       model->wrong);
    /* Ready ones are taken at the end of a batch of at most 9 chunks, some of which end one. */
    ok(most <= buffer + 10 * (MESSAGE_MAX + SCTP_CHUNK_COST) && most_memory < 3 * buffer + 80000,
       "at most %zu KB held, %zu allocated", most / 1024, most_memory / 1024);
    close_one(self);
    for (unsigned i = 0; i < CHUNKS; i++)
        free(model->bytes[i]);
    free(model);
}

/* ---- when a SACK goes ---- */

static void one_and_two(void)
{
    struct sctp_association *self = open_one(1, 1 << 20);
    struct sctp_sack sack;
    ok(!self->receiving.sack_now && !self->receiving.owes_sack &&
           sctp_receiving_deadline(self) == SCTP_NEVER,
       "nothing came: no SACK");
    sctp_receiving_packet(self);
    give(self, whole(1, 0, 0, 10), 0);
    give(self, whole(2, 0, 1, 10), 0);
    sctp_receiving_end(self, 1000);
    ok(!self->receiving.sack_now && self->receiving.owes_sack &&
           sctp_receiving_deadline(self) == 21000,
       "one packet, two chunks: in 20 ms");
    sctp_receiving_end(self, 5000);
    ok(sctp_receiving_deadline(self) == 21000, "which is not put off");
    sctp_receiving_timeout(self, 20999);
    ok(!self->receiving.sack_now, "not earlier");
    sctp_receiving_timeout(self, 21000);
    ok(self->receiving.sack_now && sctp_receiving_deadline(self) == SCTP_NEVER, "then it is due");
    ok(get_sack(self, 100, &sack) && sack.cumulative == 2 && !sack.gap_count &&
           !self->receiving.sack_now && !self->receiving.owes_sack,
       "and is owed no more once it was written");
    packet(self, whole(3, 0, 2, 10));
    ok(!self->receiving.sack_now, "the next packet waits again");
    packet(self, whole(4, 0, 3, 10));
    ok(self->receiving.sack_now, "with the second one it is due at once");
    ok(!get_sack(self, SCTP_SACK_HEADER - 1, &sack) && self->receiving.sack_now,
       "without room for its head it stays due");
    ok(get_sack(self, SCTP_SACK_HEADER, &sack) && sack.cumulative == 4, "with just that it goes");
    take_all(self);
    close_one(self);
}

static bool due_after(uint32_t buffer, const uint32_t *tsns, size_t count, uint8_t flags,
                      enum sctp_state state)
{
    struct sctp_association *self = open_one(1, buffer);
    struct sctp_sack sack;
    for (size_t i = 0; i < count; i++) {
        if (i == count - 1) {
            if (self->receiving.owes_sack)
                get_sack(self, 100, &sack);
            self->state = state;
        }
        sctp_receiving_packet(self);
        give(self, whole(tsns[i], 0, (uint16_t)(tsns[i] - 1), 10), flags);
        sctp_receiving_end(self, 1000);
    }
    bool due = self->receiving.sack_now;
    close_one(self);
    return due;
}

#define DUE(flags, state, ...)                                                                     \
    due_after(1 << 20, (const uint32_t[]){__VA_ARGS__},                                            \
              sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), flags, state)

static void at_once(void)
{
    ok(!DUE(0, SCTP_ESTABLISHED, 1) && !DUE(0, SCTP_ESTABLISHED, 1, 2), "in order: not at once");
    ok(DUE(0, SCTP_ESTABLISHED, 2), "a gap: at once");
    ok(DUE(0, SCTP_ESTABLISHED, 2, 3), "what does not fill it: at once");
    ok(DUE(0, SCTP_ESTABLISHED, 3, 1), "what moves it: at once");
    ok(DUE(0, SCTP_ESTABLISHED, 2, 1), "what closes it: at once");
    ok(!DUE(0, SCTP_ESTABLISHED, 2, 1, 3), "after that: not at once");
    ok(DUE(0, SCTP_ESTABLISHED, 1, 1), "a duplicate: at once");
    ok(DUE(0, SCTP_ESTABLISHED, 3, 3), "one beyond a gap: at once");
    ok(DUE(SCTP_FLAG_IMMEDIATE, SCTP_ESTABLISHED, 1), "the I bit: at once");
    ok(DUE(0, SCTP_SHUTDOWN_SENT, 1), "after SHUTDOWN: at once");
    ok(DUE(0, SCTP_ESTABLISHED, 1 + SCTP_TSN_MAP_MAX), "what is dropped: at once");
}

static uint64_t delay_of(bool hawser, uint64_t srtt_us, uint64_t most_us)
{
    struct sctp_association *self = open_one(1, 1 << 20);
    self->peer_is_hawser = hawser;
    self->options.sack_delay_us = most_us;
    self->nets[0] = check_alloc(sizeof *self->nets[0]);
    self->nets[0]->mtu = 1452;
    self->nets[0]->srtt_us = srtt_us;
    packet(self, whole(1, 0, 0, 10));
    uint64_t deadline = self->receiving.sack_now ? 1000 : sctp_receiving_deadline(self);
    close_one(self);
    return deadline - 1000;
}

static void delays(void)
{
    ok(delay_of(false, 8000, 20000) == 20000, "a stranger's SACK waits for 20 ms");
    ok(delay_of(true, 0, 20000) == 20000, "ours, too, where no round trip is known");
    ok(delay_of(true, 8000, 20000) == 2000, "else for a quarter of it");
    ok(delay_of(true, 400000, 20000) == 20000, "20 ms at most");
    ok(delay_of(true, 30, 20000) == SCTP_RECEIVING_DELAY_MIN_US, "and 1 ms at least");
    ok(delay_of(true, 30, 500) == 500, "unless the options say less");
    ok(delay_of(false, 30, 0) == 0, "none at all is possible");
}

static void duplicates(void)
{
    struct sctp_association *self = open_one(0xfffffffe, 1 << 20);
    struct sctp_sack sack;
    packet(self, whole(0xfffffffe, 0, 0, 10));
    packet(self, whole(1, 0, 3, 10));
    get_sack(self, 100, &sack);
    for (unsigned i = 0; i < 20; i++)
        packet(self, whole(i % 2 ? 1 : 0xfffffffe, 0, 0, 10));
    ok(get_sack(self, 1000, &sack) && sack.duplicate_count == SCTP_TSN_DUPLICATES &&
           sctp_wire_u32(sack.duplicates) == 0xfffffffe && sctp_wire_u32(sack.duplicates + 4) == 1,
       "%u of 20 duplicates are reported", sack.duplicate_count);
    ok(self->counters.duplicates == 20, "all are counted");
    ok(get_sack(self, 1000, &sack) && !sack.duplicate_count && sack.gap_count == 1, "once");
    for (unsigned i = 0; i < 3; i++)
        packet(self, whole(1, 0, 3, 10));
    ok(get_sack(self, SCTP_SACK_HEADER + 8, &sack) && sack.duplicate_count == 2 && !sack.gap_count,
       "as many as there is room for");
    close_one(self);
}

/* ---- the window ---- */

static void fill(uint32_t first)
{
    const uint32_t buffer = 100000;
    struct sctp_association *self = open_one(first, buffer);
    struct sctp_sack sack;
    uint32_t tsn = first + 1;
    uint64_t dropped = 0;
    for (; !dropped; tsn++) {
        packet(self, whole(tsn, 1, (uint16_t)(tsn - first - 1), 1000));
        dropped = self->counters.rejected;
        if (tsn == first + 50)
            ok(get_sack(self, 1000, &sack) && sack.window == buffer - 50 * (1000 + SCTP_CHUNK_COST),
               "50 messages of 1000 bytes behind a gap: the window is less by them and their cost");
    }
    uint32_t kept = tsn - first - 2;
    /* All of them are whole, and go at once: their stream is not held up. */
    ok(kept == buffer / (1000 + SCTP_CHUNK_COST), "%u fit, the next one is dropped", kept);
    ok(self->receiving.sack_now && get_sack(self, 1000, &sack) && !sack.window,
       "which is told at once: no window");
    uint16_t start = 0, end = 0;
    sctp_wire_gap(&sack, 0, &start, &end);
    ok(sack.gap_count == 1 && start == 2 && end == kept + 1, "and what was dropped is not told");
    packet(self, whole(first, 0, 0, 10000));
    ok(self->receiving.map.cumulative == first + kept, "what fills the first gap is taken");
    get_sack(self, 1000, &sack);
    ok(!sack.window && take_all(self) == kept + 1, "all are delivered");
    ok(self->receiving.sack_now && get_sack(self, 1000, &sack) && sack.window == buffer,
       "and the window is open again, and told");
    close_one(self);
}

static void silly(void)
{
    struct sctp_association *self = open_one(1, 10000);
    struct sctp_sack sack;
    packet(self, whole(2, 1, 1, 8000));
    get_sack(self, 100, &sack);
    ok(sack.window == 10000 - 8000 - SCTP_CHUNK_COST, "more than a packet is left: told");
    packet(self, whole(3, 1, 2, 600));
    get_sack(self, 100, &sack);
    ok(!sack.window, "less: 0 is told");
    self->options.buffer = 40000;
    packet(self, whole(4, 1, 3, 1));
    get_sack(self, 100, &sack);
    ok(sack.window > 30000, "the buffer can grow meanwhile");
    close_one(self);
    self = open_one(1, 1500);
    packet(self, whole(3, 1, 1, 600));
    get_sack(self, 100, &sack);
    ok(sack.window == 1500 - 600 - SCTP_CHUNK_COST,
       "half of a small buffer is told, though it is less than a packet");
    close_one(self);
}

/* From so many messages of 1000 bytes held to so many, of a buffer of 100 000. */
static bool is_updated(unsigned held, unsigned taken)
{
    struct sctp_association *self = open_one(1, 100000);
    struct sctp_sack sack;
    for (unsigned i = 0; i < held; i++)
        packet(self, whole(1 + i, 1, (uint16_t)i, 1000));
    get_sack(self, 1000, &sack);
    must(self->receiving.sack_now == false);
    for (unsigned i = 0; i < taken; i++)
        message_free(sctp_receiving_take(self));
    bool updated = self->receiving.sack_now;
    close_one(self);
    return updated;
}

static void updates(void)
{
    ok(!is_updated(60, 23) && is_updated(60, 24), "a window that grows by a quarter is told");
    ok(!is_updated(92, 0) && is_updated(94, 2), "one that was 0, at once");
    ok(!is_updated(20, 20), "one of three quarters needs no word");
}

/* ---- many gaps ---- */

/* Blocks of one TSN each, at the odd places. */
static struct sctp_association *with_gaps(uint32_t first, unsigned count, bool hawser)
{
    struct sctp_association *self = open_one(first, 1 << 24);
    self->peer_is_hawser = hawser;
    for (uint32_t i = 0; i < count; i++)
        packet(self, whole(first + 1 + 2 * i, 1, (uint16_t)(i + 1), 1));
    return self;
}

static void lowest(uint32_t first)
{
    struct sctp_association *self = with_gaps(first, 500, false);
    struct sctp_sack sack;
    bool same = get_sack(self, 1000, &sack) && sack.gap_count == (1000 - SCTP_SACK_HEADER) / 4;
    for (unsigned i = 0; same && i < sack.gap_count; i++) {
        uint16_t start, end;
        sctp_wire_gap(&sack, i, &start, &end);
        same = start == 2 + 2 * i && end == start;
    }
    ok(same, "500 gaps, room for %u blocks: a stranger gets the lowest", sack.gap_count);
    ok(get_sack(self, 4000, &sack) && sack.gap_count == SCTP_RECEIVING_GAPS_MAX,
       "never more than %d", SCTP_RECEIVING_GAPS_MAX);
    close_one(self);
}

static void by_turns(uint32_t first, unsigned count, size_t room)
{
    struct sctp_association *self = with_gaps(first, count, true);
    unsigned wrong = 0, rounds = 0, seen = 0;
    unsigned *times = check_alloc(count * sizeof *times);
    for (; seen < count && rounds < 100; rounds++) {
        struct sctp_sack sack;
        uint32_t last = 0;
        wrong += !get_sack(self, room, &sack) || sack.gap_count > (room - SCTP_SACK_HEADER) / 4;
        bool newest = false;
        for (unsigned i = 0; i < sack.gap_count; i++) {
            uint16_t start, end;
            sctp_wire_gap(&sack, i, &start, &end);
            wrong += start <= last + 1 || start != end || start % 2;
            last = end;
            seen += !times[(start - 2) / 2]++;
            newest |= start == 2 * count;
        }
        wrong += !newest || !times[0];
    }
    unsigned most = (unsigned)(room - SCTP_SACK_HEADER) / 4, share = 3 * most / 8,
             turns = most - 2 * share, need = (count - 2 * share + turns - 1) / turns;
    ok(!wrong && rounds <= need, "%u gaps, room for %u: ours has heard of all after %u SACKs",
       count, most, rounds);
    free(times);
    close_one(self);
}

/* ---- what is not taken ---- */

static void unordered(uint32_t first)
{
    struct sctp_association *self = open_one(first, 1 << 20);
    ok(give(self, whole(first, 1, 0, 10), SCTP_FLAG_UNORDERED) == ERR_OK &&
           give(self, whole(first + 2, 1, 0, 10), SCTP_FLAG_UNORDERED) == ERR_OK &&
           give(self, whole(first + 3, 1, 1, 10), 0) == ERR_OK &&
           give(self, whole(first + 1, 1, 0, 10), 0) == ERR_OK &&
           self->receiving.map.cumulative == first + 3,
       "unordered DATA is acknowledged");
    ok(take_all(self) == 2 && !sctp_receiving_held(self), "and dropped");
    struct sctp_data begin = whole(first + 4, 1, 2, 10);
    begin.ends = false;
    give(self, begin, 0);
    ok(give(self, whole(first + 5, 1, 0, 10), SCTP_FLAG_UNORDERED) == ERR_CONTROL_PROTOCOL &&
           give(self, whole(first + 6, 1, 0, 10), 0) == ERR_CONTROL_PROTOCOL,
       "inside another message it ends the association, and nothing more is taken");
    close_one(self);
}

static void other_streams(void)
{
    struct sctp_association *self = open_one(1, 1 << 20);
    give(self, whole(1, STREAMS - 1, 0, 10), 0);
    bool last = invalid_stream;
    give(self, whole(2, STREAMS, 0, 10), 0);
    ok(!last && invalid_stream && self->receiving.map.cumulative == 2,
       "a stream that there is not: acknowledged, and reported");
    ok(take_all(self) == 1 && !sctp_receiving_held(self), "and dropped");
    give(self, whole(2, STREAMS, 0, 10), 0);
    ok(!invalid_stream, "a duplicate of it is not reported again");
    close_one(self);
}

static void far_ahead(uint32_t first)
{
    struct sctp_association *self = open_one(first, 1 << 24);
    packet(self, whole(first + SCTP_TSN_MAP_MAX, 1, 1, 10));
    ok(self->counters.rejected == 1 && !sctp_tsn_map_has_gaps(&self->receiving.map),
       "65 536 TSNs ahead: dropped");
    packet(self, whole(first + SCTP_TSN_MAP_MAX - 1, 1, 1, 10));
    ok(self->counters.rejected == 1 && sctp_tsn_map_has_gaps(&self->receiving.map),
       "65 535: taken");
    close_one(self);
    self = open_one(first, 8000);
    packet(self, whole(first + 8000 / SCTP_RECEIVING_AHEAD_COST, 1, 1, 10));
    bool dropped = self->counters.rejected == 1;
    packet(self, whole(first + 8000 / SCTP_RECEIVING_AHEAD_COST - 1, 1, 1, 10));
    ok(dropped && self->counters.rejected == 1 && sctp_receiving_memory(self) < 2 * 8000,
       "a small buffer reaches less far: %zu bytes allocated of 8000", sctp_receiving_memory(self));
    close_one(self);
}

/* Chunks that cost memory by their number wait until nothing is saved any more. */
static void frugal(uint32_t first)
{
    struct sctp_association *self = open_one(first, 1 << 17);
    self->streams = 65535;
    self->options.frugal = true;
    sctp_receiving_fini(self);
    sctp_receiving_init(self, first);
    struct sctp_data piece = whole(first, SCTP_RECEIVING_FRUGAL_STREAMS - 1, 0, 1);
    piece.ends = false;
    packet(self, piece);
    packet(self, whole(first + SCTP_RECEIVING_FRUGAL_AHEAD, 1, 1, 10));
    bool taken = !self->counters.rejected && self->receiving.map.cumulative == first;
    ok(taken && sctp_receiving_memory(self) < 4096,
       "a first byte, and a chunk as far ahead as may be: %zu bytes", sctp_receiving_memory(self));
    packet(self, whole(first + SCTP_RECEIVING_FRUGAL_AHEAD + 1, 1, 2, 10));
    ok(self->counters.rejected == 1, "one TSN more is not taken");
    packet(self, whole(first + 2, SCTP_RECEIVING_FRUGAL_STREAMS, 0, 10));
    ok(self->counters.rejected == 2, "nor a stream more");
    self->options.frugal = false;
    sctp_receiving_tell(self);
    piece.begins = false;
    piece.ends = true;
    piece.tsn++;
    packet(self, piece);
    packet(self, whole(first + 2, SCTP_RECEIVING_FRUGAL_STREAMS, 0, 10));
    packet(self, whole(first + SCTP_RECEIVING_FRUGAL_AHEAD + 1, 1, 2, 10));
    ok(self->counters.rejected == 2 && take_all(self) == 2 &&
           self->receiving.map.cumulative == first + 2,
       "both are, later");
    close_one(self);
}

/* Whole messages whose turn never comes. */
static void left_out(uint32_t first)
{
    const uint32_t buffer = 100000;
    struct sctp_association *self = open_one(first, buffer);
    enum err e = ERR_OK;
    uint32_t count = 0;
    size_t most = 0;
    for (; e == ERR_OK && count < 100000; count++) {
        e = packet(self, whole(first + count, 1, (uint16_t)(1 + count), 1));
        if (sctp_receiving_memory(self) > most)
            most = sctp_receiving_memory(self);
    }
    ok(e == ERR_CONTROL_PROTOCOL && most < 2 * (buffer + MESSAGE_MAX),
       "a peer that leaves out a number: ended after %u messages, %zu KB", count, most / 1024);
    ok(!sctp_receiving_take(self), "nothing of it was delivered");
    close_one(self);
}

/* One batch that no window has allowed. */
static void too_much(uint32_t first)
{
    const uint32_t buffer = 10000;
    struct sctp_association *self = open_one(first, buffer);
    for (uint32_t i = 0; i < 100; i++)
        give(self, whole(first + i, 1, (uint16_t)i, 1000), 0);
    uint32_t taken = self->receiving.map.cumulative + 1 - first;
    ok(taken == buffer / (1000 + SCTP_CHUNK_COST) + 1 && self->counters.rejected == 100 - taken,
       "100 KB at once where 10 are allowed: %u messages are taken", taken);
    take_all(self);
    ok(packet(self, whole(first + taken, 1, (uint16_t)taken, 1000)) == ERR_OK &&
           take_all(self) == 1,
       "then it goes on");
    close_one(self);
}

int main(void)
{
    srandom((unsigned)tap_seed());
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        by_chance(firsts[i], 1 << 24, i % 2, 1452);
        by_chance(firsts[i], 40000, !(i % 2), 1452);
        by_chance(firsts[i], 40000, i % 2, 60);
        by_chance(firsts[i], 1500, true, 1452);
        fill(firsts[i]);
        lowest(firsts[i]);
        by_turns(firsts[i], 500, 1000);
        by_turns(firsts[i], 3000, 1432);
        by_turns(firsts[i], 100, 17 * 4);
        unordered(firsts[i]);
        far_ahead(firsts[i]);
        frugal(firsts[i]);
        left_out(firsts[i]);
        too_much(firsts[i]);
    }
    one_and_two();
    at_once();
    delays();
    duplicates();
    silly();
    updates();
    other_streams();
    message_cache_clear();
    return tap_done();
}
