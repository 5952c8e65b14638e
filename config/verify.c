/* Checks the options of a configuration together. */
#include "config/verify.h"

#include <inttypes.h>
#include <string.h>

static void verify_scope(const struct verify_scope *scope)
{
    verify_limits(scope);
    verify_conflicts(scope);
    verify_files(scope);
}

/* True: two have one name, which is an error of the later one. */
static bool is_twice(struct loader *loader, const char *what, char *const *name,
                     char *const *earlier)
{
    if (!*name || !*earlier || strcmp(*name, *earlier) != 0)
        return false;
    report(loader, ERROR, name, NULL,
           "%s \"%s\" is defined twice, first in line %u; give each its own name", what, *name,
           loader_place(loader, earlier, NULL).line);
    return true;
}

/* The streams that services reserve must be there. */
static void verify_reserved(struct loader *loader, const struct config_tunnel *tunnel)
{
    uint64_t reserved = 0;
    bool others = false; /* services that reserve none need at least one */
    for (size_t i = 0; i < tunnel->service_count; i++) {
        const struct config_service *service = &tunnel->services[i];
        reserved += service->streams.min;
        others |= service->direction == CONFIG_LISTEN && !service->streams.min;
    }
    if (reserved + others > tunnel->streams.max)
        report(loader, ERROR, &tunnel->streams.max, tunnel,
               "the services reserve %" PRIu64 " streams (the sum of streams.min)%s, but "
               "streams.max = %" PRIu32 "%s; raise it or reserve fewer",
               reserved, others ? " and others need some too" : "", tunnel->streams.max,
               loader_is_given(loader, &tunnel->streams.max) ? "" : " (its default)");
}

static void verify_service(const struct verify_scope *scope)
{
    struct loader *loader = scope->loader;
    const struct config_tunnel *tunnel = scope->tunnel;
    const struct config_service *service = scope->service;
    verify_scope(scope);
    if (service->direction == CONFIG_LISTEN && !service->allow.count &&
        verify_conflicts_admits_several(tunnel))
        report(loader, ERROR, &service->endpoint, service,
               "service \"%s\" listens at the server, and tls lets more than one client in: any "
               "of them could take its connections; say who may, with allow = [ \"name of the "
               "client\" ]; in the service",
               service->name ? service->name : "");
    for (const struct config_service *other = tunnel->services; other < service; other++)
        if (is_twice(loader, "service", &service->name, &other->name))
            break;
}

static void verify_tunnel(const struct verify_scope *scope)
{
    struct loader *loader = scope->loader;
    struct config_tunnel *tunnel = scope->tunnel;
    verify_scope(scope);
    verify_addresses(loader, tunnel);
    for (size_t i = 0; i < tunnel->service_count; i++)
        verify_service(&(struct verify_scope){loader, scope->config, tunnel, &tunnel->services[i]});
    verify_reserved(loader, tunnel);
    if (!tunnel->service_count && !loader_is_given(loader, &tunnel->services))
        report(loader, WARNING, tunnel, tunnel,
               "the tunnel has no services, so nothing can go through it; write services = ( { … } "
               ");");
    for (const struct config_tunnel *other = scope->config->tunnels; other < tunnel; other++)
        if (is_twice(loader, "tunnel", &tunnel->name, &other->name))
            break;
}

void verify_config(struct loader *loader)
{
    struct config *config = loader->config;
    for (size_t i = 0; i < config->tunnel_count; i++)
        verify_tunnel(&(struct verify_scope){loader, config, &config->tunnels[i], NULL});
    verify_addresses_bound(loader);
    verify_scope(&(struct verify_scope){loader, config, NULL, NULL});
}
