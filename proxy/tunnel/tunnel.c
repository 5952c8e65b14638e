/* One configured tunnel: wires its parts, and begins and ends them. */
#include "proxy/tunnel/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "mux/credit.h"
#include "proxy/link/link.h"
#include "proxy/link/places.h"
#include "proxy/local/connection.h"
#include "proxy/tunnel/credentials.h"
#include "proxy/tunnel/sessions.h"

static struct tunnel *tunnel_of(struct link_owner *owner)
{
    return container_of(owner, struct tunnel, owner);
}

enum tunnel_state tunnel_state(const struct tunnel *tunnel)
{
    static const enum tunnel_state of_attempt[] = {
        [ATTEMPT_DOWN] = TUNNEL_DOWN,
        [ATTEMPT_WAITING] = TUNNEL_WAITING,
        [ATTEMPT_RESOLVING] = TUNNEL_RESOLVING,
        [ATTEMPT_CONNECTING] = TUNNEL_CONNECTING,
        [ATTEMPT_UP] = TUNNEL_UP,
    };
    if (!tunnel->begun)
        return TUNNEL_WAITING;
    return tunnel_is_client(tunnel) ? of_attempt[tunnel->attempt.state] : TUNNEL_LISTENING;
}

/* Leases a stream for the connection, or lets it wait for one, or parks it until an association is
 * up. Owns: consumed. */
static void carry(struct tunnel *tunnel, struct connection *connection)
{
    struct link *link = services_link(services_of(connection));
    connection_set_peer(connection, NULL, 0);
    if (atomic_load(&tunnel->base.draining))
        connection_end(connection, ERR_DRAINING, NULL);
    else if (link)
        link_carry(link, connection);
    else
        waiting_park(&tunnel->waiting, connection);
}

void tunnel_services_changed(struct tunnel *tunnel)
{
    services_changed(&tunnel->services);
    waiting_release(&tunnel->waiting);
}

/* ---- links ---- */

static void on_up(struct link_owner *owner, struct link *link)
{
    attempt_won(&tunnel_of(owner)->attempt, link);
}

static void on_ready(struct link_owner *owner, struct link *link)
{
    struct tunnel *tunnel = tunnel_of(owner);
    if (tunnel_is_client(tunnel)) /* a server goes on listening */
        attempt_succeeded(&tunnel->attempt, link);
    services_ready(&tunnel->services, link);
    waiting_release(&tunnel->waiting);
    if (atomic_load(&tunnel->base.draining))
        link_drain(link);
}

static void on_gone(struct link_owner *owner, struct link *link)
{
    struct tunnel *tunnel = tunnel_of(owner);
    services_gone(&tunnel->services, link);
    if (tunnel_is_client(tunnel) && !link->life.is_beaten)
        attempt_lost(&tunnel->attempt, link, !atomic_load(&tunnel->base.draining));
}

static void on_failed(struct link_owner *owner, const struct log_about *about, const char *why)
{
    outage_tell(&tunnel_of(owner)->attempt.outage, loop_now(owner->tunnel->home->loop), about, "%s",
                why);
}

static void on_services(struct link_owner *owner, struct link *link, const char *const *names,
                        size_t count, bool complete)
{
    services_offered(&tunnel_of(owner)->services, link, names, count, complete);
}

static void on_identity(struct link_owner *owner, struct link *link)
{
    (void)link;
    tunnel_services_changed(tunnel_of(owner));
}

static void on_waiting(struct link_owner *owner, struct connection *connection)
{
    waiting_begin(&tunnel_of(owner)->waiting, connection);
}

static void on_waited(struct link_owner *owner, struct connection *connection)
{
    (void)owner;
    waiting_end(connection);
}

static void on_connection_back(struct link_owner *owner, struct connection *connection)
{
    carry(tunnel_of(owner), connection);
}

static struct service *find_target(struct tunnel_base *base, const char *name)
{
    return services_find_target(&container_of(base, struct tunnel, base)->services, name);
}

static const struct link_events link_events = {
    .on_up = on_up,
    .on_ready = on_ready,
    .on_gone = on_gone,
    .on_failed = on_failed,
    .on_services = on_services,
    .on_identity = on_identity,
    .on_waiting = on_waiting,
    .on_waited = on_waited,
    .on_connection_back = on_connection_back,
};

/* ---- life ---- */

static void on_connection(struct listener *listener, struct connection *connection)
{
    struct services *services = container_of(listener, struct tunnel_service, listener)->all;
    carry(container_of(services, struct tunnel, services), connection);
}

/* Connections of a service that listens go to one association or another: these share a worker. */
static unsigned count_parts(const struct config_tunnel *config, const struct transports *transports,
                            unsigned worker_count)
{
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].direction == CONFIG_LISTEN)
            return 1;
    return config->role == CONFIG_SERVER && transports_share(transports) ? worker_count : 1;
}

static struct tunnel *part_new(const struct config_tunnel *config,
                               const struct tunnel_shared *shared, struct tunnel *next)
{
    struct tunnel *tunnel = check_alloc(sizeof *tunnel);
    tunnel->config = config;
    tunnel->next_part = next;
    tunnel->sessions = shared->sessions;
    tunnel->base = (struct tunnel_base){
        .config = config,
        .counters = &tunnel->counters,
        .workers = shared->workers,
        .worker_count = shared->worker_count,
        .budget = shared->budget,
        .promised = credit_promised(shared->budget, config->streams.max, config->window.initial),
        .find_target = find_target};
    tunnel->owner.tunnel = &tunnel->base;
    tunnel->owner.events = &link_events;
    tunnel->owner.tickets = shared->sessions->cache;
    attempt_init(&tunnel->attempt, &tunnel->owner, &tunnel->transports);
    waiting_init(&tunnel->waiting, &tunnel->owner, tunnel->attempt.outage.why);
    services_init(&tunnel->services, &tunnel->owner, &tunnel->waiting);
    for (size_t i = 0; i < config->service_count; i++)
        tunnel->services.list[i].listener.on_connection = on_connection;
    return tunnel;
}

/* Makes a part: its own members, and those that all parts share. */
static void share_out(struct tunnel *first, size_t index, const struct transports *transports)
{
    unsigned count = 0, i = 0;
    for (struct tunnel *part = first; part; part = part->next_part)
        count++;
    for (struct tunnel *part = first; part; part = part->next_part, i++) {
        part->base.home = &first->base.workers[(index + i) % first->base.worker_count];
        part->first_part = first;
        part->owner.places = first->owner.places;
        part->transports = *transports;
        part->transports.sharing.index = i;
        part->transports.sharing.count = count;
        unverified_init(&part->owner.unverified, &part->transports.sharing);
    }
}

struct tunnel *tunnel_new(const struct config_tunnel *config, size_t index,
                          const struct tunnel_shared *shared, char *why, size_t why_size)
{
    struct transports transports;
    char reason[256];
    if (transports_find(&transports, config->transport, reason, sizeof reason) < 0) {
        snprintf(why, why_size, "tunnel \"%s\": transport \"%s\" is not possible here: %s",
                 config->name, config->transport, reason);
        return NULL;
    }
    if (credentials_check_rules(config, why, why_size) != ERR_OK)
        return NULL;
    if (getrandom(transports.sharing.secret, sizeof transports.sharing.secret, 0) !=
        sizeof transports.sharing.secret) {
        snprintf(why, why_size, "no random numbers: %m");
        return NULL;
    }
    unsigned count = count_parts(config, &transports, shared->worker_count);
    struct tunnel *first = part_new(config, shared, NULL);
    while (--count)
        first = part_new(config, shared, first);
    first->owner.places = check_alloc(sizeof *first->owner.places);
    places_init(first->owner.places, config, shared->budget);
    share_out(first, index, &transports);
    struct tls_credentials *credentials;
    credentials_load(config, shared->sessions, &credentials, first->waits_for,
                     sizeof first->waits_for);
    for (struct tunnel *part = first; credentials && part; part = part->next_part)
        part->owner.credentials = tls_credentials_ref(credentials);
    tls_credentials_unref(credentials);
    return first;
}

void tunnel_stop(struct tunnel *tunnel)
{
    endpoints_close(&tunnel->endpoints);
    unverified_end(&tunnel->owner);
}

void tunnel_free(struct tunnel *tunnel)
{
    if (!tunnel)
        return;
    struct places *places = tunnel->owner.places;
    for (struct tunnel *part = tunnel, *next; part; part = next) {
        must(tunnel_is_gone(part));
        next = part->next_part;
        services_fini(&part->services);
        tls_credentials_unref(part->owner.credentials);
        free(part);
    }
    places_fini(places);
    free(places);
}

static int open_all(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!tunnel_is_client(tunnel) &&
        endpoints_open(&tunnel->endpoints, &tunnel->first_part->endpoints, &tunnel->owner,
                       &tunnel->transports, why, why_size) < 0)
        return -1;
    for (size_t i = 0; i < tunnel->config->service_count; i++) {
        struct service *service = &tunnel->services.list[i].service;
        struct listener *listener = &tunnel->services.list[i].listener;
        if (service->config->direction != CONFIG_LISTEN)
            continue;
        if (listener_open(listener, service, tunnel->base.home, why, why_size) < 0)
            return -1;
        char text[ADDRESS_TEXT_MAX];
        log_write(LOG_INFO,
                  LOG_ABOUT(.tunnel = tunnel->config->name, .service = service->config->name),
                  "listens on %s", address_format(&listener->address, text));
    }
    return 0;
}

static void close_listeners(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->config->service_count; i++)
        listener_close(&tunnel->services.list[i].listener);
}

void tunnel_unstart(struct tunnel *tunnel)
{
    close_listeners(tunnel);
    endpoints_close(&tunnel->endpoints);
    tunnel->begun = false;
}

int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size)
{
    worker_assert(tunnel->base.home);
    if (!tunnel->owner.credentials) {
        snprintf(why, why_size, "%s", tunnel->waits_for);
        return -1;
    }
    if (open_all(tunnel, why, why_size) < 0) {
        tunnel_unstart(tunnel);
        return -1;
    }
    tunnel->begun = true;
    if (tunnel_is_client(tunnel))
        attempt_begin(&tunnel->attempt);
    return 0;
}

void tunnel_drain(struct tunnel *tunnel)
{
    worker_assert(tunnel->base.home);
    if (atomic_exchange(&tunnel->base.draining, true))
        return;
    attempt_stop(&tunnel->attempt);
    endpoints_refuse(&tunnel->endpoints);
    close_listeners(tunnel);
    for (struct connection *parked; (parked = waiting_unpark(&tunnel->waiting));)
        connection_end(parked, ERR_DRAINING, NULL);
    for (struct link *link = tunnel->owner.links; link; link = link->next)
        link_drain(link);
}

static unsigned leases_of(const struct link *link)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < link->streams.count; i++)
        count += link->streams.list[i].lease != LEASE_NONE;
    return count;
}

void tunnel_close(struct tunnel *tunnel, enum err why)
{
    tunnel_drain(tunnel);
    for (struct link *link = tunnel->owner.links; link; link = link->next) {
        unsigned count = leases_of(link);
        char detail[64] = "";
        if (count && why == ERR_DRAIN_TIMEOUT)
            snprintf(detail, sizeof detail, "%u connection%s reset", count, count == 1 ? "" : "s");
        link_close(link, why, detail, why == ERR_LOCAL_SHUTDOWN);
    }
}

bool tunnel_is_gone(const struct tunnel *tunnel)
{
    worker_assert(tunnel->base.home);
    return !tunnel->owner.links && attempt_is_over(&tunnel->attempt) &&
           TAILQ_EMPTY(&tunnel->waiting.parked);
}
