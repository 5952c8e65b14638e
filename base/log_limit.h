/* base/log_limit.h: for lines that somebody else can cause at will: so many in a minute, and with
 * the next one the number of those that were left out. Thread: one at a time for each limit. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct log_limit {
    unsigned per_minute;
    uint64_t begun_us; /* of this minute */
    unsigned lines;    /* in it */
    uint64_t left_out; /* not yet told of */
};

/* Whether a line may be written now. *left_out: how many before it were not; tell it with the line.
 * now_us: of a monotonic clock. */
bool log_limit_allows(struct log_limit *limit, uint64_t now_us, uint64_t *left_out);

/* One line in a minute, for what happens on several threads. Zero-initialised is ready. */
struct log_minute {
    _Atomic uint64_t until_us; /* no line before; 0: none was written yet */
    _Atomic uint64_t left_out; /* not yet told of */
};

/* The same. Thread: any. */
bool log_minute_allows(struct log_minute *minute, uint64_t now_us, uint64_t *left_out);
