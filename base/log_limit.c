/* Counts log lines in a minute. */
#include "base/log_limit.h"

#define MINUTE_US 60000000

bool log_limit_allows(struct log_limit *limit, uint64_t now_us, uint64_t *left_out)
{
    if (!limit->lines || now_us - limit->begun_us >= MINUTE_US) {
        limit->begun_us = now_us;
        limit->lines = 0;
    }
    *left_out = limit->left_out;
    if (limit->lines >= limit->per_minute) {
        limit->left_out++;
        return false;
    }
    limit->lines++;
    limit->left_out = 0;
    return true;
}

bool log_minute_allows(struct log_minute *minute, uint64_t now_us, uint64_t *left_out)
{
    uint64_t until = atomic_load_explicit(&minute->until_us, memory_order_relaxed);
    if (now_us < until ||
        !atomic_compare_exchange_strong(&minute->until_us, &until, now_us + MINUTE_US)) {
        atomic_fetch_add_explicit(&minute->left_out, 1, memory_order_relaxed);
        return false;
    }
    *left_out = atomic_exchange(&minute->left_out, 0);
    return true;
}
