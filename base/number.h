/* base/number.h: the least, the most, and what is between. */
#pragma once

#include <stdint.h>

static inline uint64_t number_least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t number_most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* low is not above high. */
static inline uint64_t number_between(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}
