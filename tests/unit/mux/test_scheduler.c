/* The scheduler: order, fairness, no starvation. */
#include "mux/scheduler.h"

#include "tests/lib/tap.h"

#define RECORD 16406 /* a full one, encrypted */

static void test_order(void)
{
    struct scheduler s;
    struct scheduler_entry a = {0}, b = {0};
    scheduler_init(&s);
    ok(!scheduler_next(&s), "nobody");
    scheduler_add(&s, &a);
    scheduler_add(&s, &a);
    scheduler_add(&s, &b);
    ok(scheduler_next(&s) == &a && scheduler_next(&s) == &a, "the first, until it has sent");
    scheduler_sent(&s, &a, 100, false);
    ok(scheduler_next(&s) == &b, "then the other");
    scheduler_sent(&s, &b, 100, false);
    ok(!scheduler_next(&s), "nobody again");
    scheduler_add(&s, &a);
    ok(scheduler_next(&s) == &a, "and again the first");
}

/* Bulk entries of different record sizes get the same bytes, but for a turn. */
static void test_fair_by_bytes(void)
{
    struct scheduler s;
    struct scheduler_entry entries[4] = {0};
    static const size_t sizes[] = {RECORD, 9000, 1500, 64};
    size_t sent[4] = {0};
    scheduler_init(&s);
    for (int i = 0; i < 4; i++)
        scheduler_add(&s, &entries[i]);
    for (int n = 0; n < 300000; n++) {
        struct scheduler_entry *entry = scheduler_next(&s);
        size_t i = (size_t)(entry - entries);
        sent[i] += sizes[i];
        scheduler_sent(&s, entry, sizes[i], true);
    }
    for (int i = 1; i < 4; i++)
        ok(sent[i] + SCHEDULER_QUANTUM + RECORD > sent[0] &&
               sent[i] < sent[0] + SCHEDULER_QUANTUM + RECORD,
           "records of %zu: %zu bytes of %zu", sizes[i], sent[i], sent[0]);
}

/* A small message that comes now and then never waits for more than the record under way. */
static void test_sparse_first(void)
{
    struct scheduler s;
    struct scheduler_entry bulk[8] = {0}, sparse = {0};
    unsigned waited = 0, worst = 0;
    scheduler_init(&s);
    for (int i = 0; i < 8; i++)
        scheduler_add(&s, &bulk[i]);
    for (int n = 0; n < 1000; n++) {
        if (n % 20 == 19) {
            scheduler_add(&s, &sparse);
            waited = 0;
        }
        struct scheduler_entry *entry = scheduler_next(&s);
        bool is_sparse = entry == &sparse;
        if (is_sparse && waited > worst)
            worst = waited;
        waited++;
        scheduler_sent(&s, entry, is_sparse ? 80 : RECORD, !is_sparse);
    }
    ok(worst <= 1, "a sparse entry waited for %u records at most, of 8 bulk ones", worst);
    scheduler_remove(&s, &sparse);
    while (scheduler_next(&s)->list == 1) /* let the fresh ones become old */
        scheduler_sent(&s, scheduler_next(&s), RECORD + 400, true);
    scheduler_add(&s, &sparse);
    ok(scheduler_next(&s) == &sparse, "one that begins to send is first");
}

/* One that always has exactly one record, and comes back at once, must not starve the others. */
static void test_no_starvation(void)
{
    struct scheduler s;
    struct scheduler_entry greedy = {0}, bulk = {0};
    unsigned sent[2] = {0};
    scheduler_init(&s);
    scheduler_add(&s, &greedy);
    scheduler_add(&s, &bulk);
    for (int n = 0; n < 1000; n++) {
        struct scheduler_entry *entry = scheduler_next(&s);
        sent[entry == &bulk]++;
        scheduler_sent(&s, entry, RECORD, entry == &bulk);
        scheduler_add(&s, &greedy);
    }
    ok(sent[1] >= 490 && sent[1] <= 510, "coming back is not being new: %u to %u", sent[0],
       sent[1]);
}

/* A small message each time the one before has gone, beside 64 bulk streams: it is first each time,
 * until it has used half of its quantum; and the bulk streams get their share. */
static void test_ping_beside_bulk(void)
{
    struct scheduler s;
    struct scheduler_entry ping = {0}, bulk[64] = {0};
    unsigned long ping_bytes = 0, bulk_bytes = 0, first = 0, pings = 0;
    scheduler_init(&s);
    for (int i = 0; i < 64; i++)
        scheduler_add(&s, &bulk[i]);
    for (int n = 0; n < 64 * 5; n++) /* all bulk ones are old */
        scheduler_sent(&s, scheduler_next(&s), RECORD + 400, true);
    for (int n = 0; n < 6400; n++) {
        if (n % 4 == 0) {
            scheduler_add(&s, &ping);
            pings++;
            first += scheduler_next(&s) == &ping;
        }
        struct scheduler_entry *entry = scheduler_next(&s);
        *(entry == &ping ? &ping_bytes : &bulk_bytes) += entry == &ping ? 90 : RECORD;
        scheduler_sent(&s, entry, entry == &ping ? 90 : RECORD, entry != &ping);
    }
    ok(first == pings, "a small message is first each time: %lu of %lu", first, pings);
    ok(bulk_bytes > 70000000, "and takes next to nothing: %lu bytes of %lu", ping_bytes,
       bulk_bytes);
    unsigned long greedy_bytes = 0;
    bulk_bytes = 0;
    for (int n = 0; n < 20000; n++) {
        scheduler_add(&s, &ping); /* always there again: many small messages are bulk, too */
        struct scheduler_entry *entry = scheduler_next(&s);
        *(entry == &ping ? &greedy_bytes : &bulk_bytes) += entry == &ping ? 90 : RECORD;
        scheduler_sent(&s, entry, entry == &ping ? 90 : RECORD, entry != &ping);
    }
    ok(greedy_bytes <= bulk_bytes / 64 * 2 && bulk_bytes,
       "one that never stops gets its share only: %lu bytes, the others %lu each", greedy_bytes,
       bulk_bytes / 64);
}

/* Turns are long, but who has sent four records in one lets small messages pass, and then goes on.
 */
static void test_long_turns(void)
{
    struct scheduler s;
    struct scheduler_entry ping = {0}, bulk[2] = {0};
    scheduler_init(&s);
    scheduler_add(&s, &bulk[0]);
    scheduler_add(&s, &bulk[1]);
    unsigned before = 0, turn = 0;
    while (scheduler_next(&s) == &bulk[0] && ++before)
        scheduler_sent(&s, &bulk[0], RECORD, true);
    ok(before <= 5, "one that begins is first for %u records", before);
    scheduler_add(&s, &ping);
    scheduler_sent(&s, &bulk[1], 5 * RECORD, true);
    ok(scheduler_next(&s) == &ping, "a message that comes then goes before the others' turns");
    scheduler_sent(&s, &ping, 80, false);
    struct scheduler_entry *one = scheduler_next(&s), *other = one == bulk ? bulk + 1 : bulk;
    scheduler_sent(&s, one, RECORD, false); /* its socket is empty for a moment */
    ok(scheduler_next(&s) == other, "one that has nothing more is not waited for");
    scheduler_add(&s, one);
    scheduler_add(&s, &ping);
    ok(scheduler_next(&s) == &ping, "coming back it does not go before small messages");
    scheduler_sent(&s, &ping, 80, false);
    for (; scheduler_next(&s) == one && turn < 99; turn++)
        scheduler_sent(&s, one, RECORD, true);
    ok(turn >= 9 && turn <= 12, "but has the rest of its turn (%u records)", turn);
}

static void test_remove(void)
{
    struct scheduler s;
    struct scheduler_entry e[5] = {0};
    scheduler_init(&s);
    for (int i = 0; i < 5; i++)
        scheduler_add(&s, &e[i]);
    scheduler_remove(&s, &e[0]);
    scheduler_remove(&s, &e[2]);
    scheduler_remove(&s, &e[2]);
    scheduler_remove(&s, &e[4]);
    scheduler_sent(&s, &e[4], 10, true);
    ok(scheduler_next(&s) == &e[1], "first, middle and last are out");
    scheduler_sent(&s, &e[1], 10, false); /* rests */
    scheduler_remove(&s, &e[1]);
    ok(scheduler_next(&s) == &e[3], "one that rests too");
    scheduler_remove(&s, &e[3]);
    ok(!scheduler_next(&s), "empty");
    scheduler_add(&s, &e[2]);
    ok(scheduler_next(&s) == &e[2], "and usable");
}

int main(void)
{
    test_order();
    test_fair_by_bytes();
    test_sparse_first();
    test_no_starvation();
    test_ping_beside_bulk();
    test_long_turns();
    test_remove();
    return tap_done();
}
