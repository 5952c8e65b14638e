/* proxy/tunnel/attempt.h: a client's endless attempt to have an association: names are looked up,
 * all transports and addresses are tried, with a pause that grows while that fails. Thread: the
 * home worker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "proxy/tunnel/names.h"
#include "proxy/tunnel/outage.h"
#include "proxy/tunnel/race.h"

enum attempt_state {
    ATTEMPT_DOWN, /* not begun, or the association has just ended */
    ATTEMPT_WAITING,
    ATTEMPT_RESOLVING,
    ATTEMPT_CONNECTING,
    ATTEMPT_UP
};

struct attempt {
    enum attempt_state state;
    struct outage outage;
    struct link_owner *owner; /* private from here on */
    struct names names;
    struct race race;
    struct loop_timer reconnect;
    uint64_t backoff_us; /* the next pause */
    uint64_t begun_us;   /* the present attempt */
};

/* owner and transports outlive it. */
void attempt_init(struct attempt *self, struct link_owner *owner, struct transports *transports);
void attempt_begin(struct attempt *self);
/* No further one; an association that is up goes on. */
void attempt_stop(struct attempt *self);
/* No look-up is under way, and no pause. An association that is coming up does not count. */
bool attempt_is_over(const struct attempt *self);

/* This association is up: the others are ended. */
void attempt_won(struct attempt *self, const struct link *link);
/* It is ready for connections. */
void attempt_succeeded(struct attempt *self, const struct link *link);
/* It is gone; again: another attempt follows, now or later. */
void attempt_lost(struct attempt *self, const struct link *link, bool again);
