/* transport/association.h: states and end of an association, the same for all transports. Users
 * need only transport.h.
 *
 *   CONNECTING -> UP -> SHUTTING -> ENDED
 *
 * An association that has ended has given back all but itself; on_down follows in a task of the
 * loop, which frees it. The struct that holds it begins with it and is one allocation. */
#pragma once

#include "base/check.h"
#include "base/log_limit.h"
#include "transport/transport.h"

/* Of the transport's associations from now on; CONNECTING. */
void association_init(struct association *self, struct transport *transport);

/* It is up, or on its way down by the user's wish. */
static inline bool association_is_up(const struct association *self)
{
    return self->state == ASSOCIATION_UP || self->state == ASSOCIATION_SHUTTING;
}

/* An association_close changes something. */
static inline bool association_may_close(const struct association *self, enum association_close how)
{
    return self->state != ASSOCIATION_ENDED &&
           (self->state != ASSOCIATION_SHUTTING || how != ASSOCIATION_SHUTDOWN);
}

/* ENDED. The reason is ERR_LOCAL_SHUTDOWN where the user has asked for the end; detail is copied.
 * The caller has looked that it has not ended before. */
void association_end(struct association *self, enum err reason, const char *detail);

/* To the log, as the limit allows: why there is no association with a peer of which no user has
 * heard. */
void association_tell_unheard(const struct address *peer, enum err reason, const char *detail,
                              struct log_limit *limit, uint64_t now_us);

/* Aborts all that there are, and their on_down runs inside: the transport ends. */
void association_end_all(struct transport *transport);
