#include "base/log_limit.h"

#include "tests/lib/tap.h"

int main(void)
{
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
