/* SACKs beside a naive model: each bit by bit, chance with many seeds, from an honest peer and from
 * one that says anything; TSNs that wrap. */
#include "tests/unit/sctp/sender_bed.h"

#define MODEL 70000

/* Bit i: TSN BED_FIRST + i is acknowledged. */
struct model {
    uint8_t acked[MODEL];
    uint32_t una, next; /* distances */
};

static uint64_t seed;

static uint32_t chance(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

/* The contract of sctp/acknowledge.h, word for word. */
static void model_sack(struct model *model, uint32_t cumulative, const uint32_t *pairs)
{
    uint32_t last = cumulative;
    if (cumulative < model->una || cumulative > model->next)
        return;
    for (; model->una < cumulative; model->una++)
        model->acked[model->una] = 1;
    for (; pairs && pairs[1]; pairs += 2) {
        if (pairs[0] < last || pairs[1] < pairs[0] || pairs[1] >= model->next)
            return;
        for (uint32_t i = pairs[0]; i <= pairs[1]; i++)
            model->acked[i] = 1;
        last = pairs[1] + 1;
    }
}

static bool same(const struct bed *bed, const struct model *model)
{
    const struct sctp_flight *flight = &bed->a->flight;
    if (flight->una != BED_FIRST + model->una || flight->next_tsn != BED_FIRST + model->next)
        return false;
    for (uint32_t i = model->una; i < model->next; i++)
        if (!(sctp_flight_chunk(flight, BED_FIRST + i)->flags & SCTP_SENT_ACKED) !=
            !model->acked[i])
            return false;
    return true;
}

/* Blocks of what an honest peer has, some of them left out. */
static uint32_t honest_blocks(const uint8_t *there, uint32_t from, uint32_t next, uint32_t *pairs)
{
    uint32_t count = 0;
    for (uint32_t i = from; i < next; i++) {
        if (!there[i] || (i > from && there[i - 1]))
            continue;
        uint32_t end = i;
        while (end + 1 < next && there[end + 1])
            end++;
        if (chance(8) == 0)
            continue;
        pairs[2 * count] = i;
        pairs[2 * count++ + 1] = end;
    }
    pairs[2 * count] = pairs[2 * count + 1] = 0;
    return count;
}

static void send_some(struct bed *bed, struct model *model)
{
    for (uint32_t i = 1 + chance(20); i > 0; i--)
        bed_queue(bed, (uint16_t)chance(3), 1 + chance(3000));
    bed_send_all(bed);
    model->next = bed->a->flight.next_tsn - BED_FIRST;
}

static const char *run_honest(uint64_t number)
{
    static struct model model;
    static uint8_t there[MODEL];
    static uint32_t pairs[MODEL], old_pairs[MODEL];
    uint32_t cumulative = 0, old = 0;
    const char *wrong = NULL;
    struct bed *bed = bed_new(true);
    seed = number;
    memset(&model, 0, sizeof model);
    memset(there, 0, sizeof there);
    old_pairs[0] = old_pairs[1] = 0;
    for (unsigned round = 0; round < 60 && !wrong; round++) {
        send_some(bed, &model);
        for (uint32_t i = cumulative; i < model.next; i++)
            there[i] |= chance(10) < 7;
        while (cumulative < model.next && there[cumulative])
            cumulative++;
        honest_blocks(there, cumulative, model.next, pairs);
        bool is_old = chance(6) == 0;
        bed->now_us += chance(30000);
        bed_sack(bed, is_old ? old : cumulative, is_old ? old_pairs : pairs);
        model_sack(&model, is_old ? old : cumulative, is_old ? old_pairs : pairs);
        old = cumulative;
        memcpy(old_pairs, pairs, sizeof pairs);
        wrong = same(bed, &model) ? bed_check(bed) : "not as the model says";
        if (chance(4) == 0)
            bed_tick(bed);
    }
    bed_end(bed);
    return wrong;
}

/* Anything: unsorted, overlapping, beyond what was sent, from long ago, from the future. */
static const char *run_wild(uint64_t number)
{
    static struct model model;
    uint32_t pairs[24];
    const char *wrong = NULL;
    struct bed *bed = bed_new(true);
    seed = number;
    memset(&model, 0, sizeof model);
    for (unsigned round = 0; round < 60 && !wrong; round++) {
        send_some(bed, &model);
        uint32_t span = model.next - model.una + 3, k = chance(11), cumulative;
        cumulative = model.una + chance(span / 4 + 1);
        cumulative = cumulative >= 2 ? cumulative - chance(3) : cumulative;
        uint32_t at = cumulative + 1;
        for (uint32_t i = 0; i < k; i++) {
            bool wild = chance(20) == 0;
            pairs[2 * i] = wild ? cumulative + 1 + chance(span) : at + chance(3);
            pairs[2 * i + 1] = wild ? cumulative + 1 + chance(span) : pairs[2 * i] + chance(4);
            at = pairs[2 * i + 1] + 1;
        }
        pairs[2 * k] = pairs[2 * k + 1] = 0;
        bed->now_us += chance(30000);
        enum err e = bed_sack_with(bed, cumulative, pairs, NULL, 0, chance(2) ? 1u << 24 : 0);
        sctp_acknowledge_end(bed->a, bed->now_us);
        model_sack(&model, cumulative, pairs);
        if ((e == ERR_CONTROL_PROTOCOL) != (cumulative > model.next))
            wrong = "the answer";
        wrong = wrong ? wrong : same(bed, &model) ? bed_check(bed) : "not as the model says";
        if (chance(4) == 0)
            bed_tick(bed);
    }
    bed_end(bed);
    return wrong;
}

/* A stranger, who may also take back what it had: nothing is ever forgotten. */
static const char *run_stranger(uint64_t number)
{
    static uint32_t pairs[MODEL];
    static uint8_t there[MODEL];
    static struct model model;
    uint32_t cumulative = 0;
    const char *wrong = NULL;
    struct bed *bed = bed_new(false);
    seed = number;
    memset(there, 0, sizeof there);
    memset(&model, 0, sizeof model);
    for (unsigned round = 0; round < 60 && !wrong; round++) {
        send_some(bed, &model);
        for (uint32_t i = cumulative; i < model.next; i++)
            there[i] = there[i] ? chance(40) != 0 : chance(10) < 6;
        while (cumulative < model.next && there[cumulative])
            cumulative++;
        uint32_t count = honest_blocks(there, cumulative, model.next, pairs);
        if (count > 16)
            pairs[32] = pairs[33] = 0;
        bed->now_us += chance(30000);
        bed_sack(bed, cumulative, pairs);
        wrong = bed_check(bed);
        if (chance(4) == 0)
            bed_tick(bed);
    }
    for (unsigned i = 0; i < 200 && !wrong && !sctp_sending_is_done(bed->a); i++) {
        bed_send_all(bed);
        bed->now_us += 30000;
        bed_sack(bed, bed->a->flight.next_tsn - BED_FIRST, NULL);
        wrong = bed_check(bed);
    }
    if (!wrong && !sctp_sending_is_done(bed->a))
        wrong = "not all of it went";
    bed_end(bed);
    return wrong;
}

static void repeat(const char *(*run)(uint64_t), const char *what)
{
    const char *wrong = NULL;
    uint64_t first = tap_seed(), i;
    for (i = first; i < first + 300 && !wrong; i++)
        wrong = run(i);
    ok(!wrong, "%s%s%s", what, wrong ? ": " : "", wrong ? wrong : "");
    if (wrong)
        tap_note("seed %lu", (unsigned long)i - 1);
}

static void test_rules(void)
{
    struct bed *bed = bed_new(true);
    bed_fill(bed, 20);
    ok(bed_sack_with(bed, 21, NULL, NULL, 0, 1) == ERR_CONTROL_PROTOCOL,
       "what was never sent cannot be acknowledged");
    ok(bed->a->flight.una == BED_FIRST && !bed->a->acknowledge.any, "nothing comes of it");
    bed_sack_gaps(bed, 5, 7, 8, 12, 13);
    ok(bed->a->flight.una == BED_FIRST + 5 && bed->a->acknowledge.count == 2, "5, and two blocks");
    ok(bed->a->flight.outstanding == 11 * 1000, "11 chunks are outstanding");
    bed_sack_gaps(bed, 3, 15, 16);
    ok(bed->a->acknowledge.count == 2, "an older SACK says nothing");
    bed_sack_gaps(bed, 5, 9, 11);
    ok(bed->a->acknowledge.count == 1 && bed->a->flight.outstanding == 8 * 1000,
       "a block that closes a gap: one interval; a block left out says nothing");
    bed_sack_gaps(bed, 10, 0, 0);
    ok(bed->a->acknowledge.count == 1 && bed->a->acknowledge.intervals[0].first == BED_FIRST + 10,
       "the cumulative TSN cuts an interval");
    bed_sack_gaps(bed, 10, 16, 17, 15, 18);
    ok(bed->a->acknowledge.count == 2 && bed->a->flight.outstanding == 4 * 1000,
       "blocks out of order: those before count, the rest is ignored");
    bed_sack_gaps(bed, 10, 18, 20);
    ok(bed->a->flight.outstanding == 4 * 1000, "a block beyond what was sent is ignored");
    sctp_acknowledge_cumulative(bed->a, bed->now_us, BED_FIRST + 19);
    sctp_acknowledge_end(bed->a, bed->now_us);
    ok(sctp_sending_is_done(bed->a) && bed->a->nets[0]->in_flight == 0,
       "SHUTDOWN's TSN acknowledges, too");
    ok(sctp_acknowledge_cumulative(bed->a, bed->now_us, BED_FIRST + 20) == ERR_CONTROL_PROTOCOL,
       "but nothing that was never sent");
    ok(bed_congestion(bed)->sample.acked == 4 * bed->packets[0].size, "congestion control is told");
    bed_end(bed);
}

static void test_window(void)
{
    struct bed *bed = bed_new(true);
    bed_fill(bed, 10);
    bed_sack_with(bed, 4, NULL, NULL, 0, 50000);
    ok(bed->a->sending.peer_window == 44000, "the peer's window, less what is outstanding");
    bed_sack_with(bed, 4, (const uint32_t[]){6, 7, 0, 0}, NULL, 0, 50000);
    ok(bed->a->sending.peer_window == 46000, "what a gap block acknowledges is not");
    bed_sack_with(bed, 4, NULL, NULL, 0, 1000);
    ok(bed->a->sending.peer_window == 0, "it is never below 0");
    bed_sack_with(bed, 3, NULL, NULL, 0, 90000);
    ok(bed->a->sending.peer_window == 0, "an older SACK does not open it");
    bed_end(bed);
}

/* Section 6.2.1 D iii, for peers that may take back. */
static void test_taken_back(void)
{
    struct bed *bed = bed_new(false);
    bed_fill(bed, 30);
    bed->now_us += 50000;
    bed_sack_gaps(bed, 1, 2, 20);
    ok(bed->a->flight.outstanding == 10 * 1000, "10 are outstanding");
    for (int i = 0; i < 2; i++)
        bed_sack_gaps(bed, 1, 2, 9, 12, 20);
    bed_sack_gaps(bed, 1, 2, 20);
    bed_sack_gaps(bed, 1, 2, 9, 12, 20);
    ok(bed->a->flight.outstanding == 10 * 1000, "left out twice, and there again: still there");
    for (int i = 0; i < 2; i++)
        bed_sack_gaps(bed, 1, 2, 9, 12, 20);
    ok(bed->a->flight.outstanding == 12 * 1000, "left out three times in a row: taken back");
    ok(!bed_check(bed) && bed->a->acknowledge.count == 2, "they go again");
    uint32_t pairs[34] = {0};
    for (uint32_t i = 0; i < 16; i++)
        pairs[2 * i] = pairs[2 * i + 1] = 2 + (i < 8 ? i : i + 2);
    for (int i = 0; i < 5; i++)
        bed_sack(bed, 1, pairs);
    ok(bed->a->flight.outstanding == 12 * 1000,
       "beyond the last of 16 blocks nothing is taken back");
    bed_end(bed);
}

/* A packet of which the peer had room for a part: the rest goes again, and nothing was lost. */
static void test_part(void)
{
    struct bed *bed = bed_new(true);
    for (int i = 0; i < 12; i++)
        bed_queue(bed, 1, 400);
    bed_send_all(bed);
    ok(bed->packets[0].count == 4 && bed->count == 4, "4 packets: the last piece fills each");
    bed_sack_gaps(bed, 2, 4, bed->a->flight.next_tsn - BED_FIRST - 1);
    ok(bed_congestion(bed)->lost == 0 && !bed_check(bed), "no loss");
    ok(bed_send_all(bed) == 1 && bed_last(bed)->count == 2 && bed_last(bed)->tsn == BED_FIRST + 2,
       "what it did not take goes again at once");
    bed_end(bed);
}

int main(void)
{
    test_rules();
    test_window();
    test_taken_back();
    test_part();
    repeat(run_honest, "an honest peer whose SACKs leave blocks out, or are late");
    repeat(run_wild, "a peer that says anything");
    repeat(run_stranger, "a stranger that takes back");
    return tap_done();
}
