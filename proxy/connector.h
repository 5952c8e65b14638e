/* proxy/connector.h: connects a socket to a configured endpoint: looks its name up if it has one,
 * tries each address in turn, within one time limit. Never blocks. Embedded in its user. */
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/resolver.h"

struct connector {
    /* The end, once: ERR_OK with a connected socket in fd (it passes to the callee), or why not. */
    void (*on_done)(struct connector *self, enum err result, int fd);

    const struct endpoint *endpoint; /* private from here on */
    struct loop *loop;
    struct resolver *resolver;
    struct resolver_query *query; /* NULL: no look-up under way */
    struct address addresses[RESOLVER_MAX_ADDRESSES];
    int count, next;
    struct loop_fd socket;
    struct loop_timer timer;
    struct loop_task task;
    enum err failure;
};

/* Begins; on_done follows, never inside this call. self->on_done must be set. endpoint must stay.
 * resolver and mailbox (of loop) are used for names only. Thread: the loop's. */
void connector_start(struct connector *self, struct loop *loop, const struct endpoint *endpoint,
                     uint64_t timeout_us, struct resolver *resolver, struct mailbox *mailbox);
/* Gives up, from any state; on_done will not be called. */
void connector_cancel(struct connector *self);
