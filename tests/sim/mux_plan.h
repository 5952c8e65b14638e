/* tests/sim/mux_plan.h: the plans and bytes of simulated connections, as a function of their ids,
 * so that both ends (and a failed run that is repeated) know it without telling each other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The plan of a connection: a function of its id, so both ends know it. [0]: the opener */
struct plan {
    uint32_t size[2];
    bool waits_for_fin[2], may_reset[2], is_slow[2];
    bool refused;
};

static inline uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The bytes that one direction of a connection has from offset on; one hash for each eight. */
static inline void pattern(uint8_t *to, size_t length, uint64_t connection, int from,
                           uint64_t offset)
{
    uint64_t word = mix(connection + (uint64_t)from + (offset >> 3));
    for (size_t i = 0; i < length; i++, offset++) {
        if ((offset & 7) == 0)
            word = mix(connection + (uint64_t)from + (offset >> 3));
        to[i] = (uint8_t)(word >> (offset & 7) * 8);
    }
}

static inline struct plan plan_of(uint64_t connection)
{
    uint64_t dice = mix(connection ^ 1);
    struct plan plan = {.refused = dice % 16 == 0};
    for (int i = 0; i < 2; i++) {
        uint64_t die = mix(connection ^ (2 + (uint64_t)i));
        static const uint32_t limits[] = {1, 2, 100, 5000, 20000, 20000, 100000, 400000};
        plan.size[i] = (uint32_t)(die >> 8) % limits[die % 8];
        plan.may_reset[i] = (die >> 40) % 10 == 0;
        plan.is_slow[i] = (die >> 44) % 8 == 0;
    }
    plan.waits_for_fin[dice >> 20 & 1] = dice >> 21 & 1;
    return plan;
}

/* True if a record cut at length ends between two frames. */
static inline bool is_whole(const uint8_t *bytes, size_t length)
{
    size_t at = 0;
    while (at + 4 <= length)
        at += 4U + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
    return at == length && length;
}
