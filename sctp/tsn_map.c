/* TSNs that have arrived, as a ring of bits. */
#include "sctp/tsn_map.h"

#include <stdlib.h>

#include "base/check.h"

#define WORD 64u

void sctp_tsn_map_init(struct sctp_tsn_map *map, uint32_t first)
{
    *map = (struct sctp_tsn_map){.cumulative = first - 1};
}

static void forget_bits(struct sctp_tsn_map *map)
{
    free(map->bits);
    map->bits = NULL;
    map->size = 0;
}

void sctp_tsn_map_fini(struct sctp_tsn_map *map)
{
    forget_bits(map);
}

static uint64_t *word_of(const struct sctp_tsn_map *map, uint32_t tsn)
{
    return &map->bits[tsn % map->size / WORD];
}

static uint64_t bit_of(uint32_t tsn)
{
    return UINT64_C(1) << tsn % WORD;
}

static bool has(const struct sctp_tsn_map *map, uint32_t tsn)
{
    return *word_of(map, tsn) & bit_of(tsn);
}

/* The ring keeps its TSNs at other places when it has another size. */
static void grow(struct sctp_tsn_map *map, uint32_t distance)
{
    struct sctp_tsn_map larger = *map;
    larger.size = map->size ? map->size : WORD;
    while (larger.size <= distance)
        larger.size *= 2;
    if (larger.size == map->size)
        return;
    larger.bits = check_alloc(larger.size / 8);
    for (uint32_t i = 1; i <= map->ahead; i++)
        if (has(map, map->cumulative + i))
            *word_of(&larger, map->cumulative + i) |= bit_of(map->cumulative + i);
    free(map->bits);
    map->bits = larger.bits;
    map->size = larger.size;
}

enum sctp_tsn sctp_tsn_map_check(const struct sctp_tsn_map *map, uint32_t tsn)
{
    uint32_t distance = tsn - map->cumulative;
    if (distance == 0 || distance > UINT32_MAX / 2)
        return SCTP_TSN_DUPLICATE;
    if (distance > SCTP_TSN_MAP_MAX)
        return SCTP_TSN_BEYOND;
    return distance <= map->ahead && has(map, tsn) ? SCTP_TSN_DUPLICATE : SCTP_TSN_NEW;
}

/* The next one is there: the cumulative TSN moves to the first gap. */
static void advance(struct sctp_tsn_map *map)
{
    map->cumulative++;
    map->ahead -= map->ahead > 0;
    while (map->ahead && has(map, map->cumulative + 1)) {
        map->cumulative++;
        map->ahead--;
        *word_of(map, map->cumulative) &= ~bit_of(map->cumulative);
    }
    if (!map->ahead)
        forget_bits(map);
}

enum sctp_tsn sctp_tsn_map_add(struct sctp_tsn_map *map, uint32_t tsn)
{
    enum sctp_tsn what = sctp_tsn_map_check(map, tsn);
    uint32_t distance = tsn - map->cumulative;
    if (what == SCTP_TSN_DUPLICATE && map->duplicate_count < SCTP_TSN_DUPLICATES)
        map->duplicates[map->duplicate_count++] = tsn;
    if (what != SCTP_TSN_NEW)
        return what;
    if (distance == 1) {
        advance(map);
        return what;
    }
    grow(map, distance);
    *word_of(map, tsn) |= bit_of(tsn);
    if (distance > map->ahead)
        map->ahead = distance;
    return what;
}

/* The first TSN from cumulative + from on that is there, or is not; at most ahead + 1. Words that
 * are all the other way are passed over at once. */
static uint32_t find(const struct sctp_tsn_map *map, uint32_t from, bool there)
{
    while (from <= map->ahead) {
        uint32_t tsn = map->cumulative + from;
        uint64_t word = *word_of(map, tsn);
        uint64_t rest = (there ? word : ~word) >> tsn % WORD;
        if (rest) {
            from += (uint32_t)__builtin_ctzll(rest);
            return from <= map->ahead ? from : map->ahead + 1;
        }
        from += WORD - tsn % WORD;
    }
    return map->ahead + 1;
}

size_t sctp_tsn_map_gaps(const struct sctp_tsn_map *map, uint32_t from, struct sctp_gap *gaps,
                         size_t most)
{
    size_t count = 0;
    while (count < most && from <= map->ahead) {
        uint32_t start = find(map, from, true);
        if (start > map->ahead)
            break;
        from = find(map, start, false);
        gaps[count++] = (struct sctp_gap){.start = (uint16_t)start, .end = (uint16_t)(from - 1)};
    }
    return count;
}

/* The last TSN up to cumulative + from that is there, or is not; 0: there is none. */
static uint32_t find_back(const struct sctp_tsn_map *map, uint32_t from, bool there)
{
    while (from) {
        uint32_t tsn = map->cumulative + from;
        uint64_t word = *word_of(map, tsn);
        uint64_t rest = (there ? word : ~word) << (WORD - 1 - tsn % WORD);
        if (rest) {
            uint32_t passed = (uint32_t)__builtin_clzll(rest);
            return passed < from ? from - passed : 0;
        }
        uint32_t passed = tsn % WORD + 1;
        from -= passed < from ? passed : from;
    }
    return 0;
}

uint32_t sctp_tsn_map_newest(const struct sctp_tsn_map *map, size_t count)
{
    uint32_t from = map->ahead + 1;
    for (; count && from > 1; count--) {
        uint32_t end = find_back(map, from - 1, true);
        if (!end)
            break;
        from = find_back(map, end, false) + 1;
    }
    return from;
}
