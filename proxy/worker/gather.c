/* Collects what one sendmsg will give a socket. */
#include "proxy/worker/gather.h"

#include <string.h>

/* Small ones that follow each other become one part. */
static void add_part(struct gather *gather, const uint8_t *data, size_t length)
{
    struct iovec *last = gather->count ? &gather->parts[gather->count - 1] : NULL;
    uint8_t *small = gather->small + gather->small_bytes;
    if (length < GATHER_SMALL) {
        memcpy(small, data, length);
        gather->small_bytes += length;
        data = small;
        if (last && (uint8_t *)last->iov_base + last->iov_len == small) {
            last->iov_len += length;
            return;
        }
    }
    gather->parts[gather->count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = length};
}

bool gather_add(struct gather *gather, struct connection *connection, const uint8_t *data,
                size_t length)
{
    if (gather->connection != connection) {
        gather->connection = connection;
        gather->count = 0;
        gather->small_bytes = 0;
    }
    add_part(gather, data, length);
    return gather->count < GATHER_MAX && gather->small_bytes + GATHER_SMALL <= GATHER_SMALL_BYTES;
}
