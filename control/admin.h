/* control/admin.h: the admin socket: a UNIX socket (mode 0600) that answers one request line
 * with one JSON text. Bounded: 16 clients at once, 256 bytes a request, 5 s each. */
#pragma once

#include <stddef.h>

#include "base/loop.h"

struct admin;

struct admin_handler {
    /* The answer to a request ("status"), malloc'ed (the admin frees it); NULL: unknown request. */
    char *(*on_request)(struct admin_handler *self, const char *request);
};

/* Listens on path; a stale socket file (nobody listens) is replaced, a live one is an error.
 * NULL with a sentence in why. Owns: caller, admin_free. Thread: the loop's. */
struct admin *admin_new(struct loop *loop, const char *path, struct admin_handler *handler,
                        char *why, size_t why_size);
/* Closes and removes the socket file. NULL is fine. */
void admin_free(struct admin *admin);
