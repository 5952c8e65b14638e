/* proxy/tunnel/race.h: one attempt of a client: all its transports begin an association, one soon
 * after the other, and the first that is up stays (RFC 8305, Happy Eyeballs).
 * Thread: the home worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "proxy/tunnel/names.h"
#include "proxy/tunnel/transports.h"

struct link;
struct link_owner;
struct outage;

/* An association that is tried, or will be. */
struct racer {
    const struct transport_ops *ops;
    size_t first, count; /* of the remotes */
    struct link *link;   /* NULL: not under way */
    uint64_t next_us;    /* when it begins, or begins again */
    bool begun;
};

struct race {
    /* All have failed. Also inside race_begin and race_lost. */
    void (*on_lost)(struct race *self);

    struct link_owner *owner; /* private from here on */
    struct transports *transports;
    struct outage *outage;
    const struct remotes *remotes;
    struct racer racers[TRANSPORTS_MAX + TRANSPORT_ADDRESSES_MAX];
    size_t count; /* 0: there is none */
    uint64_t until_us;
    struct loop_timer timer;
    bool is_split;
    size_t preferred;        /* the transport to begin with: the last one that worked */
    char why_not_first[320]; /* the first transport: its name and why it failed */
};

/* on_lost must be set; what it is given outlives it. */
void race_init(struct race *self, struct link_owner *owner, struct transports *transports,
               struct outage *outage, const struct remotes *remotes);
/* Between the remotes, of which there is one at least; on_lost or race_won follows. */
void race_begin(struct race *self);
/* The remotes have changed. A no-op when none is under way. */
void race_again(struct race *self);
/* This one is up: the others are ended. */
void race_won(struct race *self, const struct link *link);
/* It is ready, too: its transport is the first to be tried from now on. */
void race_settle(struct race *self, const struct link *link);
/* This one is gone. */
void race_lost(struct race *self, const struct link *link);
void race_stop(struct race *self);
