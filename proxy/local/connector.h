/* proxy/local/connector.h: connects a socket to a configured endpoint within one time limit: looks
 * its name up if it has one, then tries its addresses, the families by turns, the next one 250 ms
 * after the last or when that fails (RFC 8305 sections 4 and 5). The first to connect wins; the
 * others are closed: where a handshake was over in the same turn, its target sees a connection that
 * ends at once. Never blocks. Embedded in its user. */
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/resolver.h"

struct connector_names;

/* One address. */
struct connector_try {
    struct connector *connector;
    const struct address *address;
    struct loop_fd socket; /* fd -1: not begun, or failed */
    int error;             /* errno; 0: none yet */
};

struct connector {
    /* The end, once: ERR_OK with a connected socket in fd (it passes to the callee), or why not:
     * the class as a code, which the peer may learn, and the system's own words with names and
     * addresses for the log, which last for this call. */
    void (*on_done)(struct connector *self, enum err result, int fd, const char *why);

    const struct endpoint *endpoint; /* private from here on */
    struct loop *loop;
    struct resolver *resolver;
    struct mailbox *mailbox;
    struct connector_names *names; /* NULL: the endpoint needs no look-up */
    struct connector_try only;     /* then */
    struct connector_try *tries;
    int count, begun;
    struct loop_timer limit, next;
    struct loop_task task;
};

/* Begins; on_done follows, never inside this call. self->on_done must be set. endpoint must stay.
 * resolver and mailbox (of loop) are used for names only. Thread: the loop's. */
void connector_start(struct connector *self, struct loop *loop, const struct endpoint *endpoint,
                     uint64_t timeout_us, struct resolver *resolver, struct mailbox *mailbox);
/* Gives up, from any state; on_done will not be called. */
void connector_cancel(struct connector *self);

#define CONNECTOR_WHY_MAX 640

/* Private, in connector_why.c: the reason why a target could not be connected. Returns a code for
 * the peer; why gets words for the log of this end: the endpoint as configured, and the error of
 * each address. The most telling error counts: an answer before silence, silence before a missing
 * route, of equals the last. look_up: NULL, or the one that gave no address; its why is empty while
 * it has no answer. An address without an error has not answered. */
enum err connector_why(const struct connector *connector, const struct resolver_answer *look_up,
                       char *why, size_t size);
