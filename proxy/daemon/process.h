/* proxy/daemon/process.h: the running program: workers, tunnels, admin socket; start, drain, stop.
 *
 * The tunnels live on their home workers; the main thread asks them to do things. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "control/admin.h"
#include "mux/credit.h"
#include "proxy/tunnel/sessions.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

struct reload;

struct process {
    const struct config *config;
    struct resolver *resolver;
    struct worker *workers;
    unsigned worker_count;
    struct tunnel **tunnels;
    size_t tunnel_count;
    struct mux_budget budget;
    struct sessions sessions;
    struct tunnel_shared shared; /* of these, by the tunnels */
    uint64_t started_us;         /* monotonic */
    bool draining;

    /* of the main thread, which carries nothing: signals, the admin socket, the orderly end */
    struct loop *loop;
    struct loop_fd signals;
    unsigned signals_seen;
    struct reload *reload; /* NULL: the workers do not run yet, or no more */
    struct admin *admin;
    struct admin_handler admin_handler;
    struct loop_timer admin_timer; /* until there is one */
    struct loop_timer check_timer;
    uint64_t drain_deadline_us;
    bool closing, abandoned;
    bool quiet;               /* no connection was open at the last check */
    char why[512], told[512]; /* told: in the log already */
};

/* Runs until SIGTERM or SIGINT, drains, and ends; a second signal ends at once.
 * Returns the exit code: 0, or 1 after a line in the log. Thread: main. */
int process_run(const struct config *config);
