/* tests/unit/tls/clock.h: a wall clock that a test can move. These functions take the place of
 * libc's for our code and for GnuTLS alike. */
#pragma once

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long clock_shift;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (rc == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += clock_shift;
    return rc;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
