/* base/newcomers.h: peers that have not proved their identity. One attacker can be any number of
 * them, so there is a limit for all, one for each source (an IPv4 address, a /64 of IPv6), and one
 * for the bytes that they make us keep. Thread: the owner's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"

/* Sources that share a place share an allowance. The seed keeps their places a secret. */
#define NEWCOMERS_SOURCES 4096

/* Embedded in the peer's struct. All zero: it is none. */
struct newcomer {
    TAILQ_ENTRY(newcomer) link;
    uint64_t since_us;
    size_t held; /* bytes that it makes us keep */
    uint16_t source;
    bool is_in;
};

struct newcomers {
    size_t most;             /* set by the owner: of all, */
    unsigned most_of_source; /* of one source, */
    size_t most_held;        /* and bytes, of all together */
    size_t count, held;

    /* private */
    TAILQ_HEAD(newcomers_list, newcomer) list; /* oldest first */
    uint64_t seed;
    uint16_t of_source[NEWCOMERS_SOURCES];
};

/* Limits set, all other bytes zero. */
void newcomers_init(struct newcomers *self);

/* The oldest of all; NULL: there is none. */
struct newcomer *newcomers_oldest(const struct newcomers *self);
/* The oldest of this source, if the source is at its limit; NULL: it is not. */
struct newcomer *newcomers_oldest_of(const struct newcomers *self, const struct address *source);

/* Adds one. The caller has checked the limits before. */
void newcomers_enter(struct newcomers *self, struct newcomer *one, const struct address *source,
                     uint64_t now_us);
/* One has proved its identity, or ends. A no-op when it is not there. */
void newcomers_leave(struct newcomers *self, struct newcomer *one);

/* True: one may make us keep more bytes; `least` in all are allowed in any case. */
bool newcomers_may_hold(const struct newcomers *self, const struct newcomer *one, size_t more,
                        size_t least);
/* One makes us keep this number of bytes now. A no-op when it is not there. */
void newcomers_hold(struct newcomers *self, struct newcomer *one, size_t bytes);
