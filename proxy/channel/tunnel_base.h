/* proxy/channel/tunnel_base.h: a tunnel as its links and channels know it. The tunnel fills it
 * before it begins; from then on it is constant, or atomic. Thread: any. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "config/config.h"
#include "control/counters.h"
#include "mux/budget.h"

struct service;
struct worker;

struct tunnel_base {
    const struct config_tunnel *config;
    struct counters *counters;
    struct worker *home, *workers; /* its own, and all of the process */
    unsigned worker_count;
    struct mux_budget *budget; /* of the process */
    uint32_t promised;         /* of it, for a connection of ours that gets a stream */
    atomic_bool draining;      /* no new connections */
    atomic_bool told_records;  /* the log knows that GnuTLS keeps records that should be ours */
    struct log_minute memory_told;
    /* The service that connects under this name, NULL: none. */
    struct service *(*find_target)(struct tunnel_base *self, const char *name);
};
