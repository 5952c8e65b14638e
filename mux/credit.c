/* Flow control: absolute offsets, and a window that grows when it is the brake. */
#include "mux/credit.h"

#include "base/check.h"

/* Of the budget, for all streams of an association. */
#define PROMISED_SHARE 8

uint32_t credit_promised(const struct mux_budget *budget, uint32_t streams, uint32_t initial)
{
    uint64_t each = budget ? budget->limit / PROMISED_SHARE / streams : initial;
    if (budget && each > CREDIT_PROMISED_MAX)
        each = CREDIT_PROMISED_MAX;
    if (each < CREDIT_PROMISED_MIN)
        each = CREDIT_PROMISED_MIN;
    return each < initial ? (uint32_t)each : initial;
}

void credit_receiver_start(struct credit_receiver *r, const struct credit_windows *windows,
                           struct mux_budget *budget)
{
    uint32_t initial = windows->initial > windows->promised ? windows->initial : windows->promised;
    *r = (struct credit_receiver){
        .granted = windows->promised,
        .limits = {windows->promised},
        .limit_count = 1,
        .window = windows->promised,
        .window_initial = initial,
        .window_max = windows->max > initial ? windows->max : initial,
        .budget = budget,
    };
    mux_budget_force(budget, r->window);
}

void credit_receiver_end(struct credit_receiver *r)
{
    mux_budget_give(r->budget, r->window);
    r->window = 0;
}

static bool widen(struct credit_receiver *r, uint32_t more, enum mux_budget_use use)
{
    if (!more || !mux_budget_take(r->budget, more, use))
        return false;
    r->window += more;
    r->limit_count = 0; /* a sender that stops at an older one does not know yet */
    return true;
}

bool credit_receiver_open(struct credit_receiver *r)
{
    return r->window < r->window_initial && widen(r, r->window_initial - r->window, BUDGET_AHEAD);
}

bool credit_receiver_receive(struct credit_receiver *r, uint64_t length)
{
    if (length > r->granted - r->received)
        return false;
    r->received += length;
    while (r->limit_count && r->limits[r->first_limit] <= r->received) {
        r->was_brake |= r->limits[r->first_limit] == r->received;
        r->first_limit = (r->first_limit + 1) % CREDIT_LIMITS;
        r->limit_count--;
    }
    return true;
}

bool credit_receiver_consume(struct credit_receiver *r, uint64_t length)
{
    must(length <= r->received - r->consumed);
    r->consumed += length;
    uint64_t taken = r->consumed + r->window - r->granted;
    return taken && taken >= r->window / 4;
}

static void grow(struct credit_receiver *r)
{
    bool begins = r->window < r->window_initial;
    uint32_t left = (begins ? r->window_initial : r->window_max) - r->window;
    widen(r, r->window < left ? r->window : left, begins ? BUDGET_NEED : BUDGET_MORE);
}

/* By an eighth each time: what others need is there after some windows, and no sender is stopped.
 */
static void shrink(struct credit_receiver *r)
{
    uint64_t least = r->granted - r->consumed; /* the peer may send this much already */
    uint32_t less = r->window / 8;
    if (r->window <= r->window_initial || mux_budget_has(r->budget, 0, BUDGET_MORE))
        return;
    if (less > r->window - r->window_initial)
        less = r->window - r->window_initial;
    if (r->window - less < least)
        less = r->window - (uint32_t)least;
    mux_budget_give(r->budget, less);
    r->window -= less;
}

static void watch(struct credit_receiver *r, uint64_t limit)
{
    if (r->limit_count < CREDIT_LIMITS)
        r->limits[(r->first_limit + r->limit_count++) % CREDIT_LIMITS] = limit;
}

uint64_t credit_receiver_grant(struct credit_receiver *r)
{
    if (r->was_brake && r->consumed == r->received)
        grow(r);
    else
        shrink(r);
    r->was_brake = false;
    r->granted = r->consumed + r->window;
    watch(r, r->granted);
    return r->granted;
}

void credit_sender_start(struct credit_sender *s, uint64_t initial)
{
    *s = (struct credit_sender){.granted = initial};
}

uint64_t credit_sender_room(const struct credit_sender *s)
{
    return s->granted - s->sent;
}

void credit_sender_send(struct credit_sender *s, uint64_t length)
{
    must(length <= credit_sender_room(s));
    s->sent += length;
}

bool credit_sender_update(struct credit_sender *s, uint64_t granted)
{
    if (granted <= s->granted)
        return false;
    bool was_stopped = s->granted == s->sent;
    s->granted = granted;
    return was_stopped;
}
