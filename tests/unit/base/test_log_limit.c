/* Limits of log lines: a number in a minute, and the count of the rest. */
#include "base/log_limit.h"

#include "tests/lib/tap.h"

static void test_minute(void)
{
    struct log_minute minute = {0};
    uint64_t left_out = 99;
    ok(log_minute_allows(&minute, 5, &left_out) && !left_out, "the first line, at once");
    for (unsigned i = 0; i < 7; i++)
        if (log_minute_allows(&minute, 6 + i, &left_out))
            left_out = 99;
    ok(!left_out && !log_minute_allows(&minute, 60000004, &left_out), "no more in this minute");
    ok(log_minute_allows(&minute, 60000005, &left_out) && left_out == 8,
       "the next one tells how many were left out");
}

int main(void)
{
    test_minute();
    struct log_limit limit = {.per_minute = 3};
    uint64_t left_out = 99;
    unsigned written = 0;
    for (unsigned i = 0; i < 10; i++)
        written += log_limit_allows(&limit, 1000000 + i, &left_out);
    ok(written == 3, "three lines in a minute");
    ok(!log_limit_allows(&limit, 60999999, &left_out), "no more before the minute is over");
    ok(log_limit_allows(&limit, 61000000, &left_out) && left_out == 8,
       "then one again, with the number of those that were left out");
    ok(log_limit_allows(&limit, 61000001, &left_out) && left_out == 0, "which is told once");
    ok(log_limit_allows(&limit, 61000002, &left_out) &&
           !log_limit_allows(&limit, 61000003, &left_out),
       "and the next minute has three, too");
    return tap_done();
}
