/* proxy/worker/turn.h: a limit for the cost of streams in one turn of their worker's loop, beyond
 * the bytes that they carry, so that a peer with many small frames, leases or handshakes holds up
 * itself and no other.
 *
 * Cost is counted in bytes of bulk that take as long (100 ns are some 256). A *share* is one
 * association's part of one worker, a *taker* one stream of it. A taker that has used up its own
 * part, or its share's, goes on in the next turn: one share after the other, and in each share the
 * takers in the order in which they began to wait. Full records cost nothing here: credit bounds
 * them.
 * Thread: the worker's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/loop.h"

/* Of a stream, and of all streams of an association, in one turn: 0.1 and 0.4 ms. */
#define TURN_TAKER_MAX (256u << 10)
#define TURN_SHARE_MAX (1u << 20)
/* A step of a child's handshake takes 0.1 to 0.3 ms, and is charged with a part of it: failures are
 * counted anyway (rule E2), and 32 in a turn are enough for a peer that connects. */
#define TURN_HANDSHAKE (32u << 10)

struct turn_taker {
    void (*on_turn)(struct turn_taker *self); /* go on */
    TAILQ_ENTRY(turn_taker) others;
    bool waits;
    uint64_t turn; /* of done; loop_now */
    size_t done;
};

/* Zero-initialised it has no takers. */
struct turn_share {
    TAILQ_HEAD(turn_takers, turn_taker) takers; /* that wait */
    TAILQ_ENTRY(turn_share) others;             /* in turn, while one waits */
    bool queued;
    uint64_t turn;
    size_t done;
};

struct turn {
    struct loop *loop;
    struct loop_timer timer;
    TAILQ_HEAD(turn_shares, turn_share) shares; /* with takers that wait */
};

void turn_init(struct turn *turn, struct loop *loop);

/* True: the taker may do something in this turn. False: on_turn follows in a later one. */
bool turn_may_begin(struct turn *turn, struct turn_share *share, struct turn_taker *taker);
/* Charges the taker with cost. False: that is enough for this turn; on_turn follows. */
bool turn_spend(struct turn *turn, struct turn_share *share, struct turn_taker *taker, size_t cost);
/* The taker waits no longer. A no-op when it does not wait. */
void turn_leave(struct turn *turn, struct turn_share *share, struct turn_taker *taker);
