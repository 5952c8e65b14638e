/* base/number.h: the least, the most, what is between; and mixed bits. */
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

/* a - b, never below 0. */
static inline uint64_t number_minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* low is not above high. */
static inline uint64_t number_between(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Finalizer of MurmurHash3: every bit of the input reaches every bit of the result, which with a
 * secret seed is enough for a table that is not a target by itself. */
static inline uint64_t number_mix(uint64_t bits)
{
    bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccdull;
    bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53ull;
    return bits ^ bits >> 33;
}
