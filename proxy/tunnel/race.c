/* One attempt of a client: all its transports begin an association, one soon after the other, and
 * the first that is up stays. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* RFC 8305 (Happy Eyeballs) section 5: so long the first transport has before the next begins. */
#define NEXT_US 250000
/* Who was refused begins again so long after he began, while others are still under way. */
#define AGAIN_US 500000

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

static struct link *connect_by(struct tunnel *tunnel, const struct racer *racer, char *why,
                               size_t why_size)
{
    const struct config_tunnel *config = tunnel->config;
    struct link_route route = {
        .ops = racer->ops, .local_count = config->local_count, .remote_count = racer->count};
    memcpy(route.remotes, &tunnel->remotes.list[racer->first],
           racer->count * sizeof(*route.remotes));
    for (size_t i = 0; i < config->local_count; i++)
        route.locals[i] = config->local[i].address;
    if (!config->local_count)
        wildcard(&route);
    tunnel_transport_options(tunnel, &route.options);
    uint64_t left = tunnel->race.until_us - tunnel_now(tunnel);
    if (left < route.options.connect_timeout_us)
        route.options.connect_timeout_us = left;
    struct link *link = link_connect(&tunnel->owner, &route, why, why_size);
    if (!link && !config->local_count && keep_ipv4(&route))
        link = link_connect(&tunnel->owner, &route, why, why_size);
    return link;
}

static void note_failure(struct tunnel *tunnel, const struct transport_ops *ops, const char *why)
{
    if (ops == tunnel->carriers.ops[0])
        snprintf(tunnel->why_not_first, sizeof(tunnel->why_not_first), "%s: %s", ops->name, why);
}

static void begin(struct tunnel *tunnel, struct racer *racer)
{
    char why[256], text[ADDRESS_TEXT_MAX];
    racer->begun = true;
    racer->next_us = tunnel_now(tunnel) + AGAIN_US;
    racer->link = connect_by(tunnel, racer, why, sizeof(why));
    if (racer->link)
        return;
    note_failure(tunnel, racer->ops, why);
    address_format(&tunnel->remotes.list[racer->first], text);
    tunnel_attempt_tell(tunnel, LOG_ABOUT(.tunnel = tunnel->config->name, .address = text),
                        "no association over %s: %s", racer->ops->name, why);
}

/* ---- all of them ---- */

/* The kernel ends an association when one of the peer's addresses refuses, and asks them one after
 * the other: from then on each has an association of its own. */
static void split(struct race *race, struct racer *racer, uint64_t now_us)
{
    if (race->is_split || racer->count < 2 || !racer->ops->one_refusal_ends)
        return;
    race->is_split = true;
    for (size_t i = 1; i < racer->count; i++)
        race->racers[race->count++] = (struct racer){
            .ops = racer->ops, .first = racer->first + i, .count = 1, .next_us = now_us};
}

static void split_slow(struct tunnel *tunnel)
{
    struct race *race = &tunnel->race;
    size_t count = race->count;
    for (size_t i = 0; i < count; i++)
        if (race->racers[i].link && race->racers[i].count > 2 &&
            race->racers[i].next_us <= tunnel_now(tunnel))
            split(race, &race->racers[i], tunnel_now(tunnel));
}

/* The one that is next in line does not wait when nobody runs. */
static void hurry(struct race *race, uint64_t now_us)
{
    for (size_t i = 0; i < race->count; i++)
        if (race->racers[i].link)
            return;
    for (size_t i = 0; i < race->count; i++)
        if (!race->racers[i].begun) {
            race->racers[i].next_us = now_us;
            return;
        }
}

static bool is_lost(const struct race *race)
{
    for (size_t i = 0; i < race->count; i++)
        if (race->racers[i].link || !race->racers[i].begun)
            return false;
    return true;
}

/* Returns when there is something to do next. */
static uint64_t begin_those_due(struct tunnel *tunnel)
{
    struct race *race = &tunnel->race;
    uint64_t soonest = UINT64_MAX;
    split_slow(tunnel);
    for (size_t i = 0; i < race->count; i++) {
        struct racer *racer = &race->racers[i];
        hurry(race, tunnel_now(tunnel));
        if (!racer->link && racer->next_us <= tunnel_now(tunnel))
            begin(tunnel, racer);
        bool waits = !racer->link || (racer->count > 2 && !race->is_split);
        if (waits && racer->next_us < soonest && racer->next_us > tunnel_now(tunnel))
            soonest = racer->next_us;
    }
    return soonest;
}

static void run(struct tunnel *tunnel)
{
    struct race *race = &tunnel->race;
    tunnel->state = "connecting";
    uint64_t soonest = begin_those_due(tunnel);
    if (is_lost(race)) {
        tunnel_race_stop(tunnel);
        tunnel_attempt_failed(tunnel);
    } else if (soonest < race->until_us) {
        loop_timer_set(tunnel->home->loop, &race->timer, soonest);
    }
}

static void on_timer(struct loop_timer *timer)
{
    run(container_of(timer, struct tunnel, race.timer));
}

void tunnel_race_init(struct tunnel *tunnel)
{
    tunnel->race.timer.on_expire = on_timer;
}

void tunnel_race_begin(struct tunnel *tunnel)
{
    const struct carriers *carriers = &tunnel->carriers;
    struct race *race = &tunnel->race;
    race->count = 0;
    race->is_split = false;
    race->until_us = tunnel_now(tunnel) + tunnel->config->connect_timeout_us;
    for (size_t i = 0; i < carriers->count; i++)
        race->racers[race->count++] =
            (struct racer){.ops = carriers->ops[(tunnel->carrier + i) % carriers->count],
                           .count = tunnel->remotes.count,
                           .next_us = tunnel_now(tunnel) + i * NEXT_US};
    run(tunnel);
}

void tunnel_race_stop(struct tunnel *tunnel)
{
    tunnel->race.count = 0;
    loop_timer_cancel(tunnel->home->loop, &tunnel->race.timer);
}

static void beat(struct tunnel *tunnel, const struct link *winner, const char *why)
{
    struct race *race = &tunnel->race;
    for (size_t i = 0; i < race->count; i++) {
        struct link *link = race->racers[i].link;
        if (!link || link == winner)
            continue;
        link->beaten = true;
        link_close(link, ERR_LOCAL_SHUTDOWN, why, false);
    }
    tunnel_race_stop(tunnel);
}

void tunnel_race_won(struct tunnel *tunnel, const struct link *link)
{
    beat(tunnel, link, "another address or transport was faster");
}

void tunnel_race_again(struct tunnel *tunnel)
{
    beat(tunnel, NULL, "the server's name has other addresses now");
    tunnel_race_begin(tunnel);
}

bool tunnel_race_is_on(const struct tunnel *tunnel)
{
    return tunnel->race.count > 0;
}

void tunnel_race_lost(struct tunnel *tunnel, const struct link *link)
{
    struct race *race = &tunnel->race;
    note_failure(tunnel, link->ops, link->detail);
    for (size_t i = 0; i < race->count; i++) {
        struct racer *racer = &race->racers[i];
        if (racer->link != link)
            continue;
        racer->link = NULL;
        if (link->reason == ERR_TRANSPORT_REFUSED && racer->ops->one_refusal_ends) {
            split(race, racer, tunnel_now(tunnel));
            racer->count = 1;
        }
        break;
    }
    run(tunnel);
}
