/* mux/budget.h: how much memory may be taken by what waits: of the process, and within it of one
 * peer. Credit that was granted cannot be taken back, so it is the grants that are counted: what
 * senders may still send and what their readers have not taken yet. So the sum is a bound, whatever
 * peers do.
 *
 * Not everybody may use all of it: else windows that have grown would leave nothing to those that
 * come next. Thread: any. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mux_budget {
    _Atomic uint64_t used; /* bytes */
    uint64_t limit;
    struct mux_budget *whole; /* that this one is a part of: what is taken here is taken there as
                                 well; NULL: none. It outlives the part. */
};

/* How far it may be used up, by what the memory is for. */
enum mux_budget_use {
    BUDGET_AHEAD, /* a window that nobody has asked for: half */
    BUDGET_MORE,  /* one that grows beyond what connections begin with: three quarters */
    BUDGET_NEED,  /* one that grows up to that: seven eighths */
    BUDGET_ALL,   /* what a connection cannot be without */
};

/* False: nothing was taken. budget NULL, here and below: there is no limit. */
bool mux_budget_take(struct mux_budget *budget, uint64_t amount, enum mux_budget_use use);
/* What the peer has the right to already: always, also beyond the limit. */
void mux_budget_force(struct mux_budget *budget, uint64_t amount);
void mux_budget_give(struct mux_budget *budget, uint64_t amount);
/* Whether amount could be taken. */
bool mux_budget_has(const struct mux_budget *budget, uint64_t amount, enum mux_budget_use use);
