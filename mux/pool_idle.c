/* A set of stream ids: a bitmap of a bitmap. */
#include "mux/pool_idle.h"

#include <stdlib.h>

#include "base/check.h"

#define USED_WORDS 16

void pool_idle_init(struct pool_idle *idle, uint32_t max)
{
    must(max <= UINT16_MAX);
    *idle = (struct pool_idle){.max = max};
    idle->words = check_alloc((max / 64 + 1) * sizeof *idle->words);
}

void pool_idle_fini(struct pool_idle *idle)
{
    free(idle->words);
    *idle = (struct pool_idle){0};
}

bool pool_idle_add(struct pool_idle *idle, uint16_t id)
{
    must(id >= 1 && id <= idle->max);
    uint32_t word = id / 64U;
    uint64_t bit = UINT64_C(1) << id % 64;
    if (idle->words[word] & bit)
        return false;
    idle->words[word] |= bit;
    idle->used[word / 64] |= UINT64_C(1) << word % 64;
    idle->count++;
    return true;
}

bool pool_idle_remove(struct pool_idle *idle, uint16_t id)
{
    must(id >= 1 && id <= idle->max);
    uint32_t word = id / 64U;
    uint64_t bit = UINT64_C(1) << id % 64;
    if (!(idle->words[word] & bit))
        return false;
    idle->words[word] &= ~bit;
    if (!idle->words[word])
        idle->used[word / 64] &= ~(UINT64_C(1) << word % 64);
    idle->count--;
    return true;
}

static uint32_t lowest_bit(uint64_t word)
{
    return (uint32_t)__builtin_ctzll(word);
}

static uint32_t highest_bit(uint64_t word)
{
    return 63U - (uint32_t)__builtin_clzll(word);
}

uint16_t pool_idle_lowest(const struct pool_idle *idle)
{
    for (uint32_t i = 0; i < USED_WORDS; i++) {
        if (!idle->used[i])
            continue;
        uint32_t word = i * 64 + lowest_bit(idle->used[i]);
        return (uint16_t)(word * 64 + lowest_bit(idle->words[word]));
    }
    return 0;
}

uint16_t pool_idle_highest(const struct pool_idle *idle)
{
    for (uint32_t i = USED_WORDS; i-- > 0;) {
        if (!idle->used[i])
            continue;
        uint32_t word = i * 64 + highest_bit(idle->used[i]);
        return (uint16_t)(word * 64 + highest_bit(idle->words[word]));
    }
    return 0;
}
