#include "transport/round_trip.h"

#include "tests/lib/tap.h"

int main(void)
{
    struct round_trip marks = {0};
    struct round_trip_mark mark = {0};
    uint32_t tsn = UINT32_MAX - 20;
    unsigned marked = 0;
    uint64_t now_us = 5000000;
    ok(!round_trip_acknowledged(&marks, tsn, &mark), "nothing is marked");
    for (int i = 0; i < 1000; i++, now_us += 100) {
        if (!round_trip_wants(&marks, now_us, 100000))
            continue;
        round_trip_mark(&marks, tsn + (uint32_t)i, 1000, now_us);
        marked++;
    }
    ok(marked > 55 && marked <= ROUND_TRIP_MARKS, "%u in a round trip", marked);
    ok(round_trip_acknowledged(&marks, tsn, &mark) && mark.sent_us == 5000000, "the first");
    ok(!round_trip_acknowledged(&marks, tsn + 1, &mark), "one that was not marked");
    ok(round_trip_acknowledged(&marks, tsn + 990, &mark) && mark.sent_us > 5090000,
       "the last of many, beyond the end of numbers");
    ok(mark.window == 1000, "with the window at that time");
    for (int i = 0; i < 200; i++)
        round_trip_mark(&marks, 5000 + (uint32_t)i, 1000, now_us);
    ok(marks.count == ROUND_TRIP_MARKS, "a full ring takes no more");
    round_trip_forget(&marks);
    ok(!round_trip_acknowledged(&marks, 6000, &mark), "forgotten");
    return tap_done();
}
