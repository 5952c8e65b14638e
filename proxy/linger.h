/* proxy/linger.h: connections whose stream has ended well while their local socket has not yet
 * taken everything. They belong to their worker, which ends them when the rest is written.
 *
 * Credit no longer bounds these bytes (the stream is free for the next lease), so this file does:
 * beyond LINGER_MAX of a worker the peer's new connections are refused.
 * Thread: the worker's. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct connection;
struct worker;

#define LINGER_MAX (64u << 20)

/* Ends the connection when its backlog is written. Owns: the connection passes to the worker. */
void linger_add(struct connection *connection);

/* Whether the worker holds LINGER_MAX bytes or more of such connections. */
bool linger_is_full(const struct worker *worker);

/* Ends all of them. */
void linger_end_all(struct worker *worker, enum err why);
