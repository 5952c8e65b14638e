/* Addresses of tunnels and services: none twice, all of one tunnel fit together. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/endpoints.h"
#include "config/verify.h"

/* ---- those of one tunnel ---- */

static uint16_t port_of(const struct endpoint *endpoint)
{
    return endpoint->needs_lookup ? endpoint->port : ntohs(address_port(&endpoint->address));
}

static sa_family_t family_of(const struct endpoint *endpoint)
{
    return endpoint->address.any.sa_family;
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    if (a->needs_lookup != b->needs_lookup)
        return false;
    if (a->needs_lookup)
        return a->port == b->port && strcmp(a->host, b->host) == 0;
    return address_equal(&a->address, &b->address);
}

static void verify_twice(struct loader *loader, const struct config_tunnel *tunnel, const char *key,
                         struct endpoint *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (is_same(&(*list)[i], &(*list)[j])) {
                report(loader, ERROR, list, tunnel,
                       "%s has \"%s\" twice; a path begins or ends at each address once: keep "
                       "one of them",
                       key, (*list)[i].text);
                return;
            }
}

/* A socket for every address takes the packets of those beside it. */
static void verify_mixture(struct loader *loader, const struct config_tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->local_count; i++)
        for (size_t j = 0; j < tunnel->local_count; j++) {
            const struct endpoint *any = &tunnel->local[i], *one = &tunnel->local[j];
            if (!endpoints_is_any(&any->address) || endpoints_is_any(&one->address) ||
                family_of(any) != family_of(one))
                continue;
            report(loader, ERROR, &tunnel->local, tunnel,
                   "local has \"%s\", which stands for every address of this host, beside "
                   "\"%s\"; keep the first one alone, or write each address",
                   any->text, one->text);
            return;
        }
}

/* An SCTP association has one port number at each end, whatever its addresses. */
static void verify_ports(struct loader *loader, const struct config_tunnel *tunnel, const char *key,
                         struct endpoint *const *list, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (port_of(&(*list)[i]) != port_of(&(*list)[0])) {
            report(loader, ERROR, list, tunnel,
                   "%s has port %u and port %u, but the kernel's SCTP has one port at all "
                   "addresses of an end; use one port, or transport = \"udp\"",
                   key, port_of(&(*list)[0]), port_of(&(*list)[i]));
            return;
        }
}

static bool has_family(const struct endpoint *list, size_t count, sa_family_t family)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].needs_lookup || family_of(&list[i]) == family)
            return true;
    return !count;
}

static void verify_families(struct loader *loader, const struct config_tunnel *tunnel)
{
    bool all_reached = true;
    for (size_t i = 0; i < tunnel->remote_count; i++) {
        const struct endpoint *remote = &tunnel->remote[i];
        if (remote->needs_lookup ||
            has_family(tunnel->local, tunnel->local_count, family_of(remote)))
            continue;
        all_reached = false;
        report(loader, ERROR, &tunnel->remote, tunnel,
               "remote \"%s\" cannot be reached from local \"%s\"; both must be IPv4 or both "
               "IPv6",
               remote->text, tunnel->local[0].text);
    }
    for (size_t i = 0; i < tunnel->local_count && all_reached; i++)
        if (!has_family(tunnel->remote, tunnel->remote_count, family_of(&tunnel->local[i])))
            report(loader, WARNING, &tunnel->local, tunnel,
                   "local \"%s\" leads nowhere: no remote is %s; remove it, or add such a remote",
                   tunnel->local[i].text,
                   family_of(&tunnel->local[i]) == AF_INET6 ? "IPv6" : "IPv4");
}

void verify_addresses(struct loader *loader, const struct config_tunnel *tunnel)
{
    bool client = tunnel->role == CONFIG_CLIENT;
    verify_twice(loader, tunnel, "local", &tunnel->local, tunnel->local_count);
    verify_twice(loader, tunnel, "remote", &tunnel->remote, tunnel->remote_count);
    verify_mixture(loader, tunnel);
    if (client)
        verify_families(loader, tunnel);
    if (strcmp(tunnel->transport, "udp") != 0) {
        verify_ports(loader, tunnel, "local", &tunnel->local, tunnel->local_count);
        verify_ports(loader, tunnel, "remote", &tunnel->remote, tunnel->remote_count);
    }
}

/* ---- all that is bound ---- */

/* Something that is bound. */
struct binding {
    const struct endpoint *endpoint;
    const void *field; /* its place is named */
    enum { BINDS_TCP = 1, BINDS_UDP = 2, BINDS_SCTP = 4 } protocols;
};

static int protocols_of(const char *transport)
{
    return strcmp(transport, "kernel") == 0 ? BINDS_SCTP
           : strcmp(transport, "auto") == 0 ? BINDS_UDP | BINDS_SCTP
                                            : BINDS_UDP;
}

static void verify_binding(struct loader *loader, struct binding *bindings, size_t count,
                           struct binding one)
{
    for (size_t i = 0; i < count; i++) {
        const struct binding *other = &bindings[i];
        /* Two of one tunnel: verify_twice has better words for them. */
        if (!(other->protocols & one.protocols) || other->field == one.field ||
            !endpoints_collide(&other->endpoint->address, &one.endpoint->address))
            continue;
        report(loader, ERROR, one.field, NULL,
               "\"%s\" is taken already, by \"%s\" in line %u; use another %s", one.endpoint->text,
               other->endpoint->text, loader_place(loader, other->field, NULL).line,
               one.endpoint->address.any.sa_family == AF_UNIX ? "path" : "port");
        break;
    }
    bindings[count] = one;
}

static bool is_bound(const struct endpoint *endpoint)
{
    return endpoint->text && !endpoint->needs_lookup;
}

void verify_addresses_bound(struct loader *loader)
{
    const struct config *config = loader->config;
    size_t most = 0, count = 0;
    for (size_t i = 0; i < config->tunnel_count; i++)
        most += config->tunnels[i].local_count + config->tunnels[i].service_count;
    struct binding *bindings = check_alloc((most + 1) * sizeof *bindings);
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        for (size_t j = 0; j < tunnel->local_count; j++)
            if (is_bound(&tunnel->local[j]))
                verify_binding(loader, bindings, count++,
                               (struct binding){&tunnel->local[j], &tunnel->local,
                                                protocols_of(tunnel->transport)});
        for (size_t j = 0; j < tunnel->service_count; j++)
            if (tunnel->services[j].direction == CONFIG_LISTEN &&
                is_bound(&tunnel->services[j].endpoint))
                verify_binding(loader, bindings, count++,
                               (struct binding){&tunnel->services[j].endpoint,
                                                &tunnel->services[j].endpoint, BINDS_TCP});
    }
    free(bindings);
}
