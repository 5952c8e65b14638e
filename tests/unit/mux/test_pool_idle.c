/* The set of idle streams beside a plain array. */
#include "mux/pool_idle.h"

#include "tests/lib/tap.h"

static void test_small(void)
{
    struct pool_idle idle;
    pool_idle_init(&idle, 3);
    ok(!pool_idle_lowest(&idle) && !pool_idle_highest(&idle), "empty");
    ok(pool_idle_add(&idle, 3) && !pool_idle_add(&idle, 3) && idle.count == 1, "once");
    ok(pool_idle_lowest(&idle) == 3 && pool_idle_highest(&idle) == 3, "the only one is both");
    ok(pool_idle_remove(&idle, 3) && !pool_idle_remove(&idle, 3) && !idle.count, "and gone");
    pool_idle_fini(&idle);
}

/* Against a plain array, over all ids. */
static void test_against_array(void)
{
    static bool there[65536];
    struct pool_idle idle;
    pool_idle_init(&idle, 65535);
    unsigned random = 1, wrong = 0;
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245 + 12345;
        uint16_t id = (uint16_t)(random >> 8);
        if (i % 4 == 0) /* many at the edges of words */
            id = (uint16_t)(id / 64 * 64 + i % 2 * 63);
        if (!id)
            continue;
        wrong += there[id] ? !pool_idle_remove(&idle, id) : !pool_idle_add(&idle, id);
        there[id] = !there[id];
        if (i % 1000)
            continue;
        uint16_t low = 0, high = 0;
        for (unsigned n = 65535; n > 0; n--) {
            low = there[n] ? (uint16_t)n : low;
            high = !high && there[n] ? (uint16_t)n : high;
        }
        wrong += pool_idle_lowest(&idle) != low || pool_idle_highest(&idle) != high;
    }
    ok(!wrong && idle.count > 1000, "the same as an array of 65536, %u ids left", idle.count);
    unsigned last = 0, count = idle.count;
    for (uint16_t id; (id = pool_idle_lowest(&idle)); last = id, count--)
        wrong += id <= last || !there[id] || !pool_idle_remove(&idle, id);
    ok(!wrong && !count, "taken from the lowest to the highest");
    pool_idle_fini(&idle);
}

int main(void)
{
    test_small();
    test_against_array();
    return tap_done();
}
