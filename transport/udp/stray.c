/* The limit of answers to packets out of the blue. */
#include "transport/udp/stray.h"

#include <string.h>

#define BURST_US 1000000

bool stray_allow(struct stray_limit *limit, const struct path_key *peer, uint64_t now_us)
{
    bool repeated = limit->spent_until_us && now_us < limit->latest_us + STRAY_REPEAT_US &&
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
