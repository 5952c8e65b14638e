/* The limit of answers to addresses of which nothing is known. */
#include "transport/udp/answers.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"

#define BURST_US 1000000

void answers_init(struct answers *self, const struct sctp_sharing *sharing)
{
    self->per_second[ANSWERS_INIT] = transport_part(sharing, ANSWERS_INITS_PER_SECOND, 1);
    self->per_second[ANSWERS_OTHER] = transport_part(sharing, ANSWERS_PER_SECOND, 1);
    self->of_source = transport_part(sharing, ANSWERS_OF_SOURCE, ANSWERS_OF_SOURCE_LEAST);
    must(getrandom(&self->seed, sizeof self->seed, 0) == sizeof self->seed);
}

/* When the allowance will be back if one is taken, in ns; 0: there is none. */
static uint64_t taken(uint64_t spent_until_ns, uint64_t now_us, unsigned per_second)
{
    uint64_t from_ns = spent_until_ns > now_us * 1000 ? spent_until_ns : now_us * 1000;
    uint64_t until_ns = from_ns + 1000000000 / per_second;
    return until_ns > (now_us + BURST_US) * 1000 ? 0 : until_ns;
}

bool answers_allow(struct answers *self, enum answers_kind kind, const struct address *to,
                   uint64_t now_us)
{
    size_t place = address_place(to, self->seed, ANSWERS_SOURCES);
    uint64_t *of_source = &self->source_spent_until_ns[place], *all = &self->spent_until_ns[kind];
    uint64_t source_ns = taken(*of_source, now_us, self->of_source),
             all_ns = taken(*all, now_us, self->per_second[kind]);
    if (!source_ns || !all_ns)
        return false;
    *of_source = source_ns;
    *all = all_ns;
    return true;
}

bool answers_limit_allow(struct answers_limit *limit, const struct path_key *peer, uint64_t now_us)
{
    bool repeated = limit->spent_until_us && now_us < limit->latest_us + ANSWERS_REPEAT_US &&
                    !memcmp(&limit->latest, peer, sizeof *peer);
    uint64_t interval_us = BURST_US / limit->per_second;
    uint64_t spent_until = limit->spent_until_us > now_us ? limit->spent_until_us : now_us;
    if (repeated || spent_until + interval_us > now_us + BURST_US)
        return false;
    limit->spent_until_us = spent_until + interval_us;
    limit->latest_us = now_us;
    limit->latest = *peer;
    return true;
}
