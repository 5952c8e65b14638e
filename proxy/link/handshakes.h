/* proxy/link/handshakes.h: the handshakes of a tunnel, counted by their end, and a warning when
 * children are not resumed any more: that costs, and nothing else would show it. Thread: the
 * tunnel's home worker. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct link_owner;

#define HANDSHAKES_WINDOW 100
/* So many of the last HANDSHAKES_WINDOW children may be other than resumed. */
#define HANDSHAKES_FINE_WITHOUT 10
/* Between two warnings. */
#define HANDSHAKES_SILENCE_US 60000000

/* Zero-initialised. */
struct handshakes {
    bool was_resumed[HANDSHAKES_WINDOW]; /* of the last children, a ring */
    unsigned count, next, resumed;
    enum err last_failure; /* ERR_OK: full handshakes only */
    uint64_t warned_us;    /* 0: never */
};

/* A master or a child failed. */
void handshakes_failed(struct link_owner *owner, enum err why);
/* A child's handshake came to its end. why: ERR_OK, or why it failed. */
void handshakes_child(struct link_owner *owner, bool resumed, enum err why);
