/* The addresses of a client's server: names are looked up at each attempt. A name that is not
 * answered, or not in time, has the addresses of its last answer: name service is often away for as
 * long as the network is. */
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/resolver.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

/* So long an attempt with some addresses waits for names that are still being looked up; and so
 * long where these have addresses from before. */
#define NAMES_US       3000000
#define KNOWN_NAMES_US 300000

/* The server may have moved, so remembered answers do not do; but attempts may be four a second. */
#define FRESH_US 5000000

/* Outlives a tunnel that closes: a query whose answer is on its way cannot be taken back. */
struct remote_name {
    struct resolver_query query;
    struct remote_lookup *lookup;
    bool pending;
};
struct remote_lookup {
    struct tunnel *tunnel; /* NULL: nobody waits for it any more */
    unsigned pending;
    bool awaited;   /* the attempt has not begun without it */
    bool impatient; /* the next answer with an address is enough */
    struct remote_name names[TRANSPORT_ADDRESSES_MAX];
};

void tunnel_names_stop(struct tunnel *tunnel)
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

/* ---- addresses ---- */

static void add_remote(struct remotes *remotes, const struct address *address)
{
    for (size_t i = 0; i < remotes->count; i++)
        if (address_equal(&remotes->list[i], address))
            return;
    remotes->list[remotes->count++] = *address;
}

/* Each entry of the configuration gets one address at least, whatever a name before it has. */
static struct remotes gather(const struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    struct remotes remotes = {.count = 0};
    for (size_t i = 0; i < config->remote_count; i++) {
        size_t limit = TRANSPORT_ADDRESSES_MAX - (config->remote_count - 1 - i);
        if (!config->remote[i].needs_lookup)
            add_remote(&remotes, &config->remote[i].address);
        else
            for (size_t j = 0; j < tunnel->known[i].count && remotes.count < limit; j++)
                add_remote(&remotes, &tunnel->known[i].list[j]);
    }
    return remotes;
}

static bool is_equal(const struct remotes *a, const struct remotes *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; i < a->count && equal; i++)
        equal = address_equal(&a->list[i], &b->list[i]);
    return equal;
}

static void remember(struct tunnel *tunnel, size_t number, const struct resolver_query *query)
{
    if (!query->answer.count)
        return;
    struct remotes *known = &tunnel->known[number];
    known->count = 0;
    for (int i = 0; i < query->answer.count && known->count < TRANSPORT_ADDRESSES_MAX; i++)
        add_remote(known, &query->answer.addresses[i]);
}

/* ---- names ---- */

static void log_unresolved(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->config->remote_count; i++) {
        const struct remote_name *name = &tunnel->lookup->names[i];
        if (!tunnel->config->remote[i].needs_lookup || (!name->pending && name->query.answer.count))
            continue;
        const char *why =
            name->pending ? "the name servers have not answered yet" : name->query.answer.why;
        tunnel_attempt_tell(
            tunnel,
            LOG_ABOUT(.tunnel = tunnel->config->name, .address = tunnel->config->remote[i].host),
            "%s: %s",
            tunnel->known[i].count  ? "using the last addresses, cannot resolve the name"
            : tunnel->remotes.count ? "leaving it out of remote, cannot resolve the name"
                                    : "no association: cannot resolve the name",
            why);
    }
}

/* With what is known. */
static void go_on(struct tunnel *tunnel)
{
    tunnel->lookup->awaited = false;
    tunnel->remotes = gather(tunnel);
    log_unresolved(tunnel);
    if (!tunnel->lookup->pending || !tunnel->remotes.count)
        tunnel_names_stop(tunnel);
    if (tunnel->remotes.count)
        tunnel_race_begin(tunnel);
    else
        tunnel_attempt_failed(tunnel);
}

/* The attempt has begun with addresses of before. */
static void came_late(struct tunnel *tunnel)
{
    struct remotes remotes = gather(tunnel);
    if (!tunnel->lookup->pending)
        tunnel_names_stop(tunnel);
    if (!tunnel_race_is_on(tunnel) || is_equal(&remotes, &tunnel->remotes))
        return;
    tunnel->remotes = remotes;
    tunnel_race_again(tunnel);
}

static void on_name(struct resolver_query *query)
{
    struct remote_name *name = container_of(query, struct remote_name, query);
    struct remote_lookup *lookup = name->lookup;
    struct tunnel *tunnel = lookup->tunnel;
    name->pending = false;
    lookup->pending--;
    if (!tunnel) {
        if (!lookup->pending)
            free(lookup);
        return;
    }
    remember(tunnel, (size_t)(name - lookup->names), query);
    if (!lookup->awaited)
        came_late(tunnel);
    else if (!lookup->pending || (lookup->impatient && query->answer.count))
        go_on(tunnel);
}

static void on_impatient(struct loop_timer *timer)
{
    struct tunnel *tunnel = container_of(timer, struct tunnel, lookup_timer);
    if (!tunnel->lookup->awaited)
        return;
    if (gather(tunnel).count)
        go_on(tunnel);
    else
        tunnel->lookup->impatient = true;
}

/* Every name has an address from before. */
static bool knows_all(const struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->config->remote_count; i++)
        if (tunnel->config->remote[i].needs_lookup && !tunnel->known[i].count)
            return false;
    return true;
}

static void ask(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    struct remote_lookup *lookup = check_alloc(sizeof(*lookup));
    tunnel->lookup = lookup;
    lookup->tunnel = tunnel;
    bool fresh = tunnel_now(tunnel) >= tunnel->asked_fresh_us + FRESH_US;
    if (fresh)
        tunnel->asked_fresh_us = tunnel_now(tunnel);
    for (size_t i = 0; i < config->remote_count; i++) {
        if (!config->remote[i].needs_lookup)
            continue;
        struct remote_name *name = &lookup->names[i];
        *name = (struct remote_name){.lookup = lookup,
                                     .pending = true,
                                     .query = {.on_answer = on_name,
                                               .reply_to = &tunnel->home->mailbox,
                                               .fresh = fresh,
                                               .host = config->remote[i].host,
                                               .port = config->remote[i].port}};
        lookup->pending++;
        resolver_ask(tunnel->home->resolver, &name->query);
    }
}

void tunnel_names_init(struct tunnel *tunnel)
{
    tunnel->lookup_timer.on_expire = on_impatient;
}

void tunnel_names_begin(struct tunnel *tunnel)
{
    bool any = false;
    for (size_t i = 0; i < tunnel->config->remote_count; i++)
        any |= tunnel->config->remote[i].needs_lookup;
    if (!any) {
        tunnel->remotes = gather(tunnel);
        tunnel_race_begin(tunnel);
        return;
    }
    if (!tunnel->lookup) /* else the last attempt's is still under way */
        ask(tunnel);
    tunnel->lookup->awaited = true;
    tunnel->lookup->impatient = false;
    tunnel->state = "resolving";
    loop_timer_set(tunnel->home->loop, &tunnel->lookup_timer,
                   tunnel_now(tunnel) + (knows_all(tunnel) ? KNOWN_NAMES_US : NAMES_US));
}
