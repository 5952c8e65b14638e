/* proxy/local/service.h: a service of a tunnel, as far as its listener, its connections and its
 * streams know it. Its tunnel fills it in once; rules and the counts change. Thread: any. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "config/config.h"
#include "control/counters.h"
#include "mux/budget.h"

struct service {
    const struct config_service *config;
    /* For `allow`: config, or the one that a reload has read since. */
    _Atomic(const struct config_service *) rules;
    size_t index;                   /* in the tunnel */
    const char *tunnel_name;        /* for the log */
    struct counters *counters;      /* of the tunnel */
    struct mux_budget *budget;      /* of the process */
    uint32_t promised;              /* of it, for a connection of ours that gets a stream */
    struct log_minute *memory_told; /* of the tunnel: memory_limit is reached */
    _Atomic uint64_t open, total, refused;
};
