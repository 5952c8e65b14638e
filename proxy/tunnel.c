#include "proxy/tunnel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/connection.h"
#include "proxy/link.h"
#include "proxy/worker.h"

static bool is_client(const struct tunnel *tunnel)
{
    return tunnel->config->role == CONFIG_CLIENT;
}

static uint64_t now(const struct tunnel *tunnel)
{
    return loop_now(tunnel->home->loop);
}

void tunnel_transport_options(const struct tunnel *tunnel, struct transport_options *options)
{
    const struct config_tunnel *config = tunnel->config;
    *options = (struct transport_options){
        /* stream 0 is the control channel, the last one is for renewals of the master */
        .streams = (uint16_t)(config->streams_max + 2),
        .max_associations = is_client(tunnel) ? 1 : config->max_peers,
        .connect_timeout_us = config->connect_timeout_us,
        .heartbeat_us = config->heartbeat_us,
        .dead_after_us = config->dead_after_us,
        .mtu = config->mtu,
    };
}

/* ---- a client's endless attempt ---- */

static void attempt(struct tunnel *tunnel);

static void on_reconnect(struct loop_timer *timer)
{
    attempt(container_of(timer, struct tunnel, reconnect));
}

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

static void connect_to(struct tunnel *tunnel, const struct address *remote)
{
    char why[256], text[ADDRESS_TEXT_MAX];
    tunnel->state = "connecting";
    if (link_connect(tunnel, remote, why, sizeof(why)))
        return;
    log_write(LOG_WARNING,
              LOG_ABOUT(.tunnel = tunnel->config->name, .peer = address_format(remote, text)),
              "no association: %s", why);
    attempt_later(tunnel);
}

struct remote_lookup {
    struct resolver_query query;
    struct tunnel *tunnel; /* NULL: the tunnel has closed */
};

static void on_resolved(struct resolver_query *query)
{
    struct remote_lookup *lookup = container_of(query, struct remote_lookup, query);
    struct tunnel *tunnel = lookup->tunnel;
    struct address address = query->addresses[0];
    int count = query->count;
    const char *why = query->why;
    char host[256];
    snprintf(host, sizeof(host), "%s", query->host);
    if (tunnel) {
        /* A name with several addresses: another one at each attempt. */
        if (count > 1)
            address = query->addresses[tunnel->attempts % (unsigned)count];
        tunnel->lookup = NULL;
    }
    free(lookup);
    if (!tunnel)
        return;
    if (count) {
        connect_to(tunnel, &address);
        return;
    }
    log_write(LOG_WARNING, LOG_ABOUT(.tunnel = tunnel->config->name, .peer = host),
              "no association: the name cannot be resolved: %s", why);
    attempt_later(tunnel);
}

static void attempt(struct tunnel *tunnel)
{
    const struct config_tunnel *config = tunnel->config;
    const struct endpoint *remote = &config->remote[tunnel->attempts++ % config->remote_count];
    if (!remote->needs_lookup) {
        connect_to(tunnel, &remote->address);
        return;
    }
    struct remote_lookup *lookup = check_alloc(sizeof(*lookup));
    lookup->tunnel = tunnel;
    lookup->query = (struct resolver_query){.on_answer = on_resolved,
                                            .reply_to = &tunnel->home->mailbox,
                                            .host = remote->host,
                                            .port = remote->port};
    tunnel->lookup = &lookup->query;
    tunnel->state = "resolving";
    resolver_ask(tunnel->home->resolver, tunnel->lookup);
}

static void stop_attempts(struct tunnel *tunnel)
{
    loop_timer_cancel(tunnel->home->loop, &tunnel->reconnect);
    if (tunnel->lookup)
        container_of(tunnel->lookup, struct remote_lookup, query)->tunnel = NULL;
    tunnel->lookup = NULL;
}

/* ---- parked connections ---- */

static struct connection *unpark_first(struct tunnel *tunnel)
{
    struct connection *connection = tunnel->parked_first;
    tunnel->parked_first = connection->list_next;
    if (!tunnel->parked_first)
        tunnel->parked_last = NULL;
    connection->list_next = NULL;
    tunnel->parked_count--;
    counter_sub(&tunnel->counters.connections_waiting, 1);
    return connection;
}

static void set_parked_timer(struct tunnel *tunnel)
{
    if (tunnel->parked_first)
        loop_timer_set(tunnel->home->loop, &tunnel->parked_timer,
                       tunnel->parked_first->parked_us + tunnel->config->waiting_timeout_us);
    else
        loop_timer_cancel(tunnel->home->loop, &tunnel->parked_timer);
}

static void on_parked_timer(struct loop_timer *timer)
{
    struct tunnel *tunnel = container_of(timer, struct tunnel, parked_timer);
    uint64_t limit = tunnel->config->waiting_timeout_us;
    while (tunnel->parked_first && tunnel->parked_first->parked_us + limit <= now(tunnel))
        connection_end(unpark_first(tunnel), ERR_TUNNEL_DOWN, NULL);
    set_parked_timer(tunnel);
}

static void park(struct tunnel *tunnel, struct connection *connection)
{
    if (tunnel->parked_count >= tunnel->config->waiting_max) {
        connection_end(connection, ERR_QUEUE_FULL, NULL);
        return;
    }
    connection->parked_us = now(tunnel);
    connection->list_next = NULL;
    if (tunnel->parked_last)
        tunnel->parked_last->list_next = connection;
    else
        tunnel->parked_first = connection;
    tunnel->parked_last = connection;
    tunnel->parked_count++;
    counter_add(&tunnel->counters.connections_waiting, 1);
    if (!loop_timer_is_set(&tunnel->parked_timer))
        set_parked_timer(tunnel);
}

static struct link *usable_link(const struct tunnel *tunnel)
{
    for (struct link *link = tunnel->links; link; link = link->next)
        if (link->state == LINK_READY && !link->peer_leaving)
            return link;
    return NULL;
}

void tunnel_carry(struct tunnel *tunnel, struct connection *connection)
{
    struct link *link = usable_link(tunnel);
    if (atomic_load(&tunnel->draining))
        connection_end(connection, ERR_DRAINING, NULL);
    else if (link)
        link_carry(link, connection);
    else
        park(tunnel, connection);
}

/* ---- links ---- */

void tunnel_link_ready(struct tunnel *tunnel, struct link *link)
{
    if (is_client(tunnel)) /* a server goes on listening */
        tunnel->state = "up";
    tunnel->backoff_us = tunnel->config->reconnect_min_us;
    while (tunnel->parked_first)
        link_carry(link, unpark_first(tunnel));
    set_parked_timer(tunnel);
    if (atomic_load(&tunnel->draining))
        link_drain(link);
}

void tunnel_link_gone(struct tunnel *tunnel, struct link *link, bool was_ready)
{
    (void)was_ready;
    if (link->previous)
        link->previous->next = link->next;
    else
        tunnel->links = link->next;
    if (link->next)
        link->next->previous = link->previous;
    if (!is_client(tunnel))
        return;
    tunnel->state = "down";
    if (!atomic_load(&tunnel->draining))
        attempt_later(tunnel);
}

/* Peers that are not verified yet may not keep others out: beyond so many the oldest makes room. */
#define UNVERIFIED_MAX 128

static void make_room(struct tunnel *tunnel)
{
    struct link *oldest = NULL;
    unsigned unverified = 0;
    for (struct link *link = tunnel->links; link; link = link->next) {
        if (link->state != LINK_CONNECTING && link->state != LINK_MASTER)
            continue;
        unverified++;
        oldest = link; /* newest first */
    }
    if (unverified >= UNVERIFIED_MAX)
        link_close(oldest, ERR_TLS_TIMEOUT, "made room for newer peers", false);
}

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    struct tunnel *tunnel = container_of(acceptor, struct tunnel_endpoint, acceptor)->tunnel;
    if (atomic_load(&tunnel->draining))
        return NULL;
    make_room(tunnel);
    return link_accept(tunnel, association, peer);
}

/* ---- life ---- */

static struct tls_credentials *load_credentials(const struct config_tunnel *config, char *why,
                                                size_t why_size)
{
    const struct config_tls *tls = &config->tls;
    const struct tls_options options = {
        .role = config->role == CONFIG_CLIENT ? TLS_CLIENT : TLS_SERVER,
        .ca = tls->ca,
        .cert = tls->cert,
        .key = tls->key,
        .priority = tls->priority,
        .peer = tls->peer,
        .allow = (const char *const *)tls->allow,
        .allow_count = tls->allow_count,
        .ticket_lifetime_s = (uint32_t)(tls->ticket_lifetime_us / 1000000),
        .resume = tls->resume_required ? TLS_RESUME_REQUIRE : TLS_RESUME_PREFER,
    };
    struct tls_credentials *credentials = NULL;
    char reason[512];
    if (tls_credentials_new(&options, &credentials, reason, sizeof(reason)) != ERR_OK)
        snprintf(why, why_size, "tunnel \"%s\": %s", config->name, reason);
    return credentials;
}

struct tunnel *tunnel_new(const struct config_tunnel *config, struct worker *workers,
                          unsigned worker_count, struct mux_budget *budget, char *why,
                          size_t why_size)
{
    struct tls_credentials *credentials = load_credentials(config, why, why_size);
    if (!credentials)
        return NULL;
    struct tunnel *tunnel = check_alloc(sizeof(*tunnel));
    tunnel->config = config;
    tunnel->ops = transport_find(config->transport);
    tunnel->home = &workers[0];
    tunnel->workers = workers;
    tunnel->worker_count = worker_count;
    tunnel->budget = budget;
    tunnel->credentials = credentials;
    tunnel->backoff_us = config->reconnect_min_us;
    tunnel->reconnect.on_expire = on_reconnect;
    tunnel->parked_timer.on_expire = on_parked_timer;
    tunnel->state = is_client(tunnel) ? "down" : "listening";
    tunnel->services = check_alloc((config->service_count + 1) * sizeof(*tunnel->services));
    for (size_t i = 0; i < config->service_count; i++) {
        struct service *service = &tunnel->services[i];
        service->config = &config->services[i];
        service->tunnel = tunnel;
        service->index = i;
    }
    return tunnel;
}

void tunnel_stop(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->endpoint_count; i++)
        transport_free(tunnel->endpoints[i].transport);
    tunnel->endpoint_count = 0;
}

void tunnel_free(struct tunnel *tunnel)
{
    if (!tunnel)
        return;
    must(tunnel_is_gone(tunnel));
    free(tunnel->endpoints);
    free(tunnel->services);
    tls_ticket_free(tunnel->ticket);
    tls_credentials_unref(tunnel->credentials);
    free(tunnel);
}

static int open_endpoints(struct tunnel *tunnel, char *why, size_t why_size)
{
    const struct config_tunnel *config = tunnel->config;
    struct transport_options options;
    tunnel_transport_options(tunnel, &options);
    tunnel->endpoints = check_alloc((config->local_count + 1) * sizeof(*tunnel->endpoints));
    for (size_t i = 0; i < config->local_count; i++) {
        struct tunnel_endpoint *endpoint = &tunnel->endpoints[i];
        endpoint->tunnel = tunnel;
        endpoint->acceptor.on_incoming = on_incoming;
        char reason[256];
        if (transport_open(tunnel->ops, tunnel->home->loop, &config->local[i].address, 1, &options,
                           &endpoint->acceptor, &endpoint->transport, reason,
                           sizeof(reason)) != ERR_OK) {
            snprintf(why, why_size, "tunnel \"%s\": cannot use %s: %s", config->name,
                     config->local[i].text, reason);
            return -1;
        }
        tunnel->endpoint_count++;
        char text[ADDRESS_TEXT_MAX];
        log_write(LOG_INFO, LOG_ABOUT(.tunnel = config->name), "waits for peers on %s (%s)",
                  address_format(transport_local(endpoint->transport), text), tunnel->ops->name);
    }
    return 0;
}

int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size)
{
    if (!is_client(tunnel) && open_endpoints(tunnel, why, why_size) < 0)
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
    if (is_client(tunnel))
        attempt(tunnel);
    return 0;
}

void tunnel_drain(struct tunnel *tunnel)
{
    if (atomic_exchange(&tunnel->draining, true))
        return;
    stop_attempts(tunnel);
    for (size_t i = 0; i < tunnel->config->service_count; i++)
        listener_close(&tunnel->services[i].listener);
    while (tunnel->parked_first)
        connection_end(unpark_first(tunnel), ERR_DRAINING, NULL);
    set_parked_timer(tunnel);
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
