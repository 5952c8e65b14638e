/* Reads more of a socket than the next record takes, within a limit of all. */
#include "proxy/local/readahead.h"

#include <stdatomic.h>
#include <string.h>

#include "proxy/local/connection.h"
#include "proxy/worker/worker.h"

/* Read beyond a record in a bulk transfer: 15 more full DATA frames, as many as one stream may send
 * in its turn; three where all connections together hold READAHEAD_ALL already, and none beyond
 * READAHEAD_MOST: what waits may do so in its socket. */
#define READAHEAD      (15 * 16380)
#define READAHEAD_LESS (3 * 16380)
#define READAHEAD_ALL  (4 << 20)
#define READAHEAD_MOST (8 << 20)

static _Atomic size_t readahead_bytes;

/* A large one is fresh from malloc's pages, which costs more than what 64 KB of a connection are
 * worth in it: each worker keeps one, and its lines stay in the cache. NULL: no more is read ahead.
 */
struct message *readahead_new(struct worker *worker)
{
    worker_assert(worker);
    size_t all = atomic_load_explicit(&readahead_bytes, memory_order_relaxed);
    if (all >= READAHEAD_MOST)
        return NULL;
    if (all >= READAHEAD_ALL)
        return message_new(READAHEAD_LESS);
    struct message *ahead = worker->readahead;
    worker->readahead = NULL;
    return ahead ? ahead : message_new(READAHEAD);
}

void readahead_free(struct worker *worker, struct message *ahead)
{
    if (!worker || worker->readahead || ahead->capacity < READAHEAD) {
        message_free(ahead);
        return;
    }
    ahead->offset = ahead->length = 0;
    worker->readahead = ahead;
}

void readahead_keep(struct connection *c, struct message *ahead)
{
    atomic_fetch_add_explicit(&readahead_bytes, ahead->capacity, memory_order_relaxed);
    c->readahead = ahead;
}

void readahead_drop(struct connection *c)
{
    struct message *ahead = c->readahead;
    c->readahead = NULL;
    if (!ahead)
        return;
    atomic_fetch_sub_explicit(&readahead_bytes, ahead->capacity, memory_order_relaxed);
    readahead_free(c->worker, ahead);
}

size_t readahead_take(struct connection *c, uint8_t *to, size_t room)
{
    struct message *ahead = c->readahead;
    if (!ahead)
        return 0;
    size_t length = ahead->length - ahead->offset;
    if (length > room)
        length = room;
    memcpy(to, ahead->data + ahead->offset, length);
    ahead->offset += (uint32_t)length;
    if (ahead->offset == ahead->length)
        readahead_drop(c);
    return length;
}
