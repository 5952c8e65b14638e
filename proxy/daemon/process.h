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

/* The admin socket; its folder may come late. */
struct process_admin {
    struct admin *socket; /* NULL: there is none yet */
    struct admin_handler handler;
    struct loop_timer timer; /* until there is one */
};

/* The orderly end. */
struct process_end {
    bool draining;
    unsigned signals_seen;
    struct loop_timer timer;
    uint64_t deadline_us;
    bool closing, abandoned;
    bool quiet; /* no connection was open at the last check */
};

struct process {
    const struct config *config;
    struct resolver *resolver;
    struct tunnel_shared shared; /* by the tunnels: workers, budget, sessions */
    struct tunnel **tunnels;
    size_t tunnel_count;
    struct mux_budget budget;
    struct sessions sessions;
    uint64_t started_us; /* monotonic */
    struct loop *loop;   /* of the main thread, which carries nothing */
    struct loop_fd signals;
    struct reload *reload; /* NULL: the workers do not run yet, or no more */
    struct process_admin admin;
    struct process_end end;
    char why[512], told[512]; /* told: in the log already */
};

/* Runs until SIGTERM or SIGINT, drains, and ends; a second signal ends at once.
 * Returns the exit code: 0, or 1 after a line in the log. Thread: main. */
int process_run(const struct config *config);
