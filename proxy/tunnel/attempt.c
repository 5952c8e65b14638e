/* A client's endless attempt to have an association, with a pause that grows while it fails. */
#include "proxy/tunnel/attempt.h"

#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/worker/worker.h"

/* An association that lived this long is not one of a series of failures. */
#define STEADY_US 5000000

static uint64_t now_of(const struct attempt *self)
{
    return loop_now(self->owner->tunnel->home->loop);
}

static const struct config_tunnel *config_of(const struct attempt *self)
{
    return self->owner->tunnel->config;
}

/* ---- the pause ---- */

/* Exponential backoff with jitter: half of it is certain, half is chance, so that a thousand
 * clients of one server do not come back together. since_us: what the pause counts from. */
static void try_later(struct attempt *self, uint64_t since_us, uint64_t limit_us)
{
    uint32_t chance;
    must(getrandom(&chance, sizeof chance, 0) == (ssize_t)sizeof chance);
    uint64_t backoff = self->backoff_us < limit_us ? self->backoff_us : limit_us;
    uint64_t due = since_us + backoff / 2 + backoff * (chance >> 8) / (2ull << 24);
    self->state = ATTEMPT_WAITING;
    loop_timer_set(self->owner->tunnel->home->loop, &self->reconnect, due);
    if (due > now_of(self))
        log_write(LOG_DEBUG, LOG_ABOUT(.tunnel = config_of(self)->name), "next attempt in %.1f s",
                  (double)(due - now_of(self)) / 1e6);
    self->backoff_us = 2 * backoff < limit_us ? 2 * backoff : limit_us;
}

/* Nobody has answered. An attempt that lasted longer than the pause needs none behind it. */
static void nobody_answered(struct attempt *self)
{
    try_later(self, self->begun_us, config_of(self)->reconnect.max_us);
}

/* A server has answered, and what failed is above the transport. */
static void turned_away(struct attempt *self)
{
    const struct config_tunnel *config = config_of(self);
    uint64_t limit = config->reconnect.refused_us > config->reconnect.max_us
                         ? config->reconnect.refused_us
                         : config->reconnect.max_us;
    try_later(self, now_of(self), limit);
}

/* One that dies as soon as it is up counts as a failure, or its peer would be asked ten times a
 * second for ever. True: it was steady, and the next attempt need not wait. */
static bool forgive(struct attempt *self, const struct link *link)
{
    uint64_t lived = link->life.was_ready ? now_of(self) - link->life.ready_us : 0;
    if (link->life.was_ready && (lived >= STEADY_US || lived >= self->backoff_us))
        self->backoff_us = config_of(self)->reconnect.min_us;
    return lived >= STEADY_US;
}

/* ---- what its parts tell ---- */

static void connect_now(struct attempt *self)
{
    self->state = ATTEMPT_CONNECTING;
    race_begin(&self->race);
}

static void on_names(struct names *names)
{
    struct attempt *self = container_of(names, struct attempt, names);
    if (names->remotes.count)
        connect_now(self);
    else
        nobody_answered(self);
}

static void on_new_names(struct names *names)
{
    race_again(&container_of(names, struct attempt, names)->race);
}

static void on_race_lost(struct race *race)
{
    nobody_answered(container_of(race, struct attempt, race));
}

static void on_reconnect(struct loop_timer *timer)
{
    attempt_begin(container_of(timer, struct attempt, reconnect));
}

/* ---- from the tunnel ---- */

void attempt_init(struct attempt *self, struct link_owner *owner, struct transports *transports)
{
    self->owner = owner;
    self->backoff_us = config_of(self)->reconnect.min_us;
    self->reconnect.on_expire = on_reconnect;
    self->names.on_ready = on_names;
    self->names.on_change = on_new_names;
    self->race.on_lost = on_race_lost;
    names_init(&self->names, owner->tunnel, &self->outage);
    race_init(&self->race, owner, transports, &self->outage, &self->names.remotes);
}

void attempt_begin(struct attempt *self)
{
    self->begun_us = now_of(self);
    self->state = ATTEMPT_RESOLVING;
    if (names_begin(&self->names))
        connect_now(self);
}

void attempt_stop(struct attempt *self)
{
    loop_timer_cancel(self->owner->tunnel->home->loop, &self->reconnect);
    names_stop(&self->names);
    race_stop(&self->race);
}

bool attempt_is_over(const struct attempt *self)
{
    return !self->names.lookup && !loop_timer_is_set(&self->reconnect);
}

void attempt_won(struct attempt *self, const struct link *link)
{
    race_won(&self->race, link);
}

void attempt_succeeded(struct attempt *self, const struct link *link)
{
    self->state = ATTEMPT_UP;
    memset(&self->outage, 0, sizeof self->outage);
    race_settle(&self->race, link);
}

void attempt_lost(struct attempt *self, const struct link *link, bool again)
{
    self->state = ATTEMPT_DOWN;
    if (!again)
        return;
    if (forgive(self, link)) {
        attempt_begin(self);
    } else if (link->streams.granted) {
        turned_away(self);
    } else {
        self->state = ATTEMPT_CONNECTING;
        race_lost(&self->race, link);
    }
}
