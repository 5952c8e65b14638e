/* Memory of data that waits: taken, given back, limited by its use. */
#include "mux/budget.h"

static uint64_t limit_for(const struct mux_budget *budget, enum mux_budget_use use)
{
    switch (use) {
    case BUDGET_AHEAD:
        return budget->limit / 2;
    case BUDGET_MORE:
        return budget->limit - budget->limit / 4;
    case BUDGET_NEED:
        return budget->limit - budget->limit / 8;
    case BUDGET_ALL:
        break;
    }
    return budget->limit;
}

static uint64_t used(const struct mux_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

static bool fits(uint64_t taken, uint64_t amount, uint64_t limit)
{
    return amount <= limit && taken <= limit - amount;
}

static bool take_one(struct mux_budget *budget, uint64_t amount, enum mux_budget_use use)
{
    uint64_t limit = limit_for(budget, use), taken = used(budget);
    do {
        if (!fits(taken, amount, limit))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &taken, taken + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool mux_budget_take(struct mux_budget *budget, uint64_t amount, enum mux_budget_use use)
{
    if (!budget)
        return true;
    if (!take_one(budget, amount, use))
        return false;
    if (mux_budget_take(budget->whole, amount, use))
        return true;
    atomic_fetch_sub_explicit(&budget->used, amount, memory_order_relaxed);
    return false;
}

void mux_budget_force(struct mux_budget *budget, uint64_t amount)
{
    for (; budget; budget = budget->whole)
        atomic_fetch_add_explicit(&budget->used, amount, memory_order_relaxed);
}

void mux_budget_give(struct mux_budget *budget, uint64_t amount)
{
    for (; budget; budget = budget->whole)
        atomic_fetch_sub_explicit(&budget->used, amount, memory_order_relaxed);
}

bool mux_budget_has(const struct mux_budget *budget, uint64_t amount, enum mux_budget_use use)
{
    for (; budget; budget = budget->whole)
        if (!fits(used(budget), amount, limit_for(budget, use)))
            return false;
    return true;
}
