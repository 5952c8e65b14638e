/* Divides a turn of the loop among streams; one that has used up its part waits for the next. */
#include "proxy/worker/turn.h"

#include "base/check.h"

static void queue_share(struct turn *turn, struct turn_share *share)
{
    share->queued = true;
    TAILQ_INSERT_TAIL(&turn->shares, share, others);
    loop_timer_set(turn->loop, &turn->timer, loop_now(turn->loop) + 1); /* not in this turn */
}

static void drop_share(struct turn *turn, struct turn_share *share)
{
    share->queued = false;
    TAILQ_REMOVE(&turn->shares, share, others);
}

static void wait(struct turn *turn, struct turn_share *share, struct turn_taker *taker)
{
    if (taker->waits)
        return;
    taker->waits = true;
    if (TAILQ_EMPTY(&share->takers))
        TAILQ_INIT(&share->takers); /* it may be zero-initialised */
    TAILQ_INSERT_TAIL(&share->takers, taker, others);
    if (!share->queued)
        queue_share(turn, share);
}

static void drop_taker(struct turn_share *share, struct turn_taker *taker)
{
    taker->waits = false;
    TAILQ_REMOVE(&share->takers, taker, others);
}

/* In a new turn everything is there again. */
static void refresh(uint64_t now, uint64_t *turn, size_t *done)
{
    if (*turn != now)
        *done = 0;
    *turn = now;
}

static bool has_room(struct turn *turn, struct turn_share *share)
{
    refresh(loop_now(turn->loop), &share->turn, &share->done);
    return share->done < TURN_SHARE_MAX;
}

/* Each taker once, at most: one that waits again does so for the next turn. */
static void run_share(struct turn *turn, struct turn_share *share)
{
    const struct turn_taker *end = TAILQ_LAST(&share->takers, turn_takers);
    struct turn_taker *taker;
    for (bool more = true;
         more && (taker = TAILQ_FIRST(&share->takers)) && has_room(turn, share);) {
        drop_taker(share, taker);
        more = taker != end;
        taker->on_turn(taker);
    }
    if (!TAILQ_EMPTY(&share->takers) && !share->queued)
        queue_share(turn, share);
}

static void on_turn(struct loop_timer *timer)
{
    struct turn *turn = container_of(timer, struct turn, timer);
    const struct turn_share *end = TAILQ_LAST(&turn->shares, turn_shares);
    struct turn_share *share;
    for (bool more = true; more && (share = TAILQ_FIRST(&turn->shares));) {
        drop_share(turn, share);
        more = share != end;
        run_share(turn, share);
    }
}

void turn_init(struct turn *turn, struct loop *loop)
{
    *turn = (struct turn){.loop = loop, .timer.on_expire = on_turn};
    TAILQ_INIT(&turn->shares);
}

bool turn_may_begin(struct turn *turn, struct turn_share *share, struct turn_taker *taker)
{
    if (!taker->waits && has_room(turn, share))
        return true;
    wait(turn, share, taker);
    return false;
}

bool turn_spend(struct turn *turn, struct turn_share *share, struct turn_taker *taker, size_t cost)
{
    if (!cost)
        return true;
    refresh(loop_now(turn->loop), &taker->turn, &taker->done);
    bool room = has_room(turn, share);
    taker->done += cost;
    share->done += cost;
    if (room && share->done < TURN_SHARE_MAX && taker->done < TURN_TAKER_MAX)
        return true;
    wait(turn, share, taker);
    return false;
}

void turn_leave(struct turn *turn, struct turn_share *share, struct turn_taker *taker)
{
    if (!taker->waits)
        return;
    drop_taker(share, taker);
    if (TAILQ_EMPTY(&share->takers) && share->queued)
        drop_share(turn, share);
    if (TAILQ_EMPTY(&turn->shares))
        loop_timer_cancel(turn->loop, &turn->timer);
}
