/* A client's endless attempt to have an association: names are looked up, the transports tried one
 * after the other, with a pause that grows while it does not last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "base/resolver.h"
#include "proxy/link.h"
#include "proxy/tunnel.h"
#include "proxy/worker.h"

/* A peer without the kernel's SCTP, or a firewall in between, answers nothing at all: so long it
 * may keep the other transport waiting. */
#define FIRST_CARRIER_US 3000000
/* So long an attempt with some addresses waits for names that are still being looked up. */
#define NAMES_US 3000000
/* An association that lived so long was none of a series of failures. */
#define STEADY_US 5000000

/* One attempt's names. Outlives a tunnel that closes: a query whose answer is on its way cannot be
 * taken back.
 */
struct remote_name {
    struct resolver_query query;
    struct remote_lookup *lookup;
    bool pending;
};
struct remote_lookup {
    struct tunnel *tunnel; /* NULL: nobody waits for it any more */
    unsigned pending;
    bool impatient; /* the next answer with an address is enough */
    struct remote_name names[TRANSPORT_ADDRESSES_MAX];
};

static uint64_t now(const struct tunnel *tunnel)
{
    return loop_now(tunnel->home->loop);
}

/* ---- the pause ---- */

/* Exponential backoff with jitter: half of it is certain, half is chance, so that a thousand
 * clients of one server do not come back together. */
static void attempt_later(struct tunnel *tunnel)
{
    uint32_t chance;
    must(getrandom(&chance, sizeof(chance), 0) == (ssize_t)sizeof(chance));
    uint64_t delay = tunnel->backoff_us / 2 + tunnel->backoff_us * (chance >> 8) / (2ull << 24);
    tunnel->state = "waiting";
    loop_timer_set(tunnel->home->loop, &tunnel->reconnect, now(tunnel) + delay);
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name), "next attempt in %.1f s",
              (double)delay / 1e6);
    tunnel->backoff_us *= 2;
    if (tunnel->backoff_us > tunnel->config->reconnect_max_us)
        tunnel->backoff_us = tunnel->config->reconnect_max_us;
}

/* One that dies as soon as it is up counts as a failure, or its peer would be asked ten times a
 * second for ever. True: it was steady, and the next attempt need not wait. */
static bool forgive(struct tunnel *tunnel, const struct link *link)
{
    uint64_t lived = link->was_ready ? now(tunnel) - link->ready_us : 0;
    if (link->was_ready && (lived >= STEADY_US || lived >= tunnel->backoff_us))
        tunnel->backoff_us = tunnel->config->reconnect_min_us;
    return lived >= STEADY_US;
}

/* ---- connecting ---- */

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

static struct link *connect_by(struct tunnel *tunnel, const struct transport_ops *ops, char *why,
                               size_t why_size)
{
    const struct config_tunnel *config = tunnel->config;
    struct link_route route = {
        .ops = ops, .local_count = config->local_count, .remote_count = tunnel->remote_count};
    memcpy(route.remotes, tunnel->remotes, sizeof(route.remotes));
    for (size_t i = 0; i < config->local_count; i++)
        route.locals[i] = config->local[i].address;
    if (!config->local_count)
        wildcard(&route);
    tunnel_transport_options(tunnel, &route.options);
    if (carriers_are_several(&tunnel->carriers) && ops == tunnel->carriers.ops[0] &&
        route.options.connect_timeout_us > FIRST_CARRIER_US)
        route.options.connect_timeout_us = FIRST_CARRIER_US;
    struct link *link = link_connect(tunnel, &route, why, why_size);
    if (!link && !config->local_count && keep_ipv4(&route))
        link = link_connect(tunnel, &route, why, why_size);
    return link;
}

static const struct transport_ops *carrier_now(const struct tunnel *tunnel)
{
    const struct carriers *carriers = &tunnel->carriers;
    return carriers->ops[(tunnel->carrier + tunnel->carriers_tried) % carriers->count];
}

static void note_failure(struct tunnel *tunnel, const struct transport_ops *ops, const char *why)
{
    if (ops == tunnel->carriers.ops[0])
        snprintf(tunnel->why_not_first, sizeof(tunnel->why_not_first), "%s: %s", ops->name, why);
}

/* With the transports that this attempt has not tried yet; then waits. */
static void connect_now(struct tunnel *tunnel)
{
    char why[256];
    tunnel->state = "connecting";
    for (; tunnel->carriers_tried < tunnel->carriers.count; tunnel->carriers_tried++) {
        const struct transport_ops *ops = carrier_now(tunnel);
        if (tunnel->carriers_tried)
            log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name), "tries transport %s",
                      ops->name);
        if (connect_by(tunnel, ops, why, sizeof(why)))
            return;
        note_failure(tunnel, ops, why);
        char text[ADDRESS_TEXT_MAX];
        log_write(LOG_WARNING,
                  LOG_ABOUT(.tunnel = tunnel->config->name,
                            .address = address_format(&tunnel->remotes[0], text)),
                  "no association over %s: %s", ops->name, why);
    }
    attempt_later(tunnel);
}

/* ---- names ---- */

static void abandon_lookup(struct tunnel *tunnel)
{
    struct remote_lookup *lookup = tunnel->lookup;
    loop_timer_cancel(tunnel->home->loop, &tunnel->lookup_timer);
    tunnel->lookup = NULL;
    if (!lookup)
        return;
    lookup->tunnel = NULL;
    for (size_t i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (lookup->names[i].pending &&
            resolver_cancel(tunnel->home->resolver, &lookup->names[i].query))
            lookup->pending--;
    if (!lookup->pending)
        free(lookup);
}

static void add_remote(struct tunnel *tunnel, const struct address *address)
{
    for (size_t i = 0; i < tunnel->remote_count; i++)
        if (address_equal(&tunnel->remotes[i], address))
            return;
    tunnel->remotes[tunnel->remote_count++] = *address;
}

/* Each entry of the list gets one address at least, whatever a name before it has. */
static void gather_remotes(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    tunnel->remote_count = 0;
    for (size_t i = 0; i < config->remote_count; i++) {
        size_t limit = TRANSPORT_ADDRESSES_MAX - (config->remote_count - 1 - i);
        if (!config->remote[i].needs_lookup) {
            add_remote(tunnel, &config->remote[i].address);
            continue;
        }
        const struct remote_name *name = &tunnel->lookup->names[i];
        for (int j = 0; !name->pending && j < name->query.count && tunnel->remote_count < limit;
             j++)
            add_remote(tunnel, &name->query.addresses[j]);
    }
}

static void log_unresolved(const struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->config->remote_count; i++) {
        const struct remote_name *name = &tunnel->lookup->names[i];
        if (!tunnel->config->remote[i].needs_lookup || (!name->pending && name->query.count))
            continue;
        const char *why =
            name->pending ? "the name servers have not answered yet" : name->query.why;
        log_write(
            LOG_WARNING,
            LOG_ABOUT(.tunnel = tunnel->config->name, .address = tunnel->config->remote[i].host),
            "%s: the name cannot be resolved: %s",
            tunnel->remote_count ? "left out of remote" : "no association", why);
    }
}

static void finish_lookup(struct tunnel *tunnel)
{
    gather_remotes(tunnel);
    log_unresolved(tunnel);
    abandon_lookup(tunnel);
    if (tunnel->remote_count)
        connect_now(tunnel);
    else
        attempt_later(tunnel);
}

static void on_name(struct resolver_query *query)
{
    struct remote_name *name = container_of(query, struct remote_name, query);
    struct remote_lookup *lookup = name->lookup;
    name->pending = false;
    lookup->pending--;
    if (lookup->tunnel && (!lookup->pending || (lookup->impatient && query->count)))
        finish_lookup(lookup->tunnel);
    else if (!lookup->tunnel && !lookup->pending)
        free(lookup);
}

static void on_impatient(struct loop_timer *timer)
{
    struct tunnel *tunnel = container_of(timer, struct tunnel, lookup_timer);
    gather_remotes(tunnel);
    if (tunnel->remote_count)
        finish_lookup(tunnel);
    else
        tunnel->lookup->impatient = true;
}

static void ask_names(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    struct remote_lookup *lookup = check_alloc(sizeof(*lookup));
    tunnel->lookup = lookup;
    lookup->tunnel = tunnel;
    tunnel->state = "resolving";
    loop_timer_set(tunnel->home->loop, &tunnel->lookup_timer, now(tunnel) + NAMES_US);
    for (size_t i = 0; i < config->remote_count; i++) {
        if (!config->remote[i].needs_lookup)
            continue;
        struct remote_name *name = &lookup->names[i];
        *name = (struct remote_name){.lookup = lookup,
                                     .pending = true,
                                     .query = {.on_answer = on_name,
                                               .reply_to = &tunnel->home->mailbox,
                                               .fresh = true, /* the server may have moved */
                                               .host = config->remote[i].host,
                                               .port = config->remote[i].port}};
        lookup->pending++;
        resolver_ask(tunnel->home->resolver, &name->query);
    }
}

/* ---- from the tunnel ---- */

static void on_reconnect(struct loop_timer *timer)
{
    tunnel_attempt_begin(container_of(timer, struct tunnel, reconnect));
}

void tunnel_attempt_init(struct tunnel *tunnel)
{
    tunnel->backoff_us = tunnel->config->reconnect_min_us;
    tunnel->reconnect.on_expire = on_reconnect;
    tunnel->lookup_timer.on_expire = on_impatient;
}

void tunnel_attempt_begin(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    bool names = false;
    for (size_t i = 0; i < config->remote_count; i++)
        names |= config->remote[i].needs_lookup;
    tunnel->carriers_tried = 0;
    if (names) {
        ask_names(tunnel);
        return;
    }
    gather_remotes(tunnel);
    connect_now(tunnel);
}

void tunnel_attempt_succeeded(struct tunnel *tunnel, const struct link *link)
{
    const struct carriers *carriers = &tunnel->carriers;
    for (size_t i = 0; i < carriers->count; i++)
        if (carriers->ops[i] == link->ops)
            tunnel->carrier = i;
    if (!carriers_are_several(carriers) && !*carriers->why_not)
        return;
    const char *why = *carriers->why_not              ? carriers->why_not
                      : link->ops == carriers->ops[0] ? "both ends have it"
                                                      : tunnel->why_not_first;
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name), "transport \"auto\" is %s: %s",
              link->ops->name, why);
}

void tunnel_attempt_again(struct tunnel *tunnel, const struct link *link)
{
    bool steady = forgive(tunnel, link);
    if (steady) {
        tunnel_attempt_begin(tunnel);
        return;
    }
    if (link->granted) { /* the transport works; what failed is above it */
        attempt_later(tunnel);
        return;
    }
    note_failure(tunnel, link->ops, link->detail);
    tunnel->carriers_tried++;
    connect_now(tunnel);
}

void tunnel_attempt_stop(struct tunnel *tunnel)
{
    loop_timer_cancel(tunnel->home->loop, &tunnel->reconnect);
    abandon_lookup(tunnel);
}
