/* proxy/tunnel/waiting.h: connections that wait: parked while no association is up, or queued in
 * the pool of one. Both together wait no longer than waiting.timeout, and their sockets are watched
 * meanwhile: a client that has gone gives its place up. Thread: the home worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/loop.h"

struct connection;
struct link_owner;

struct waiting {
    TAILQ_HEAD(waiting_parked, connection) parked; /* those that wait longest first */
    size_t count;                                  /* of them */
    struct link_owner *owner;                      /* private from here on */
    const char *why_down; /* for the log: why no association is up; may be "" */
    struct loop_timer timer;
};

void waiting_init(struct waiting *self, struct link_owner *owner, const char *why_down);

/* Owns: passes to it; the connection ends when it may not wait. */
void waiting_park(struct waiting *self, struct connection *connection);
/* The one that has waited longest; NULL: none is left. Owns: passes to the caller. */
struct connection *waiting_unpark(struct waiting *self);
/* Gives links those that they may take. */
void waiting_release(struct waiting *self);

/* Of connections in a link's pool: watched while they wait, from the first time on. */
void waiting_begin(struct waiting *self, struct connection *connection);
void waiting_end(struct connection *connection);
