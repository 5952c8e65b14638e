#include "proxy/tunnel/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/link/places.h"
#include "proxy/local/connection.h"
#include "proxy/tunnel/sessions.h"
#include "proxy/worker/worker.h"

void tunnel_transport_options(struct tunnel *tunnel, struct transport_options *options)
{
    const struct config_tunnel *config = tunnel->config;
    *options = (struct transport_options){
        /* stream 0 is the control channel, the last one is for renewals of the master */
        .streams = (uint16_t)(config->streams.max + 2),
        .max_associations = tunnel_is_client(tunnel) ? 1 : config->max_peers + UNVERIFIED_SILENT,
        .distrusts = true,
        .connect_timeout_us = config->connect_timeout_us,
        .heartbeat_us = config->sctp.heartbeat_us,
        .dead_after_us = config->sctp.dead_after_us,
        .mtu = config->sctp.mtu,
        .mtu_found = &tunnel->mtu_found,
        .rto_initial_us = config->sctp.rto_initial_us,
        .rto_min_us = config->sctp.rto_min_us,
        .rto_max_us = config->sctp.rto_max_us,
        .path_retransmissions = config->sctp.path_retransmissions,
        .failing_after = config->sctp.failing_after,
        .association_retransmissions = config->sctp.association_retransmissions,
        .encap_port = config->sctp.encap_port,
        .buffer_bytes = config->sctp.buffer,
        .auth = config->sctp.auth,
        .congestion = config->sctp.congestion,
        .sharing = tunnel->sharing,
    };
}

void tunnel_carry(struct tunnel *tunnel, struct connection *connection)
{
    struct link *link = tunnel_services_carrier(tunnel_service_of(connection));
    connection_set_peer(connection, NULL, 0);
    if (atomic_load(&tunnel->base.draining))
        connection_end(connection, ERR_DRAINING, NULL);
    else if (link)
        link_carry(link, connection);
    else
        tunnel_waiting_park(tunnel, connection);
}

/* ---- links ---- */

static void on_up(struct link_owner *owner, struct link *link)
{
    tunnel_race_won(tunnel_of(owner), link);
}

static void on_ready(struct link_owner *owner, struct link *link)
{
    struct tunnel *tunnel = tunnel_of(owner);
    if (tunnel_is_client(tunnel)) { /* a server goes on listening */
        tunnel->state = "up";
        tunnel_attempt_succeeded(tunnel, link);
    }
    tunnel_services_ready(link);
    if (atomic_load(&tunnel->base.draining))
        link_drain(link);
}

static void on_gone(struct link_owner *owner, struct link *link)
{
    struct tunnel *tunnel = tunnel_of(owner);
    tunnel_services_gone(link);
    if (!tunnel_is_client(tunnel) || link->beaten)
        return;
    tunnel->state = "down";
    if (!atomic_load(&tunnel->base.draining))
        tunnel_attempt_again(tunnel, link);
}

static void on_failed(struct link_owner *owner, const struct log_about *about, const char *why)
{
    tunnel_attempt_tell(tunnel_of(owner), about, "%s", why);
}

static void on_services(struct link_owner *owner, struct link *link, const char *const *names,
                        size_t count, bool complete)
{
    (void)owner;
    tunnel_services_offered(link, names, count, complete);
}

static void on_identity(struct link_owner *owner, struct link *link)
{
    (void)link;
    tunnel_services_changed(tunnel_of(owner));
}

static void on_waiting(struct link_owner *owner, struct connection *connection)
{
    tunnel_waiting_begin(tunnel_of(owner), connection);
}

static void on_waited(struct link_owner *owner, struct connection *connection)
{
    (void)owner;
    tunnel_waiting_end(connection);
}

static void on_connection_back(struct link_owner *owner, struct connection *connection)
{
    tunnel_carry(tunnel_of(owner), connection);
}

static struct service *find_target(struct tunnel_base *base, const char *name)
{
    const struct tunnel *tunnel = container_of(base, struct tunnel, base);
    for (size_t i = 0; i < base->config->service_count; i++) {
        struct service *service = &tunnel->services[i].service;
        if (service->config->direction == CONFIG_CONNECT &&
            strcmp(service->config->name, name) == 0)
            return service;
    }
    return NULL;
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
    tunnel_carry(container_of(listener, struct tunnel_service, listener)->tunnel, connection);
}

/* Connections of a service that listens go to one association or another: these share a worker. */
static unsigned count_parts(const struct config_tunnel *config, const struct carriers *carriers,
                            unsigned worker_count)
{
    for (size_t i = 0; i < config->service_count; i++)
        if (config->services[i].direction == CONFIG_LISTEN)
            return 1;
    return config->role == CONFIG_SERVER && carriers_share(carriers) ? worker_count : 1;
}

static struct tunnel *part_new(const struct config_tunnel *config,
                               const struct tunnel_shared *shared, struct tunnel *next)
{
    struct tunnel *tunnel = check_alloc(sizeof(*tunnel));
    tunnel->next_part = next;
    tunnel->config = config;
    tunnel->workers = shared->workers;
    tunnel->worker_count = shared->worker_count;
    tunnel->budget = shared->budget;
    tunnel->promised = credit_promised(shared->budget, config->streams.max, config->window.initial);
    tunnel->sessions = shared->sessions;
    tunnel_attempt_init(tunnel);
    tunnel_waiting_init(tunnel);
    tunnel->denials.per_minute = 10;
    tunnel->services = check_alloc((config->service_count + 1) * sizeof(*tunnel->services));
    tunnel->base = (struct tunnel_base){.config = config,
                                        .counters = &tunnel->counters,
                                        .workers = shared->workers,
                                        .worker_count = shared->worker_count,
                                        .budget = shared->budget,
                                        .promised = tunnel->promised,
                                        .find_target = find_target};
    tunnel->owner.tunnel = &tunnel->base;
    tunnel->owner.events = &link_events;
    tunnel->owner.tickets = shared->sessions->cache;
    for (size_t i = 0; i < config->service_count; i++) {
        tunnel->services[i].tunnel = tunnel;
        tunnel->services[i].listener.on_connection = on_connection;
        tunnel->services[i].service = (struct service){.config = &config->services[i],
                                                       .rules = &config->services[i],
                                                       .index = i,
                                                       .tunnel_name = config->name,
                                                       .counters = &tunnel->counters,
                                                       .budget = shared->budget,
                                                       .promised = tunnel->promised};
    }
    return tunnel;
}

static void share_out(struct tunnel *first, size_t index)
{
    unsigned count = 0;
    for (struct tunnel *part = first; part; part = part->next_part)
        count++;
    struct tunnel *part = first;
    for (unsigned i = 0; part; i++, part = part->next_part) {
        part->home = &first->workers[(index + i) % first->worker_count];
        part->base.home = part->home;
        part->carriers = first->carriers;
        part->first_part = first;
        part->owner.places = first->owner.places;
        part->sharing = (struct sctp_sharing){.index = i, .count = count};
        unverified_init(&part->owner.unverified, &part->sharing);
        memcpy(part->sharing.secret, first->sharing.secret, sizeof(part->sharing.secret));
    }
}

struct tunnel *tunnel_new(const struct config_tunnel *config, size_t index,
                          const struct tunnel_shared *shared, char *why, size_t why_size)
{
    struct carriers carriers;
    struct sctp_sharing sharing = {0};
    char reason[256];
    if (carriers_find(&carriers, config->transport, reason, sizeof(reason)) < 0) {
        snprintf(why, why_size, "tunnel \"%s\": transport \"%s\" is not possible here: %s",
                 config->name, config->transport, reason);
        return NULL;
    }
    if (tunnel_check_rules(config, why, why_size) != ERR_OK)
        return NULL;
    if (getrandom(sharing.secret, sizeof(sharing.secret), 0) != sizeof(sharing.secret)) {
        snprintf(why, why_size, "no random numbers: %m");
        return NULL;
    }
    unsigned count = count_parts(config, &carriers, shared->worker_count);
    struct tunnel *first = part_new(config, shared, NULL);
    while (--count)
        first = part_new(config, shared, first);
    first->carriers = carriers;
    first->sharing = sharing;
    first->owner.places = check_alloc(sizeof(*first->owner.places));
    places_init(first->owner.places, config, shared->budget);
    share_out(first, index);
    tunnel_take_credentials(first,
                            tunnel_load_credentials(config, shared->sessions, first->waits_for,
                                                    sizeof(first->waits_for)));
    return first;
}

void tunnel_take_credentials(struct tunnel *first, struct tls_credentials *credentials)
{
    for (struct tunnel *part = first; part; part = part->next_part) {
        tls_credentials_unref(part->owner.credentials);
        part->owner.credentials = credentials ? tls_credentials_ref(credentials) : NULL;
        part->state = !credentials ? "waiting" : tunnel_is_client(part) ? "down" : "listening";
    }
    tls_credentials_unref(credentials);
}

void tunnel_stop(struct tunnel *tunnel)
{
    tunnel_endpoints_close(tunnel);
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
        free(part->services);
        tls_credentials_unref(part->owner.credentials);
        free(part);
    }
    places_fini(places);
    free(places);
}

static int open_all(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!tunnel_is_client(tunnel) && tunnel_endpoints_open(tunnel, why, why_size) < 0)
        return -1;
    for (size_t i = 0; i < tunnel->config->service_count; i++) {
        const struct service *service = &tunnel->services[i].service;
        struct listener *listener = &tunnel->services[i].listener;
        if (service->config->direction != CONFIG_LISTEN)
            continue;
        if (listener_open(listener, &tunnel->services[i].service, tunnel->home, why, why_size) < 0)
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
        listener_close(&tunnel->services[i].listener);
}

void tunnel_unstart(struct tunnel *tunnel)
{
    close_listeners(tunnel);
    tunnel_endpoints_close(tunnel);
    tunnel->state = "waiting";
}

int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!tunnel->owner.credentials) {
        snprintf(why, why_size, "%s", tunnel->waits_for);
        return -1;
    }
    if (open_all(tunnel, why, why_size) < 0) {
        tunnel_unstart(tunnel);
        return -1;
    }
    tunnel->state = tunnel_is_client(tunnel) ? "down" : "listening";
    if (tunnel_is_client(tunnel))
        tunnel_attempt_begin(tunnel);
    return 0;
}

void tunnel_drain(struct tunnel *tunnel)
{
    if (atomic_exchange(&tunnel->base.draining, true))
        return;
    tunnel_attempt_stop(tunnel);
    tunnel_endpoints_refuse(tunnel);
    close_listeners(tunnel);
    for (struct connection *parked; (parked = tunnel_waiting_unpark(tunnel));)
        connection_end(parked, ERR_DRAINING, NULL);
    for (struct link *link = tunnel->owner.links; link; link = link->next)
        link_drain(link);
}

void tunnel_close(struct tunnel *tunnel, enum err why)
{
    tunnel_drain(tunnel);
    for (struct link *link = tunnel->owner.links; link; link = link->next)
        link_close(link, why, NULL, why == ERR_LOCAL_SHUTDOWN);
}

bool tunnel_is_gone(const struct tunnel *tunnel)
{
    return !tunnel->owner.links && !tunnel->lookup && !loop_timer_is_set(&tunnel->reconnect) &&
           TAILQ_EMPTY(&tunnel->parked);
}
