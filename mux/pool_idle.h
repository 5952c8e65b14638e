/* mux/pool_idle.h: a set of stream ids with quick lowest and highest: a bitmap and a bitmap of its
 * words that are not empty (65536 ids: 1024 words, 16 above them). Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pool_idle {
    uint64_t *words;   /* 64 ids each */
    uint64_t used[16]; /* bits of the words that are not 0 */
    uint32_t count;
    uint32_t max;
};

/* Ids 1..max, max at most 65535. */
void pool_idle_init(struct pool_idle *idle, uint32_t max);
void pool_idle_fini(struct pool_idle *idle);
/* False: it was there already (add), or was not (remove). */
bool pool_idle_add(struct pool_idle *idle, uint16_t id);
bool pool_idle_remove(struct pool_idle *idle, uint16_t id);
/* 0: empty. */
uint16_t pool_idle_lowest(const struct pool_idle *idle);
uint16_t pool_idle_highest(const struct pool_idle *idle);
