/* Chooses the association for the connections of a service that listens here. */
#include "proxy/tunnel/services.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "tls/credentials.h"

#define MAY_NOT SIZE_MAX

void services_init(struct services *self, struct link_owner *owner, struct waiting *waiting)
{
    struct tunnel_base *tunnel = owner->tunnel;
    const struct config_tunnel *config = tunnel->config;
    self->owner = owner;
    self->waiting = waiting;
    self->count = config->service_count;
    self->denials.per_minute = 10;
    self->list = check_alloc((self->count + 1) * sizeof *self->list);
    for (size_t i = 0; i < self->count; i++) {
        self->list[i].all = self;
        self->list[i].service = (struct service){.config = &config->services[i],
                                                 .rules = &config->services[i],
                                                 .index = i,
                                                 .tunnel_name = config->name,
                                                 .counters = tunnel->counters,
                                                 .budget = tunnel->budget,
                                                 .promised = tunnel->promised,
                                                 .memory_told = &tunnel->memory_told};
    }
}

void services_fini(struct services *self)
{
    free(self->list);
}

struct service *services_find_target(const struct services *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        struct service *service = &self->list[i].service;
        if (service->config->direction == CONFIG_CONNECT &&
            strcmp(service->config->name, name) == 0)
            return service;
    }
    return NULL;
}

/* Without `allow` there is only one who could come: a client looks for its server, and a server's
 * configuration is refused otherwise. Should a reload have changed that, nobody serves it. */
static bool has_one_peer(const struct link_owner *owner)
{
    if (!owner->credentials) /* it has not begun */
        return false;
    return owner->tunnel->config->role == CONFIG_CLIENT ||
           tls_credentials_admit_one(owner->credentials);
}

/* The number of the first pattern that lets the peer serve it, or MAY_NOT. */
static size_t rank_of(const struct link *link, const struct service *service)
{
    const struct config_service *rules = atomic_load(&service->rules);
    if (!rules->allow.count)
        return has_one_peer(link->owner) ? 0 : MAY_NOT;
    for (size_t i = 0; link->peer.identity && i < rules->allow.count; i++)
        if (tls_identity_matches(link->peer.identity, (const char *const *)rules->allow.list + i,
                                 1))
            return i;
    return MAY_NOT;
}

static bool may_serve(const struct link *link, const struct service *service)
{
    return rank_of(link, service) != MAY_NOT;
}

static bool is_listening(const struct service *service)
{
    return service->config->direction == CONFIG_LISTEN;
}

/* True if only one name may serve it. */
static bool has_one_server(const struct service *service)
{
    const struct config_service *rules = atomic_load(&service->rules);
    return !rules->allow.count || (rules->allow.count == 1 && !strchr(rules->allow.list[0], '*'));
}

static bool is_usable(const struct link *link)
{
    return link->state == LINK_READY && !link->peer.is_leaving;
}

struct candidate {
    struct link *link;
    bool offers;
    size_t rank;
};

/* Links are looked at newest first, so the newest of one identity stays: an older one may be of a
 * process that has gone without a word. */
static bool is_better(const struct candidate *one, const struct candidate *other)
{
    if (!other->link || one->offers != other->offers)
        return !other->link || one->offers;
    if (one->rank != other->rank)
        return one->rank < other->rank;
    return strcasecmp(one->link->peer.name, other->link->peer.name) < 0;
}

static struct link *choose(const struct tunnel_service *at)
{
    const struct service *service = &at->service;
    struct candidate best = {0};
    for (struct link *link = at->all->owner->links; link; link = link->next) {
        const struct candidate one = {.link = link,
                                      .offers =
                                          link->peer.offered && link->peer.offered[service->index],
                                      .rank = is_usable(link) ? rank_of(link, service) : MAY_NOT};
        if (one.rank != MAY_NOT && is_better(&one, &best))
            best = one;
    }
    /* If no other peer may serve it, the far end refuses at once: it has no such service; else a
     * peer that has it may come yet. */
    return best.link && (best.offers || has_one_server(service)) ? best.link : NULL;
}

struct link *services_link(struct tunnel_service *service)
{
    if (!service->chosen || (service->link && !is_usable(service->link))) {
        service->link = choose(service);
        service->chosen = true;
    }
    return service->link;
}

void services_ready(struct services *self, const struct link *link)
{
    for (size_t i = 0; i < self->count; i++)
        if (is_listening(&self->list[i].service) && may_serve(link, &self->list[i].service))
            self->list[i].chosen = false;
}

void services_gone(struct services *self, const struct link *link)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->list[i].link == link)
            self->list[i].chosen = false;
}

/* Those that wait for a stream of somebody who may serve them no more come back to the tunnel. */
static void dismiss_strangers(const struct services *self, struct link *link)
{
    for (size_t i = 0; i < self->count; i++) {
        const struct service *service = &self->list[i].service;
        if (is_listening(service) && !may_serve(link, service))
            pool_dismiss_service(link->leases.pool, i);
    }
}

void services_changed(struct services *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->list[i].chosen = false;
    for (struct link *link = self->owner->links; link; link = link->next)
        if (link->state == LINK_READY)
            dismiss_strangers(self, link);
}

void services_take(struct services *self, const struct config_tunnel *now)
{
    for (size_t i = 0; i < self->count; i++) {
        struct service *service = &self->list[i].service;
        const struct config_service *rules = service->config;
        for (size_t j = 0; j < now->service_count; j++)
            if (strcmp(now->services[j].name, rules->name) == 0)
                rules = &now->services[j];
        atomic_store(&service->rules, rules);
    }
}

/* ---- what a peer offers ---- */

/* Services of one kind, as a log line names them: "a", "b" and 3 more. */
struct list {
    char text[256];
    size_t used, count, left_out;
};

#define ROOM_FOR_MORE 32

static void add(struct list *list, const char *name)
{
    size_t room = sizeof list->text - ROOM_FOR_MORE - list->used;
    int length = snprintf(list->text + list->used, room, "%s\"%s\"", list->used ? ", " : "", name);
    list->count++;
    if (!list->left_out && (size_t)length < room)
        list->used += (size_t)length;
    else
        snprintf(list->text + list->used, ROOM_FOR_MORE, " and %zu more", ++list->left_out);
}

/* A client that is accepted can come again and again. */
static void tell_denied(struct services *self, const struct link *link, const struct list *denied)
{
    uint64_t left_out;
    char who[512];
    if (!log_limit_allows(&self->denials, link_now(link), &left_out))
        return;
    const struct log_field count = {.name = "left_out", .number = left_out};
    tls_identity_describe(link->peer.identity, who, sizeof who);
    log_write_fields(LOG_WARNING, LINK_ABOUT(link), &count, left_out > 0,
                     "the peer offers %s, which %s not allow %s: it gets no connections",
                     denied->text, denied->count == 1 ? "does" : "do", who);
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* True if the peer should have it: it is named, or there is no other. Of many that a pattern
 * lets in, one is enough. */
static bool is_expected(const struct link *link, const struct service *service)
{
    const struct config_service *rules = atomic_load(&service->rules);
    size_t rank = rank_of(link, service);
    return rank != MAY_NOT && !(rules->allow.count && strchr(rules->allow.list[rank], '*'));
}

void services_offered(struct services *self, struct link *link, const char *const *names,
                      size_t count, bool complete)
{
    struct list denied = {0}, missing = {0};
    link->peer.offered = check_alloc(self->count * sizeof *link->peer.offered);
    for (size_t i = 0; i < self->count; i++) {
        const struct service *service = &self->list[i].service;
        if (!is_listening(service))
            continue;
        bool named = is_among(service->config->name, names, count);
        link->peer.offered[i] = named || !complete;
        if (named && !may_serve(link, service))
            add(&denied, service->config->name);
        if (!link->peer.offered[i] && is_expected(link, service))
            add(&missing, service->config->name);
    }
    if (denied.count)
        tell_denied(self, link, &denied);
    if (missing.count)
        log_write(LOG_WARNING, LINK_ABOUT(link),
                  "far end has no \"connect\" for %s: connections are refused, unless another "
                  "peer serves them",
                  missing.text);
}
