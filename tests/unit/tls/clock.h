/* tests/unit/tls/clock.h: a wall clock that a test can move. This time() takes the place of libc's
 * for our code and for GnuTLS alike. */
#pragma once

#include <time.h>

static long clock_shift;

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += clock_shift;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
