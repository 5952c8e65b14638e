/* Collects what one sendmsg will give a socket. */
#include "proxy/worker/gathered.h"

#include <string.h>

/* Small ones that follow each other become one part. */
static void add_part(struct gathered *gathered, const uint8_t *data, size_t length)
{
    struct iovec *last = gathered->count ? &gathered->parts[gathered->count - 1] : NULL;
    uint8_t *crumb = gathered->crumb + gathered->crumbs;
    if (length < GATHERED_CRUMB) {
        memcpy(crumb, data, length);
        gathered->crumbs += length;
        data = crumb;
        if (last && (uint8_t *)last->iov_base + last->iov_len == crumb) {
            last->iov_len += length;
            return;
        }
    }
    gathered->parts[gathered->count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = length};
}

bool gathered_add(struct gathered *gathered, struct connection *connection, const uint8_t *data,
                  size_t length)
{
    if (gathered->connection != connection) {
        gathered->connection = connection;
        gathered->count = 0;
        gathered->crumbs = 0;
    }
    add_part(gathered, data, length);
    return gathered->count < GATHERED_MAX && gathered->crumbs + GATHERED_CRUMB <= GATHERED_CRUMBS;
}
