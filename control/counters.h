/* control/counters.h: the counters of one tunnel (counters.def). Relaxed atomics: any worker
 * counts, anybody reads, nobody waits. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct counters {
#define COUNTER_ROW(name, kind, help) _Atomic uint64_t name;
#include "control/counters.def"
#undef COUNTER_ROW
};

#define counter_add(counter, amount)                                                               \
    ((void)atomic_fetch_add_explicit((counter), (amount), memory_order_relaxed))
#define counter_sub(counter, amount)                                                               \
    ((void)atomic_fetch_sub_explicit((counter), (amount), memory_order_relaxed))
#define counter_get(counter) (atomic_load_explicit((counter), memory_order_relaxed))
