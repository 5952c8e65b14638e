#include "proxy/turn.h"

#include "base/check.h"

static void queue_share(struct turn *turn, struct turn_share *share)
{
    share->next = NULL;
    share->queued = true;
    if (turn->last)
        turn->last->next = share;
    else
        turn->first = share;
    turn->last = share;
    loop_timer_set(turn->loop, &turn->timer, loop_now(turn->loop) + 1); /* not in this turn */
}

static struct turn_share *next_share(struct turn *turn)
{
    struct turn_share *share = turn->first;
    turn->first = share->next;
    if (!turn->first)
        turn->last = NULL;
    share->queued = false;
    return share;
}

static void wait(struct turn *turn, struct turn_share *share, struct turn_taker *taker)
{
    if (taker->waits)
        return;
    taker->waits = true;
    taker->next = NULL;
    if (share->last)
        share->last->next = taker;
    else
        share->first = taker;
    share->last = taker;
    if (!share->queued)
        queue_share(turn, share);
}

static struct turn_taker *next_taker(struct turn_share *share)
{
    struct turn_taker *taker = share->first;
    share->first = taker->next;
    if (!share->first)
        share->last = NULL;
    taker->waits = false;
    return taker;
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
    const struct turn_taker *end = share->last;
    for (bool more = true; more && share->first && has_room(turn, share);) {
        struct turn_taker *taker = next_taker(share);
        more = taker != end;
        taker->on_turn(taker);
    }
    if (share->first && !share->queued)
        queue_share(turn, share);
}

static void on_turn(struct loop_timer *timer)
{
    struct turn *turn = container_of(timer, struct turn, timer);
    const struct turn_share *end = turn->last;
    for (bool more = true; more && turn->first;) {
        struct turn_share *share = next_share(turn);
        more = share != end;
        run_share(turn, share);
    }
}

void turn_init(struct turn *turn, struct loop *loop)
{
    *turn = (struct turn){.loop = loop, .timer.on_expire = on_turn};
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

static void drop_taker(struct turn_share *share, struct turn_taker *taker)
{
    struct turn_taker *before = NULL, *at = share->first;
    for (; at != taker; at = at->next)
        before = at;
    *(before ? &before->next : &share->first) = taker->next;
    if (share->last == taker)
        share->last = before;
    taker->waits = false;
}

static void drop_share(struct turn *turn, struct turn_share *share)
{
    struct turn_share *before = NULL, *at = turn->first;
    for (; at != share; at = at->next)
        before = at;
    *(before ? &before->next : &turn->first) = share->next;
    if (turn->last == share)
        turn->last = before;
    share->queued = false;
}

void turn_leave(struct turn *turn, struct turn_share *share, struct turn_taker *taker)
{
    if (!taker->waits)
        return;
    drop_taker(share, taker);
    if (!share->first && share->queued)
        drop_share(turn, share);
    if (!turn->first)
        loop_timer_cancel(turn->loop, &turn->timer);
}
