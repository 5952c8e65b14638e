/* The addresses of a client's server, looked up at each attempt. */
#include "proxy/tunnel/names.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/resolver.h"
#include "proxy/link/owner.h"
#include "proxy/tunnel/outage.h"
#include "proxy/worker/worker.h"

/* An attempt that has some addresses waits this long for names that are still being looked up, and
 * less where these have addresses from before. */
#define NAMES_US       3000000
#define KNOWN_NAMES_US 300000

/* The server may have moved, so remembered answers do not do; but attempts may be four a second. */
#define FRESH_US 5000000

/* Outlives a tunnel that closes: a query whose answer is on its way cannot be taken back. */
struct names_entry {
    struct resolver_query query;
    struct names_lookup *lookup;
    bool pending;
};
struct names_lookup {
    struct names *owner; /* NULL: nobody waits for it any more */
    unsigned pending;
    bool awaited;   /* the attempt has not begun without it */
    bool impatient; /* the next answer with an address is enough */
    struct names_entry entries[TRANSPORT_ADDRESSES_MAX];
};

static uint64_t now_of(const struct names *self)
{
    return loop_now(self->tunnel->home->loop);
}

void names_stop(struct names *self)
{
    struct names_lookup *lookup = self->lookup;
    loop_timer_cancel(self->tunnel->home->loop, &self->timer);
    self->lookup = NULL;
    if (!lookup)
        return;
    lookup->owner = NULL;
    for (size_t i = 0; i < TRANSPORT_ADDRESSES_MAX; i++)
        if (lookup->entries[i].pending &&
            resolver_cancel(self->tunnel->home->resolver, &lookup->entries[i].query))
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
static struct remotes gather(const struct names *self)
{
    const struct config_tunnel *config = self->tunnel->config;
    struct remotes remotes = {.count = 0};
    for (size_t i = 0; i < config->remote_count; i++) {
        size_t limit = TRANSPORT_ADDRESSES_MAX - (config->remote_count - 1 - i);
        if (!config->remote[i].needs_lookup)
            add_remote(&remotes, &config->remote[i].address);
        else
            for (size_t j = 0; j < self->known[i].count && remotes.count < limit; j++)
                add_remote(&remotes, &self->known[i].list[j]);
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

static void remember(struct names *self, size_t number, const struct resolver_query *query)
{
    if (!query->answer.count)
        return;
    struct remotes *known = &self->known[number];
    known->count = 0;
    for (int i = 0; i < query->answer.count && known->count < TRANSPORT_ADDRESSES_MAX; i++)
        add_remote(known, &query->answer.addresses[i]);
}

/* ---- names ---- */

static void log_unresolved(struct names *self)
{
    for (size_t i = 0; i < self->tunnel->config->remote_count; i++) {
        const struct names_entry *name = &self->lookup->entries[i];
        if (!self->tunnel->config->remote[i].needs_lookup ||
            (!name->pending && name->query.answer.count))
            continue;
        const char *why =
            name->pending ? "the name servers have not answered yet" : name->query.answer.why;
        outage_tell(self->outage, now_of(self),
                    LOG_ABOUT(.tunnel = self->tunnel->config->name,
                              .address = self->tunnel->config->remote[i].host),
                    "%s: %s",
                    self->known[i].count  ? "using the last addresses, cannot resolve the name"
                    : self->remotes.count ? "leaving it out of remote, cannot resolve the name"
                                          : "no association: cannot resolve the name",
                    why);
    }
}

/* With what is known. */
static void go_on(struct names *self)
{
    self->lookup->awaited = false;
    self->remotes = gather(self);
    log_unresolved(self);
    if (!self->lookup->pending || !self->remotes.count)
        names_stop(self);
    self->on_ready(self);
}

/* The attempt has begun with addresses of before. */
static void came_late(struct names *self)
{
    struct remotes remotes = gather(self);
    if (!self->lookup->pending)
        names_stop(self);
    if (is_equal(&remotes, &self->remotes))
        return;
    self->remotes = remotes;
    self->on_change(self);
}

static void on_name(struct resolver_query *query)
{
    struct names_entry *name = container_of(query, struct names_entry, query);
    struct names_lookup *lookup = name->lookup;
    struct names *self = lookup->owner;
    name->pending = false;
    lookup->pending--;
    if (!self) {
        if (!lookup->pending)
            free(lookup);
        return;
    }
    remember(self, (size_t)(name - lookup->entries), query);
    if (!lookup->awaited)
        came_late(self);
    else if (!lookup->pending || (lookup->impatient && query->answer.count))
        go_on(self);
}

static void on_impatient(struct loop_timer *timer)
{
    struct names *self = container_of(timer, struct names, timer);
    if (!self->lookup->awaited)
        return;
    if (gather(self).count)
        go_on(self);
    else
        self->lookup->impatient = true;
}

/* Every name has an address from before. */
static bool knows_all(const struct names *self)
{
    for (size_t i = 0; i < self->tunnel->config->remote_count; i++)
        if (self->tunnel->config->remote[i].needs_lookup && !self->known[i].count)
            return false;
    return true;
}

static void ask(struct names *self)
{
    const struct config_tunnel *config = self->tunnel->config;
    struct names_lookup *lookup = check_alloc(sizeof *lookup);
    self->lookup = lookup;
    lookup->owner = self;
    bool fresh = now_of(self) >= self->asked_fresh_us + FRESH_US;
    if (fresh)
        self->asked_fresh_us = now_of(self);
    for (size_t i = 0; i < config->remote_count; i++) {
        if (!config->remote[i].needs_lookup)
            continue;
        struct names_entry *name = &lookup->entries[i];
        *name = (struct names_entry){.lookup = lookup,
                                     .pending = true,
                                     .query = {.on_answer = on_name,
                                               .reply_to = &self->tunnel->home->mailbox,
                                               .fresh = fresh,
                                               .host = config->remote[i].host,
                                               .port = config->remote[i].port}};
        lookup->pending++;
        resolver_ask(self->tunnel->home->resolver, &name->query);
    }
}

void names_init(struct names *self, struct tunnel_base *tunnel, struct outage *outage)
{
    self->tunnel = tunnel;
    self->outage = outage;
    self->timer.on_expire = on_impatient;
}

bool names_begin(struct names *self)
{
    bool any = false;
    for (size_t i = 0; i < self->tunnel->config->remote_count; i++)
        any |= self->tunnel->config->remote[i].needs_lookup;
    if (!any) {
        self->remotes = gather(self);
        return true;
    }
    if (!self->lookup) /* else the last attempt's is still under way */
        ask(self);
    self->lookup->awaited = true;
    self->lookup->impatient = false;
    loop_timer_set(self->tunnel->home->loop, &self->timer,
                   now_of(self) + (knows_all(self) ? KNOWN_NAMES_US : NAMES_US));
    return false;
}
