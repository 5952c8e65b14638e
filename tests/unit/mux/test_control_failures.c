/* CHILD_FAILED frames that wait: one for each stream. */
#include "mux/control_failures.h"

#include <stddef.h>

#include "tests/lib/tap.h"

int main(void)
{
    struct control_failures failures;
    uint8_t epoch;
    uint16_t code;
    control_failures_init(&failures, 65535);
    ok(!control_failures_pop(&failures, &epoch, &code) && !failures.of, "nothing, no memory");
    control_failures_push(&failures, 65535, 1, 10);
    control_failures_push(&failures, 1, 2, 20);
    control_failures_push(&failures, 65535, 3, 30);
    ok(control_failures_pop(&failures, &epoch, &code) == 65535 && epoch == 3 && code == 30,
       "the first stream, with its newest failure");
    control_failures_push(&failures, 65535, 4, 40);
    ok(control_failures_pop(&failures, &epoch, &code) == 1 && epoch == 2 && code == 20, "the next");
    ok(control_failures_pop(&failures, &epoch, &code) == 65535 && epoch == 4, "one that came back");
    ok(!control_failures_pop(&failures, &epoch, &code), "nothing");
    control_failures_push(&failures, 7, 5, 50);
    ok(control_failures_pop(&failures, &epoch, &code) == 7 && epoch == 5, "usable after that");
    control_failures_push(&failures, 8, 5, 50);
    control_failures_fini(&failures);
    ok(!failures.of, "given back");
    return tap_done();
}
