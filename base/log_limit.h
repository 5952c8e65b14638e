/* base/log_limit.h: limits for log lines that a peer can cause at will: a number of lines a minute.
 * The next line says how many were left out. Thread: one at a time for each limit. */
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

/* True: a line may be written now, and *left_out lines before it were not; the line tells it.
 * now_us: of a monotonic clock. */
bool log_limit_allows(struct log_limit *limit, uint64_t now_us, uint64_t *left_out);

/* One line in a minute, for what happens on several threads. Zero-initialised is ready. */
struct log_minute {
    _Atomic uint64_t until_us; /* no line before; 0: none was written yet */
    _Atomic uint64_t left_out; /* not yet told of */
};

/* The same. Thread: any. */
bool log_minute_allows(struct log_minute *minute, uint64_t now_us, uint64_t *left_out);
