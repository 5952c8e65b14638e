/* proxy/worker/gather.h: the bytes that one connection's socket gets in one call (gather output).
 * Thread: its worker's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct connection;

/* Parts lie where they were decrypted. */
#define GATHER_MAX 32
/* Frames of fewer bytes are copied together: a record of single bytes has 3276. */
#define GATHER_SMALL       512
#define GATHER_SMALL_BYTES 16384
struct gather {
    struct connection *connection; /* NULL: nobody's */
    struct iovec parts[GATHER_MAX];
    unsigned count;
    size_t small_bytes; /* that are used of small */
    uint8_t small[GATHER_SMALL_BYTES];
};

/* Adds a part. Parts of another connection are dropped first. False: there is no room for another
 * one. */
bool gather_add(struct gather *gather, struct connection *connection, const uint8_t *data,
                size_t length);
