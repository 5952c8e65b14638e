#include "transport/answers.h"

#include <sys/random.h>

#include "base/check.h"

#define BURST_US 1000000

void answers_init(struct answers *self)
{
    must(getrandom(&self->seed, sizeof self->seed, 0) == sizeof self->seed);
}

/* Finalizer of MurmurHash3, as in transport/path.c. */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdull;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ull;
    return hash ^ hash >> 33;
}

/* When the allowance will be back if one is taken; 0: there is none. */
static uint64_t taken(uint64_t spent_until_us, uint64_t now_us, unsigned per_second)
{
    uint64_t from_us = spent_until_us > now_us ? spent_until_us : now_us;
    uint64_t until_us = from_us + 1000000 / per_second;
    return until_us > now_us + BURST_US ? 0 : until_us;
}

bool answers_allow(struct answers *self, const struct address *to, uint64_t now_us)
{
    size_t place = (size_t)mix(mix(address_source(to) ^ self->seed)) % ANSWERS_SOURCES;
    uint64_t *of_source = &self->source_spent_until_us[place];
    uint64_t source_us = taken(*of_source, now_us, ANSWERS_OF_SOURCE),
             all_us = taken(self->spent_until_us, now_us, ANSWERS_PER_SECOND);
    if (!source_us || !all_us)
        return false;
    *of_source = source_us;
    self->spent_until_us = all_us;
    return true;
}
