/* tests/tools/preload/slow_clock.c: with LD_PRELOAD: the wall clock is CLOCK_BEHIND seconds behind
 * until the file CLOCK_SET is there, as on a machine without a clock of its own until NTP. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long behind(void)
{
    const char *seconds = getenv("CLOCK_BEHIND"), *set = getenv("CLOCK_SET");
    return seconds && set && access(set, F_OK) ? atol(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        now->tv_sec -= behind();
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
