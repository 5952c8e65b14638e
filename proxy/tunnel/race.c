/* One attempt of a client: the first of its transports that is up stays. */
#include "proxy/tunnel/race.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/outage.h"
#include "proxy/worker/worker.h"

/* RFC 8305 section 5: the next transport begins this long after the one before it. */
#define NEXT_US 250000
/* One that was refused begins again this long after it began, while others are under way. */
#define AGAIN_US 500000

static uint64_t now_of(const struct race *self)
{
    return loop_now(self->owner->tunnel->home->loop);
}

/* ---- one of them ---- */

static void wildcard(struct link_route *route)
{
    bool ipv6 = false;
    for (size_t i = 0; i < route->remote_count; i++)
        ipv6 |= route->remotes[i].any.sa_family == AF_INET6;
    route->local_count = 1;
    route->locals[0] =
        ipv6 ? (struct address){.length = sizeof(struct sockaddr_in6), .in6.sin6_family = AF_INET6}
             : (struct address){.length = sizeof(struct sockaddr_in), .in.sin_family = AF_INET};
}

/* For a host without IPv6, whose server's name has such an address too. False: nothing is left, or
 * nothing was left out. */
static bool keep_ipv4(struct link_route *route)
{
    size_t kept = 0;
    for (size_t i = 0; i < route->remote_count; i++)
        if (route->remotes[i].any.sa_family == AF_INET)
            route->remotes[kept++] = route->remotes[i];
    bool less = kept && kept < route->remote_count;
    route->remote_count = kept;
    wildcard(route);
    return less;
}

static struct link *connect_by(struct race *self, const struct racer *racer, char *why,
                               size_t why_size)
{
    const struct config_tunnel *config = self->owner->tunnel->config;
    struct link_route route = {
        .ops = racer->ops, .local_count = config->local_count, .remote_count = racer->count};
    memcpy(route.remotes, &self->remotes->list[racer->first], racer->count * sizeof *route.remotes);
    for (size_t i = 0; i < config->local_count; i++)
        route.locals[i] = config->local[i].address;
    if (!config->local_count)
        wildcard(&route);
    transports_options(self->transports, config, &route.options);
    uint64_t left = self->until_us - now_of(self);
    if (left < route.options.connect_timeout_us)
        route.options.connect_timeout_us = left;
    struct link *link = link_connect(self->owner, &route, why, why_size);
    if (!link && !config->local_count && keep_ipv4(&route))
        link = link_connect(self->owner, &route, why, why_size);
    return link;
}

static void note_failure(struct race *self, const struct transport_ops *ops, const char *why)
{
    if (ops == self->transports->ops[0])
        snprintf(self->why_not_first, sizeof self->why_not_first, "%s: %s", ops->name, why);
}

static void begin(struct race *self, struct racer *racer)
{
    char why[256], text[ADDRESS_TEXT_MAX];
    racer->begun = true;
    racer->next_us = now_of(self) + AGAIN_US;
    racer->link = connect_by(self, racer, why, sizeof why);
    if (racer->link)
        return;
    note_failure(self, racer->ops, why);
    address_format(&self->remotes->list[racer->first], text);
    outage_tell(self->outage, now_of(self),
                LOG_ABOUT(.tunnel = self->owner->tunnel->config->name, .address = text),
                "no association over %s: %s", racer->ops->name, why);
}

/* ---- all of them ---- */

/* The kernel ends an association when one of the peer's addresses refuses, and asks them one after
 * the other: from then on each has an association of its own. */
static void split(struct race *self, struct racer *racer, uint64_t now_us)
{
    if (self->is_split || racer->count < 2 || !racer->ops->one_refusal_ends)
        return;
    self->is_split = true;
    for (size_t i = 1; i < racer->count; i++)
        self->racers[self->count++] = (struct racer){
            .ops = racer->ops, .first = racer->first + i, .count = 1, .next_us = now_us};
}

static void split_slow(struct race *self)
{
    size_t count = self->count;
    for (size_t i = 0; i < count; i++)
        if (self->racers[i].link && self->racers[i].count > 2 &&
            self->racers[i].next_us <= now_of(self))
            split(self, &self->racers[i], now_of(self));
}

/* The one that is next in line does not wait when nobody runs. */
static void hurry(struct race *self, uint64_t now_us)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->racers[i].link)
            return;
    for (size_t i = 0; i < self->count; i++)
        if (!self->racers[i].begun) {
            self->racers[i].next_us = now_us;
            return;
        }
}

static bool is_lost(const struct race *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->racers[i].link || !self->racers[i].begun)
            return false;
    return true;
}

/* Returns when there is something to do next. */
static uint64_t begin_those_due(struct race *self)
{
    uint64_t soonest = UINT64_MAX;
    split_slow(self);
    for (size_t i = 0; i < self->count; i++) {
        struct racer *racer = &self->racers[i];
        hurry(self, now_of(self));
        if (!racer->link && racer->next_us <= now_of(self))
            begin(self, racer);
        bool waits = !racer->link || (racer->count > 2 && !self->is_split);
        if (waits && racer->next_us < soonest && racer->next_us > now_of(self))
            soonest = racer->next_us;
    }
    return soonest;
}

static void run(struct race *self)
{
    uint64_t soonest = begin_those_due(self);
    if (is_lost(self)) {
        race_stop(self);
        self->on_lost(self);
    } else if (soonest < self->until_us) {
        loop_timer_set(self->owner->tunnel->home->loop, &self->timer, soonest);
    }
}

static void on_timer(struct loop_timer *timer)
{
    run(container_of(timer, struct race, timer));
}

void race_init(struct race *self, struct link_owner *owner, struct transports *transports,
               struct outage *outage, const struct remotes *remotes)
{
    self->owner = owner;
    self->transports = transports;
    self->outage = outage;
    self->remotes = remotes;
    self->timer.on_expire = on_timer;
}

static void start(struct race *self)
{
    const struct transports *transports = self->transports;
    self->count = 0;
    self->is_split = false;
    self->until_us = now_of(self) + self->owner->tunnel->config->connect_timeout_us;
    for (size_t i = 0; i < transports->count; i++)
        self->racers[self->count++] =
            (struct racer){.ops = transports->ops[(self->preferred + i) % transports->count],
                           .count = self->remotes->count,
                           .next_us = now_of(self) + i * NEXT_US};
    run(self);
}

void race_begin(struct race *self)
{
    *self->why_not_first = '\0';
    start(self);
}

void race_stop(struct race *self)
{
    self->count = 0;
    loop_timer_cancel(self->owner->tunnel->home->loop, &self->timer);
}

static void beat(struct race *self, const struct link *winner, const char *why)
{
    for (size_t i = 0; i < self->count; i++) {
        struct link *link = self->racers[i].link;
        if (!link || link == winner)
            continue;
        link->life.is_beaten = true;
        link_close(link, ERR_LOCAL_SHUTDOWN, why, false);
    }
    race_stop(self);
}

void race_won(struct race *self, const struct link *link)
{
    beat(self, link, "another address or transport was faster");
}

void race_again(struct race *self)
{
    if (!self->count)
        return;
    beat(self, NULL, "the server's name has other addresses now");
    start(self);
}

void race_settle(struct race *self, const struct link *link)
{
    const struct transports *transports = self->transports;
    for (size_t i = 0; i < transports->count; i++)
        if (transports->ops[i] == link->transport.ops)
            self->preferred = i;
    if (!transports_are_several(transports) && !*transports->why_not)
        return;
    const char *why = *transports->why_not                        ? transports->why_not
                      : link->transport.ops == transports->ops[0] ? "both ends have it"
                      : *self->why_not_first                      ? self->why_not_first
                                                                  : "it was answered first";
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = self->owner->tunnel->config->name),
              "transport \"auto\" chose %s: %s", link->transport.ops->name, why);
}

void race_lost(struct race *self, const struct link *link)
{
    note_failure(self, link->transport.ops, link->life.detail);
    for (size_t i = 0; i < self->count; i++) {
        struct racer *racer = &self->racers[i];
        if (racer->link != link)
            continue;
        racer->link = NULL;
        if (link->life.reason == ERR_TRANSPORT_REFUSED && racer->ops->one_refusal_ends) {
            split(self, racer, now_of(self));
            racer->count = 1;
        }
        break;
    }
    run(self);
}
