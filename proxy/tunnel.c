#include "proxy/tunnel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/link.h"
#include "proxy/quota.h"
#include "proxy/sessions.h"
#include "proxy/worker.h"

static bool is_client(const struct tunnel *tunnel)
{
    return tunnel->config->role == CONFIG_CLIENT;
}

void tunnel_transport_options(struct tunnel *tunnel, struct transport_options *options)
{
    const struct config_tunnel *config = tunnel->config;
    *options = (struct transport_options){
        /* stream 0 is the control channel, the last one is for renewals of the master */
        .streams = (uint16_t)(config->streams_max + 2),
        .max_associations = is_client(tunnel) ? 1 : config->max_peers + TUNNEL_UNVERIFIED_MAX,
        .distrusts = true,
        .connect_timeout_us = config->connect_timeout_us,
        .heartbeat_us = config->heartbeat_us,
        .dead_after_us = config->dead_after_us,
        .mtu = config->mtu,
        .mtu_found = &tunnel->mtu_found,
        .rto_initial_us = config->rto_initial_us,
        .rto_min_us = config->rto_min_us,
        .rto_max_us = config->rto_max_us,
        .path_retransmissions = config->path_retransmissions,
        .failing_after = config->failing_after,
        .association_retransmissions = config->association_retransmissions,
        .encap_port = config->encap_port,
        .buffer_bytes = config->buffer,
        .auth = config->sctp_auth,
    };
}

void tunnel_carry(struct tunnel *tunnel, struct connection *connection)
{
    struct link *link = tunnel_services_carrier(connection->service);
    connection_set_peer(connection, NULL, 0);
    if (atomic_load(&tunnel->draining))
        connection_end(connection, ERR_DRAINING, NULL);
    else if (link)
        link_carry(link, connection);
    else
        tunnel_waiting_park(tunnel, connection);
}

/* ---- links ---- */

void tunnel_link_ready(struct tunnel *tunnel, struct link *link)
{
    if (is_client(tunnel)) { /* a server goes on listening */
        tunnel->state = "up";
        tunnel_attempt_succeeded(tunnel, link);
    }
    tunnel_services_ready(link);
    if (atomic_load(&tunnel->draining))
        link_drain(link);
}

void tunnel_link_gone(struct tunnel *tunnel, struct link *link)
{
    if (link->previous)
        link->previous->next = link->next;
    else
        tunnel->links = link->next;
    if (link->next)
        link->next->previous = link->previous;
    tunnel_services_gone(link);
    if (!is_client(tunnel) || link->beaten)
        return;
    tunnel->state = "down";
    if (!atomic_load(&tunnel->draining))
        tunnel_attempt_again(tunnel, link);
}

/* ---- life ---- */

struct tunnel *tunnel_new(const struct config_tunnel *config, size_t index,
                          const struct tunnel_shared *shared, char *why, size_t why_size)
{
    struct carriers carriers;
    char reason[256];
    if (carriers_find(&carriers, config->transport, reason, sizeof(reason)) < 0) {
        snprintf(why, why_size, "tunnel \"%s\": transport \"%s\" is not possible here: %s",
                 config->name, config->transport, reason);
        return NULL;
    }
    if (tunnel_check_rules(config, why, why_size) != ERR_OK)
        return NULL;
    struct tunnel *tunnel = check_alloc(sizeof(*tunnel));
    tunnel->config = config;
    tunnel->carriers = carriers;
    tunnel->home = &shared->workers[carriers_home(&carriers, index, shared->worker_count)];
    tunnel->workers = shared->workers;
    tunnel->worker_count = shared->worker_count;
    tunnel->budget = shared->budget;
    tunnel->promised = credit_promised(shared->budget, config->streams_max, config->window_initial);
    tunnel->sessions = shared->sessions;
    tunnel->credentials = tunnel_load_credentials(config, shared->sessions, tunnel->waits_for,
                                                  sizeof(tunnel->waits_for));
    tunnel_attempt_init(tunnel);
    tunnel_waiting_init(tunnel);
    tunnel->state = !tunnel->credentials ? "waiting" : is_client(tunnel) ? "down" : "listening";
    tunnel->denials.per_minute = 10;
    tunnel->services = check_alloc((config->service_count + 1) * sizeof(*tunnel->services));
    for (size_t i = 0; i < config->service_count; i++) {
        struct service *service = &tunnel->services[i];
        service->config = &config->services[i];
        atomic_init(&service->rules, service->config);
        service->tunnel = tunnel;
        service->index = i;
    }
    return tunnel;
}

void tunnel_stop(struct tunnel *tunnel)
{
    tunnel_endpoints_close(tunnel);
    unverified_end(tunnel);
}

void tunnel_free(struct tunnel *tunnel)
{
    if (!tunnel)
        return;
    must(tunnel_is_gone(tunnel));
    quota_clear(&tunnel->quotas);
    free(tunnel->services);
    tls_credentials_unref(tunnel->credentials);
    free(tunnel);
}

static int open_all(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!is_client(tunnel) && tunnel_endpoints_open(tunnel, why, why_size) < 0)
        return -1;
    for (size_t i = 0; i < tunnel->config->service_count; i++) {
        struct service *service = &tunnel->services[i];
        if (service->config->direction != CONFIG_LISTEN)
            continue;
        if (listener_open(&service->listener, service, tunnel->home, why, why_size) < 0)
            return -1;
        char text[ADDRESS_TEXT_MAX];
        log_write(LOG_INFO,
                  LOG_ABOUT(.tunnel = tunnel->config->name, .service = service->config->name),
                  "listens on %s", address_format(&service->listener.address, text));
    }
    return 0;
}

static void close_listeners(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->config->service_count; i++)
        listener_close(&tunnel->services[i].listener);
}

int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!tunnel->credentials) {
        snprintf(why, why_size, "%s", tunnel->waits_for);
        return -1;
    }
    if (open_all(tunnel, why, why_size) < 0) {
        close_listeners(tunnel);
        tunnel_endpoints_close(tunnel);
        tunnel->state = "waiting";
        return -1;
    }
    tunnel->state = is_client(tunnel) ? "down" : "listening";
    if (is_client(tunnel))
        tunnel_attempt_begin(tunnel);
    return 0;
}

void tunnel_drain(struct tunnel *tunnel)
{
    if (atomic_exchange(&tunnel->draining, true))
        return;
    tunnel_attempt_stop(tunnel);
    tunnel_endpoints_refuse(tunnel);
    close_listeners(tunnel);
    for (struct connection *parked; (parked = tunnel_waiting_unpark(tunnel));)
        connection_end(parked, ERR_DRAINING, NULL);
    for (struct link *link = tunnel->links; link; link = link->next)
        link_drain(link);
}

void tunnel_close(struct tunnel *tunnel, enum err why)
{
    tunnel_drain(tunnel);
    for (struct link *link = tunnel->links; link; link = link->next)
        link_close(link, why, NULL, why == ERR_LOCAL_SHUTDOWN);
}

bool tunnel_is_gone(const struct tunnel *tunnel)
{
    return !tunnel->links && !tunnel->lookup && !loop_timer_is_set(&tunnel->reconnect) &&
           !tunnel->parked_first;
}

struct service *tunnel_find_target(struct tunnel *tunnel, const char *name)
{
    for (size_t i = 0; i < tunnel->config->service_count; i++) {
        struct service *service = &tunnel->services[i];
        if (service->config->direction == CONFIG_CONNECT &&
            strcmp(service->config->name, name) == 0)
            return service;
    }
    return NULL;
}
