/* proxy/process.h: the running program: workers, tunnels, admin socket; start, drain, stop. */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "control/admin.h"
#include "mux/credit.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

struct process {
    const struct config *config;
    struct resolver *resolver;
    struct worker *workers;
    unsigned worker_count;
    struct tunnel **tunnels;
    size_t tunnel_count;
    struct mux_budget budget;
    uint64_t started_us; /* monotonic */
    bool draining;

    /* on the first worker, the home of all tunnels */
    struct admin *admin;
    struct admin_handler admin_handler;
    struct mail start_mail, drain_mail, abandon_mail;
    struct loop_timer check_timer;
    uint64_t drain_deadline_us;
    bool closing, abandoned;
    bool quiet;   /* no connection was open at the last check */
    bool stopped; /* the workers are told to end */
    int start_result;
    char why[512];
    sem_t started;
    atomic_bool workers_ended;
};

/* Runs until SIGTERM or SIGINT, drains, and ends; a second signal ends at once.
 * Returns the exit code: 0, or 1 after a line in the log. Thread: main. */
int process_run(const struct config *config);
