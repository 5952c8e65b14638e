/* proxy/local/linger.h: connections whose lease is over while their local socket has not yet taken
 * everything. They belong to their worker, which ends them when the rest is written. A reset that
 * ends one goes behind its data: it waits until the local end's host has acknowledged them (closing
 * with RST would take them out of the socket again), for WORKER_RESET_TIMEOUT_US without progress.
 *
 * Credit no longer bounds these bytes (the stream is free for the next lease), so this file does:
 * beyond LINGER_MAX of a worker the peer's new connections are refused, and resets wait no longer.
 * Thread: the worker's. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct connection;
struct worker;

#define LINGER_MAX (64u << 20)

/* Ends the connection as connection_end does, when its local socket has taken what was delivered;
 * at once where nothing waits, or nothing can be taken. One that still connects goes on with it.
 * Owns: the connection passes to the worker. */
void linger_end(struct connection *connection, enum err why, const char *detail);

/* True: the worker holds LINGER_MAX bytes or more of such connections. */
bool linger_is_full(const struct worker *worker);

/* Ends all of them: those that ended well for this reason, the others for their own. */
void linger_end_all(struct worker *worker, enum err why);
