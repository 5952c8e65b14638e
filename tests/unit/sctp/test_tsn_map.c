/* The map of TSNs beside a naive one: every order of a few, chance with many, and numbers that
 * wrap. */
#include "sctp/tsn_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/lib/tap.h"

static const uint32_t firsts[] = {1, 0, 0x7fffffff, 0xffffff00, 0xffffffff};
#define FIRSTS (sizeof firsts / sizeof firsts[0])

/* One byte for each TSN from the first on. */
struct naive {
    uint32_t first;
    uint8_t *there;
    uint32_t size, cumulative; /* so many have arrived without a gap */
};

static void naive_add(struct naive *naive, uint32_t number)
{
    naive->there[number] = 1;
    while (naive->cumulative < naive->size && naive->there[naive->cumulative])
        naive->cumulative++;
}

static bool same_gaps(const struct sctp_tsn_map *map, const struct naive *naive)
{
    uint32_t from = 1;
    struct sctp_gap gap;
    bool inside = false;
    for (uint32_t i = naive->cumulative; i <= naive->size; i++) {
        bool there = i < naive->size && naive->there[i];
        uint32_t offset = i - naive->cumulative + 1;
        if (there && !inside) {
            if (!sctp_tsn_map_gaps(map, from, &gap, 1) || gap.start != offset)
                return false;
            from = gap.end + 1u;
        }
        if (!there && inside && gap.end != offset - 1)
            return false;
        inside = there;
    }
    return !sctp_tsn_map_gaps(map, from, &gap, 1);
}

/* The begin of the last blocks. */
static bool same_newest(const struct sctp_tsn_map *map)
{
    static struct sctp_gap gaps[4000];
    size_t count = sctp_tsn_map_gaps(map, 1, gaps, 4000);
    for (size_t i = 0; i < count && i < 5; i++)
        if (sctp_tsn_map_newest(map, i + 1) != gaps[count - 1 - i].start)
            return false;
    return sctp_tsn_map_newest(map, 0) == map->ahead + 1 &&
           (!count || sctp_tsn_map_newest(map, count) == gaps[0].start) &&
           sctp_tsn_map_newest(map, count + 1) == (count ? gaps[0].start : 1);
}

static bool same(const struct sctp_tsn_map *map, const struct naive *naive)
{
    return map->cumulative + 1 == naive->first + naive->cumulative && same_gaps(map, naive) &&
           same_newest(map) && sctp_tsn_map_has_gaps(map) == (map->bits != NULL);
}

/* All orders in which `count` TSNs can come, by Heap's algorithm without recursion. */
static void every_order(uint32_t first, uint32_t count)
{
    uint32_t order[8], turn[8] = {0}, wrong = 0, orders = 0;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = 0; i < count;) {
        if (orders == 0 || turn[i] < i) {
            if (orders) {
                uint32_t other = i % 2 ? turn[i] : 0, held = order[other];
                order[other] = order[i];
                order[i] = held;
                turn[i]++;
                i = 0;
            }
            struct sctp_tsn_map map;
            uint8_t there[8] = {0};
            struct naive naive = {first, there, count, 0};
            sctp_tsn_map_init(&map, first);
            for (uint32_t j = 0; j < count; j++) {
                wrong += sctp_tsn_map_add(&map, first + order[j]) != SCTP_TSN_NEW;
                naive_add(&naive, order[j]);
                wrong += !same(&map, &naive);
                wrong += sctp_tsn_map_check(&map, first + order[j]) != SCTP_TSN_DUPLICATE;
            }
            wrong += map.bits != NULL;
            sctp_tsn_map_fini(&map);
            orders++;
        } else {
            turn[i++] = 0;
        }
    }
    ok(!wrong, "from %08x: all %u orders of %u TSNs (%u wrong)", first, orders, count, wrong);
}

/* As on a line with loss and reordering: most come in order, some late, some twice. */
static void by_chance(uint32_t first, uint32_t span, uint32_t loss)
{
    uint32_t size = 3 * span + 1, wrong = 0;
    struct naive naive = {first, check_alloc(size), size, 0};
    struct sctp_tsn_map map;
    sctp_tsn_map_init(&map, first);
    for (uint32_t step = 0; naive.cumulative < size - span && step < 100 * size; step++) {
        uint32_t number = naive.cumulative + (uint32_t)random() % span;
        if (number == naive.cumulative && (uint32_t)random() % 100 < loss)
            continue;
        enum sctp_tsn expected = naive.there[number] ? SCTP_TSN_DUPLICATE : SCTP_TSN_NEW;
        wrong += sctp_tsn_map_add(&map, first + number) != expected;
        naive_add(&naive, number);
        wrong += step % 97 == 0 && !same(&map, &naive);
    }
    wrong += !same(&map, &naive);
    ok(!wrong && naive.cumulative, "from %08x: by chance within %u TSNs: %u wrong", first, span,
       wrong);
    sctp_tsn_map_fini(&map);
    free(naive.there);
}

static void limits(uint32_t first)
{
    struct sctp_tsn_map map;
    struct sctp_gap gaps[4];
    sctp_tsn_map_init(&map, first);
    ok(sctp_tsn_map_check(&map, first - 1) == SCTP_TSN_DUPLICATE &&
           sctp_tsn_map_check(&map, first) == SCTP_TSN_NEW,
       "from %08x: the one before the first is old", first);
    ok(sctp_tsn_map_add(&map, first + SCTP_TSN_MAP_MAX - 1) == SCTP_TSN_NEW &&
           sctp_tsn_map_add(&map, first + SCTP_TSN_MAP_MAX) == SCTP_TSN_BEYOND &&
           !map.duplicate_count,
       "the furthest that a block can name, and no further");
    ok(map.size == SCTP_TSN_MAP_MAX + 1 && sctp_tsn_map_gaps(&map, 1, gaps, 4) == 1 &&
           gaps[0].start == SCTP_TSN_MAP_MAX && gaps[0].end == SCTP_TSN_MAP_MAX,
       "in 8 KB");
    for (uint32_t i = 0; i < SCTP_TSN_MAP_MAX - 1; i++)
        sctp_tsn_map_add(&map, first + i);
    ok(map.cumulative == first + SCTP_TSN_MAP_MAX - 1 && !map.bits,
       "which are given back when nothing is missing");
    sctp_tsn_map_fini(&map);
}

static void duplicates(void)
{
    struct sctp_tsn_map map;
    sctp_tsn_map_init(&map, 10);
    sctp_tsn_map_add(&map, 10);
    sctp_tsn_map_add(&map, 12);
    sctp_tsn_map_add(&map, 12);
    sctp_tsn_map_add(&map, 10);
    ok(map.duplicate_count == 2 && map.duplicates[0] == 12 && map.duplicates[1] == 10,
       "duplicates are reported, each time that they come");
    for (uint32_t i = 0; i < 100; i++)
        sctp_tsn_map_add(&map, 10);
    ok(map.duplicate_count == SCTP_TSN_DUPLICATES, "so many at most");
    sctp_tsn_map_fini(&map);
}

int main(void)
{
    srandom((unsigned)tap_seed());
    for (size_t i = 0; i < FIRSTS; i++) {
        every_order(firsts[i], 6);
        by_chance(firsts[i], 50, 50);
        by_chance(firsts[i], 300, 50);
        by_chance(firsts[i], 5000, 50);
        limits(firsts[i]);
    }
    duplicates();
    return tap_done();
}
