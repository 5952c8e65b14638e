/* proxy/local/listener.h: a listening TCP or UNIX socket of a service. When the process is out of
 * descriptors it rests for a while instead of spinning; the backlog of the kernel waits.
 * Thread: the home worker. */
#pragma once

#include <stddef.h>

#include "base/address.h"
#include "base/log_limit.h"
#include "base/loop.h"

struct connection;
struct service;
struct worker;

struct listener {
    /* Set before listener_open. A client has come. Owns: the callee has the connection, which
     * holds what its service promises (connection_hold). */
    void (*on_connection)(struct listener *self, struct connection *connection);

    struct service *service; /* private from here on, but for the address */
    struct worker *worker;
    struct loop_fd socket;
    struct loop_timer rest;
    struct address address; /* with the port taken */
    unsigned rests;         /* in a row; one log line for each row */
};

/* Binds and listens. Returns 0, or -1 with a sentence in why. */
int listener_open(struct listener *listener, struct service *service, struct worker *worker,
                  char *why, size_t why_size);
/* Closes; removes the file of a UNIX socket. A no-op when it is not open. */
void listener_close(struct listener *listener);
