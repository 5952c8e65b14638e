/* proxy/worker/gathered.h: what one connection's socket gets in one call.
 * Thread: its worker's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct connection;

/* Parts lie where they were decrypted. */
#define GATHERED_MAX 32
/* Frames of fewer bytes are copied together: a record of single bytes has 3276. */
#define GATHERED_CRUMB  512
#define GATHERED_CRUMBS 16384
struct gathered {
    struct connection *connection; /* NULL: nobody's */
    struct iovec parts[GATHERED_MAX];
    unsigned count;
    size_t crumbs; /* bytes of crumb that are used */
    uint8_t crumb[GATHERED_CRUMBS];
};

/* One more part, of the connection whose parts the others are; else it is the first one. False:
 * that was the last that there is room for. */
bool gathered_add(struct gathered *gathered, struct connection *connection, const uint8_t *data,
                  size_t length);
