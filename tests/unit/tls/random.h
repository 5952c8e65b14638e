/* tests/unit/tls/random.h: decisions by chance that can be repeated (SEED), and how many of them
 * (TIMES multiplies, SCALE divides). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/lib/tap.h"

static uint64_t random_state;

static inline uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 2685821657736338717ULL >> 11;
}

/* 0 to count - 1. */
static inline size_t random_below(size_t count)
{
    return (size_t)(random_next() % count);
}

static inline bool random_one_in(size_t count)
{
    return random_below(count) == 0;
}

/* Payload n is known by its number. */
#define PAYLOADS 65536
static uint8_t random_bytes[PAYLOADS + 16384];

static inline const uint8_t *random_payload(uint64_t number)
{
    return random_bytes + number * 7919 % PAYLOADS;
}

static inline void random_begin(void)
{
    random_state = 88172645463325252ULL ^ tap_seed() * 0x9E3779B97F4A7C15ULL;
    for (size_t i = 0; i < sizeof random_bytes; i++)
        random_bytes[i] = (uint8_t)random_next();
}

/* default_count by the environment. */
static inline size_t random_times(size_t default_count)
{
    const char *times = getenv("TIMES"), *scale = getenv("SCALE"), *under = getenv("UNDER");
    size_t count = default_count * (times ? strtoul(times, NULL, 10) : 1);
    count /= scale && atoi(scale) > 0 ? (size_t)atoi(scale) : 1;
    count /= under && *under ? 10 : 1; /* valgrind */
    return count ? count : 1;
}
