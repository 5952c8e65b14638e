/* transport/udp/paths.h: chooses the path in use of an association, and the times of the probes
 * (docs/decisions/010-udp-paths.md). Pure: the clock is passed in, probes are sent by others.
 *
 *   UNCONFIRMED --answer--> ACTIVE --time-outs--> FAILING --more--> INACTIVE --answer--> ACTIVE
 *
 * An answer to a probe that was sent on the same path is the only proof that it works in both
 * directions. Probes are repeated quickly while one is open, and a time-out is three of them
 * without an answer: about 100 ms where the round trip is short.
 *
 * The side that began the association chooses by order and health; the other follows the path on
 * which the peer's packets come, unless that fails. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "transport/transport.h"
#include "transport/udp/open_probes.h"

/* Interval of probes of the path in use while data moves, and of those that are not answered. A
 * fifth of SCTP's shortest time-out, so that it resends by the new path what the old one lost. */
#define UDP_PATHS_FAST_US 40000
/* After the last data packet probes stay so dense. */
#define UDP_PATHS_BUSY_US 500000
/* A better path is gone back to after so long without a time-out. */
#define UDP_PATHS_BACK_US (3 * 1000 * 1000)
/* Another path is followed when the one in use was silent for so long: less is reordering, or
 * somebody who repeats the peer's packets from elsewhere. */
#define UDP_PATHS_QUIET_US 50000

struct udp_paths_options {
    bool chooses; /* we began the association; else it follows */
    uint64_t heartbeat_us;
    uint64_t idle_most_us;                  /* most that udp_paths_set_idle may ask for */
    uint64_t fast_us;                       /* instead of UDP_PATHS_FAST_US; 0: that */
    uint32_t failing_after, inactive_after; /* time-outs that are borne: 0 and up */
};

struct udp_path_health {
    bool present, confirmed;
    enum path_state state;
    uint32_t rtt_us, rtt_deviation_us; /* 0: not measured */
    uint32_t timeouts;                 /* in a row */

    /* private; times are 0 for never */
    struct udp_open_probes open;
    uint64_t added_us;
    uint64_t probed_us;   /* latest probe */
    uint64_t answered_us; /* latest answer */
    uint64_t waiting_us;  /* oldest probe since the latest reply or time-out */
    uint64_t failing_us;  /* the first of those that brought the time-outs */
    uint64_t good_us;     /* answers and no time-out since */
    uint64_t heard_us;    /* latest packet that was no probe */
    uint64_t banned_us;   /* not followed before: see udp/paths.c, left_too_early */
    uint32_t probes_sent; /* since the latest reply */
    uint32_t allowance;   /* probes that an unconfirmed path of the peer's may get */
};

struct udp_paths {
    struct udp_paths_options options;
    struct udp_path_health paths[TRANSPORT_ADDRESSES_MAX];
    unsigned count;  /* present ones */
    unsigned in_use; /* number of a path */
    bool known;      /* the next is known: */
    bool ours;       /* it answers as one of ours; else there is one path, and heartbeats */
    uint8_t changed; /* bit set: for the caller to tell and to clear */

    /* private */
    uint64_t idle_us, busy_until_us, due_us;
    unsigned left; /* path that was left for in_use at left_us */
    uint64_t left_us, learned_us;
};

/* No path yet. inactive_after 0: the default, 4. Owns: caller, udp_paths_fini. */
void udp_paths_init(struct udp_paths *self, const struct udp_paths_options *options);
void udp_paths_fini(struct udp_paths *self);

/* Adds a path; the first one is in use. confirmed: the peer has answered there already. Returns
 * its number, the place in paths. When there are too many the oldest unconfirmed one, else the
 * one heard least recently makes room; -1 when new ones come too fast, or all work and the new one
 * is not confirmed. Paths that are added first are preferred. */
int udp_paths_add(struct udp_paths *self, uint64_t now_us, bool confirmed);
/* Not the one in use. */
void udp_paths_remove(struct udp_paths *self, unsigned path);
/* By the start of the association: this one is in use, and confirmed. */
void udp_paths_use(struct udp_paths *self, unsigned path, uint64_t now_us);

/* Data goes out or comes in. True when the probes become denser by it: ask for the next time. */
bool udp_paths_busy(struct udp_paths *self, uint64_t now_us);

/* A packet with the right tag came on a path. chosen: it is no probe, or one that says
 * PROBE_IN_USE, so the peer uses that path. */
void udp_paths_heard(struct udp_paths *self, unsigned path, bool chosen, uint64_t now_us);

/* Time passes: time-outs, failover. The next path to be probed now, -1: none. Then call
 * udp_paths_probed and ask again. */
int udp_paths_tick(struct udp_paths *self, uint64_t now_us);
/* When to tick next; UINT64_MAX: not before something happens. */
uint64_t udp_paths_next(struct udp_paths *self, uint64_t now_us);

/* A probe with this nonce leaves. */
void udp_paths_probed(struct udp_paths *self, unsigned path, const uint8_t nonce[PROBE_NONCE],
                      uint64_t now_us);
/* An answer came on a path; by_ours as the answer says. False: it is to no open probe. */
bool udp_paths_answered(struct udp_paths *self, unsigned path, const uint8_t nonce[PROBE_NONCE],
                        bool by_ours, uint64_t now_us);

/* A confirmed path turned out to lead to somebody else (who said ABORT). */
void udp_paths_refused(struct udp_paths *self, unsigned path, uint64_t now_us);
/* The system reports trouble with a path: it is probed at once, and so are the others. */
void udp_paths_suspect(struct udp_paths *self, unsigned path, uint64_t now_us);

/* True: it is not healthy, or its answer takes longer than usual. */
bool udp_paths_doubtful(const struct udp_path_health *path, uint64_t now_us);

/* Healthy paths are asked only so often while nothing moves, if that is longer than a heartbeat:
 * one end has many associations. */
static inline void udp_paths_set_idle(struct udp_paths *self, uint64_t idle_us)
{
    uint64_t most = self->options.idle_most_us, least = self->options.heartbeat_us;
    idle_us = idle_us < most ? idle_us : most;
    self->idle_us = idle_us > least ? idle_us : least;
}

static inline bool udp_paths_healthy(const struct udp_path_health *path)
{
    return path->present && path->confirmed && path->state == PATH_ACTIVE;
}
