/* Peers that have not proved their identity: a limit for all, and one for each source. */
#include "base/newcomers.h"

#include <sys/random.h>

#include "base/check.h"

void newcomers_init(struct newcomers *self)
{
    TAILQ_INIT(&self->list);
    must(getrandom(&self->seed, sizeof self->seed, 0) == sizeof self->seed);
}

struct newcomer *newcomers_oldest(const struct newcomers *self)
{
    return TAILQ_FIRST(&self->list);
}

struct newcomer *newcomers_oldest_of(const struct newcomers *self, const struct address *source)
{
    size_t place = address_place(source, self->seed, NEWCOMERS_SOURCES);
    if (self->of_source[place] < self->most_of_source)
        return NULL;
    struct newcomer *one = TAILQ_FIRST(&self->list);
    while (one && one->source != place)
        one = TAILQ_NEXT(one, link);
    return one;
}

void newcomers_enter(struct newcomers *self, struct newcomer *one, const struct address *source,
                     uint64_t now_us)
{
    *one =
        (struct newcomer){.since_us = now_us,
                          .source = (uint16_t)address_place(source, self->seed, NEWCOMERS_SOURCES),
                          .is_in = true};
    TAILQ_INSERT_TAIL(&self->list, one, link);
    self->of_source[one->source]++;
    self->count++;
}

void newcomers_leave(struct newcomers *self, struct newcomer *one)
{
    if (!one->is_in)
        return;
    newcomers_hold(self, one, 0);
    TAILQ_REMOVE(&self->list, one, link);
    self->of_source[one->source]--;
    self->count--;
    one->is_in = false;
}

bool newcomers_may_hold(const struct newcomers *self, const struct newcomer *one, size_t more,
                        size_t least)
{
    return !one->is_in || one->held + more <= least || self->held + more <= self->most_held;
}

void newcomers_hold(struct newcomers *self, struct newcomer *one, size_t bytes)
{
    if (!one->is_in)
        return;
    self->held += bytes - one->held;
    one->held = bytes;
}
