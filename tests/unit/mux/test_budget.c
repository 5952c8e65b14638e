/* The memory budget: shares, and the part of one identity. */
#include "mux/budget.h"

#include <stddef.h>

#include "tests/lib/tap.h"

static uint64_t used(const struct mux_budget *budget)
{
    return atomic_load(&budget->used);
}

static void test_shares(void)
{
    struct mux_budget budget = {.limit = 800};
    ok(mux_budget_take(&budget, 400, BUDGET_AHEAD) && !mux_budget_take(&budget, 1, BUDGET_AHEAD),
       "half of it for what nobody has asked for");
    ok(mux_budget_take(&budget, 200, BUDGET_MORE) && !mux_budget_take(&budget, 1, BUDGET_MORE),
       "three quarters with what grows far");
    ok(mux_budget_take(&budget, 100, BUDGET_NEED) && !mux_budget_take(&budget, 1, BUDGET_NEED),
       "seven eighths with what grows at first");
    ok(mux_budget_take(&budget, 100, BUDGET_ALL) && !mux_budget_take(&budget, 1, BUDGET_ALL),
       "all of it for what must be");
    ok(used(&budget) == 800 && mux_budget_has(&budget, 0, BUDGET_ALL), "then it is full");
    mux_budget_force(&budget, 1);
    ok(used(&budget) == 801 && !mux_budget_has(&budget, 0, BUDGET_ALL), "what is owed goes beyond");
    mux_budget_give(&budget, 801);
    ok(!used(&budget) && !mux_budget_take(&budget, UINT64_MAX, BUDGET_ALL), "no overflow");
}

static void test_part(void)
{
    struct mux_budget whole = {.limit = 1000};
    struct mux_budget one = {.limit = 600, .whole = &whole},
                      other = {.limit = 600, .whole = &whole};
    ok(mux_budget_take(&one, 600, BUDGET_ALL) && !mux_budget_take(&one, 1, BUDGET_ALL),
       "a part has its own limit");
    ok(!mux_budget_take(&other, 401, BUDGET_ALL) && !used(&other) && used(&whole) == 600,
       "and the whole's: nothing is taken of either");
    ok(mux_budget_take(&other, 400, BUDGET_ALL) && !mux_budget_has(&other, 1, BUDGET_ALL), "rest");
    mux_budget_force(&other, 10);
    ok(used(&other) == 410 && used(&whole) == 1010, "what is owed counts in both");
    mux_budget_give(&other, 410);
    mux_budget_give(&one, 600);
    ok(!used(&one) && !used(&other) && !used(&whole), "and goes back to both");
    ok(mux_budget_take(NULL, 1, BUDGET_AHEAD) && mux_budget_has(NULL, 1, BUDGET_AHEAD),
       "none: all");
}

int main(void)
{
    test_shares();
    test_part();
    return tap_done();
}
