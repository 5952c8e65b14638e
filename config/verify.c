#include "config/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/endpoints.h"

#define THREADS_MAX 256 /* of options.def */

static void derive_threads(struct loading *loading)
{
    struct config *config = loading->config;
    if (loading_is_given(loading, &config->threads))
        return;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    config->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (uint32_t)cores;
}

/* initial and max of one group: a default initial gives way to a smaller max. */
static void verify_growth(struct loading *loading, const struct config_tunnel *tunnel,
                          uint32_t *initial, const uint32_t *max, const char *group)
{
    if (*initial <= *max)
        return;
    if (!loading_is_given(loading, initial)) {
        *initial = *max;
        return;
    }
    complain(loading, ERROR, initial, tunnel,
             "%s.initial = %" PRIu32 " is more than %s.max = %" PRIu32 "%s; raise max or lower "
             "initial",
             group, *initial, group, *max, loading_is_given(loading, max) ? "" : " (its default)");
}

/* What is not given gives way. */
static void verify_reconnect(struct loading *loading, struct config_tunnel *tunnel)
{
    if (tunnel->reconnect.min_us <= tunnel->reconnect.max_us)
        return;
    if (!loading_is_given(loading, &tunnel->reconnect.max_us))
        tunnel->reconnect.max_us = tunnel->reconnect.min_us;
    else if (!loading_is_given(loading, &tunnel->reconnect.min_us))
        tunnel->reconnect.min_us = tunnel->reconnect.max_us;
    else
        complain(loading, ERROR, &tunnel->reconnect.min_us, tunnel,
                 "reconnect.min = %g is more than reconnect.max = %g; swap them",
                 (double)tunnel->reconnect.min_us / 1e6, (double)tunnel->reconnect.max_us / 1e6);
}

static void verify_times(struct loading *loading, struct config_tunnel *tunnel)
{
    verify_reconnect(loading, tunnel);
    if (tunnel->sctp.heartbeat_us >= tunnel->sctp.dead_after_us)
        complain(loading, ERROR,
                 loading_is_given(loading, &tunnel->sctp.heartbeat_us)
                     ? &tunnel->sctp.heartbeat_us
                     : &tunnel->sctp.dead_after_us,
                 tunnel,
                 "heartbeat = %g is not shorter than dead_after = %g; a peer would be given up "
                 "before it can answer",
                 (double)tunnel->sctp.heartbeat_us / 1e6, (double)tunnel->sctp.dead_after_us / 1e6);
}

static void verify_share(struct loading *loading, const struct config_tunnel *tunnel,
                         struct config_service *service)
{
    bool has_min = loading_is_given(loading, &service->streams.min);
    bool has_max = loading_is_given(loading, &service->streams.max);
    if (!has_min && !has_max)
        return;
    if (!has_max)
        service->streams.max = tunnel->streams.max;
    if (service->streams.min > service->streams.max)
        complain(loading, ERROR, &service->streams.min, service,
                 "streams.min = %" PRIu32 " is more than %sstreams.max = %" PRIu32
                 "; lower min or raise max",
                 service->streams.min, has_max ? "" : "the tunnel's ", service->streams.max);
    if (has_max && service->streams.max > tunnel->streams.max)
        complain(loading, WARNING, &service->streams.max, service,
                 "streams.max = %" PRIu32 " is more than the tunnel has (%" PRIu32
                 "); the tunnel's streams.max decides",
                 service->streams.max, tunnel->streams.max);
}

static void verify_service(struct loading *loading, const struct config_tunnel *tunnel,
                           struct config_service *service)
{
    bool listens = service->direction == CONFIG_LISTEN;
    bool is_unix = !service->endpoint.needs_lookup && service->endpoint.text &&
                   service->endpoint.address.any.sa_family == AF_UNIX;
    verify_share(loading, tunnel, service);
    if (listens && loading_is_given(loading, &service->connect_timeout_us))
        complain(loading, WARNING, &service->connect_timeout_us, service,
                 "connect_timeout has no effect with listen; it belongs to the end with connect");
    if (loading_is_given(loading, &service->socket_mode) && !(listens && is_unix))
        complain(loading, WARNING, &service->socket_mode, service,
                 "socket_mode has no effect here; it is for listen = \"unix:…\"");
    if (listens && !service->allow.count && verify_tls_admits_several(tunnel))
        complain(loading, ERROR, &service->endpoint, service,
                 "service \"%s\" listens at the server, and tls lets more than one client in: any "
                 "of them could take its connections; say who may, with allow = [ \"name of the "
                 "client\" ]; in the service",
                 service->name ? service->name : "");
    if (listens && is_unix)
        verify_files_directory(loading, service->endpoint.address.un.sun_path, "the socket",
                               &service->endpoint);
}

static void verify_services(struct loading *loading, struct config_tunnel *tunnel)
{
    uint64_t reserved = 0;
    bool others = false; /* services that keep none need at least one that nobody keeps */
    for (size_t i = 0; i < tunnel->service_count; i++) {
        struct config_service *service = &tunnel->services[i];
        verify_service(loading, tunnel, service);
        reserved += service->streams.min;
        others |= service->direction == CONFIG_LISTEN && !service->streams.min;
        for (size_t j = 0; j < i && service->name; j++)
            if (tunnel->services[j].name && strcmp(tunnel->services[j].name, service->name) == 0) {
                complain(loading, ERROR, &service->name, service,
                         "service \"%s\" is there twice, first in line %u; give each its own name",
                         service->name,
                         loading_place(loading, &tunnel->services[j].name, NULL).line);
                break;
            }
    }
    if (reserved + others > tunnel->streams.max)
        complain(loading, ERROR, &tunnel->streams.max, tunnel,
                 "the services keep %" PRIu64 " streams for themselves (the sum of streams.min)%s, "
                 "but streams.max = %" PRIu32 "%s; raise it or keep fewer",
                 reserved, others ? " and others need some too" : "", tunnel->streams.max,
                 loading_is_given(loading, &tunnel->streams.max) ? "" : " (its default)");
    if (!tunnel->service_count && !loading_is_given(loading, &tunnel->services))
        complain(
            loading, WARNING, tunnel, tunnel,
            "the tunnel has no services, so nothing can go through it; write services = ( { … } "
            ");");
}

static void verify_tunnel(struct loading *loading, struct config_tunnel *tunnel,
                          check_pair_function check_pair)
{
    const struct config *config = loading->config;
    verify_limits_derive(loading, tunnel);
    verify_growth(loading, tunnel, &tunnel->streams.initial, &tunnel->streams.max, "streams");
    verify_growth(loading, tunnel, &tunnel->window.initial, &tunnel->window.max, "window");
    verify_limits(loading, tunnel);
    verify_times(loading, tunnel);
    verify_paths_clock(loading, tunnel);
    verify_paths_addresses(loading, tunnel);
    verify_tls(loading, tunnel);
    verify_services(loading, tunnel);
    verify_files_tls(loading, tunnel, check_pair);
    for (const struct config_tunnel *other = config->tunnels; other < tunnel; other++)
        if (tunnel->name && other->name && strcmp(tunnel->name, other->name) == 0) {
            complain(loading, ERROR, &tunnel->name, tunnel,
                     "tunnel \"%s\" is there twice, first in line %u; give each its own name",
                     tunnel->name, loading_place(loading, &other->name, other).line);
            break;
        }
}

/* Something that is bound. */
struct binding {
    const struct endpoint *endpoint;
    const void *field; /* whose place is named */
    enum { BINDS_TCP = 1, BINDS_UDP = 2, BINDS_SCTP = 4 } protocols;
};

static int protocols_of(const char *transport)
{
    return strcmp(transport, "kernel") == 0 ? BINDS_SCTP
           : strcmp(transport, "auto") == 0 ? BINDS_UDP | BINDS_SCTP
                                            : BINDS_UDP;
}

static void verify_binding(struct loading *loading, struct binding *bindings, size_t count,
                           struct binding one)
{
    for (size_t i = 0; i < count; i++) {
        const struct binding *other = &bindings[i];
        /* Two of one tunnel: verify_paths_addresses has better words for them. */
        if (!(other->protocols & one.protocols) || other->field == one.field ||
            !endpoints_collide(&other->endpoint->address, &one.endpoint->address))
            continue;
        complain(loading, ERROR, one.field, NULL,
                 "\"%s\" is taken already, by \"%s\" in line %u; use another %s",
                 one.endpoint->text, other->endpoint->text,
                 loading_place(loading, other->field, NULL).line,
                 one.endpoint->address.any.sa_family == AF_UNIX ? "path" : "port");
        break;
    }
    bindings[count] = one;
}

static bool is_bound(const struct endpoint *endpoint)
{
    return endpoint->text && !endpoint->needs_lookup;
}

static void verify_bindings(struct loading *loading)
{
    const struct config *config = loading->config;
    size_t most = 0, count = 0;
    for (size_t i = 0; i < config->tunnel_count; i++)
        most += config->tunnels[i].local_count + config->tunnels[i].service_count;
    struct binding *bindings = check_alloc((most + 1) * sizeof(*bindings));
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        for (size_t j = 0; j < tunnel->local_count; j++)
            if (is_bound(&tunnel->local[j]))
                verify_binding(loading, bindings, count++,
                               (struct binding){&tunnel->local[j], &tunnel->local,
                                                protocols_of(tunnel->transport)});
        for (size_t j = 0; j < tunnel->service_count; j++)
            if (tunnel->services[j].direction == CONFIG_LISTEN &&
                is_bound(&tunnel->services[j].endpoint))
                verify_binding(loading, bindings, count++,
                               (struct binding){&tunnel->services[j].endpoint,
                                                &tunnel->services[j].endpoint, BINDS_TCP});
    }
    free(bindings);
}

void verify_config(struct loading *loading, check_pair_function check_pair)
{
    struct config *config = loading->config;
    derive_threads(loading);
    if (config->admin_socket)
        verify_files_directory(loading, config->admin_socket, "the socket", &config->admin_socket);
    for (size_t i = 0; i < config->tunnel_count; i++)
        verify_tunnel(loading, &config->tunnels[i], check_pair);
    verify_bindings(loading);
    verify_tls_sessions(loading);
    verify_files_sessions(loading);
}
