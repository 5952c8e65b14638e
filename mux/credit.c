#include "mux/credit.h"

#include "base/check.h"

static bool budget_take(struct mux_budget *budget, uint32_t amount)
{
    if (!budget)
        return true;
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    do {
        if (amount > budget->limit || used > budget->limit - amount)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void credit_receiver_start(struct credit_receiver *r, uint32_t initial, uint32_t max,
                           struct mux_budget *budget)
{
    *r = (struct credit_receiver){
        .granted = initial,
        .limits = {initial},
        .limit_count = 1,
        .window = initial,
        .window_initial = initial,
        .window_max = max > initial ? max : initial,
        .budget = budget,
    };
}

void credit_receiver_end(struct credit_receiver *r)
{
    uint32_t grown = r->window - r->window_initial;
    if (grown && r->budget)
        atomic_fetch_sub_explicit(&r->budget->used, grown, memory_order_relaxed);
    r->window = r->window_initial;
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
    uint32_t left = r->window_max - r->window;
    uint32_t more = r->window < left ? r->window : left;
    if (!more || !budget_take(r->budget, more))
        return;
    r->window += more;
    r->limit_count = 0; /* a sender that stops at an older one does not know yet */
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
