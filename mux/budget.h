/* mux/budget.h: limits the memory of data that waits: of the process, and within it of one peer.
 * Credit that was granted cannot be taken back, so the grants are counted: the bytes that senders
 * may still send, and those that their readers have not taken yet. So the sum is a bound, whatever
 * peers do.
 *
 * Windows that have grown may not use all of it; else nothing would be left for new ones. Thread:
 * any. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mux_budget {
    _Atomic uint64_t used; /* bytes */
    uint64_t limit;
    struct mux_budget *whole; /* that this one is a part of: bytes are taken from both; NULL:
                                 none. It outlives the part. */
};

/* The use of memory decides how much of the budget it may use up. */
enum mux_budget_use {
    BUDGET_AHEAD, /* a window ahead of need: half */
    BUDGET_MORE,  /* one that grows beyond what connections begin with: three quarters */
    BUDGET_NEED,  /* one that grows up to that: seven eighths */
    BUDGET_ALL,   /* memory that a connection needs: all */
};

/* False: nothing was taken. budget NULL, here and below: there is no limit. */
bool mux_budget_take(struct mux_budget *budget, uint64_t amount, enum mux_budget_use use);
/* For credit that the peer has already: always taken, also beyond the limit. */
void mux_budget_force(struct mux_budget *budget, uint64_t amount);
void mux_budget_give(struct mux_budget *budget, uint64_t amount);
/* True: amount could be taken. */
bool mux_budget_has(const struct mux_budget *budget, uint64_t amount, enum mux_budget_use use);
