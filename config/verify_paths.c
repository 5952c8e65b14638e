#include "config/verify.h"

#include <inttypes.h>
#include <string.h>

#include "config/endpoints.h"

/* ---- the clock ---- */

/* A default gives way to a short dead_after: several time-outs have to fit into it. */
static void give_way(struct loading *loading, uint64_t *time_us, uint64_t limit_us)
{
    if (!loading_is_given(loading, time_us) && *time_us > limit_us)
        *time_us = limit_us;
}

static void verify_order(struct loading *loading, const struct config_tunnel *tunnel,
                         const char *small_name, const uint64_t *small, const char *great_name,
                         const uint64_t *great)
{
    if (*small > *great)
        complain(loading, ERROR, loading_is_given(loading, small) ? small : great, tunnel,
                 "paths.%s = %g is more than paths.%s = %g%s; the order is rto_min, rto_initial, "
                 "rto_max",
                 small_name, (double)*small / 1e6, great_name, (double)*great / 1e6,
                 !loading_is_given(loading, great)   ? " (its default)"
                 : !loading_is_given(loading, small) ? " (the first one is a default)"
                                                     : "");
}

void verify_paths_clock(struct loading *loading, struct config_tunnel *tunnel)
{
    uint64_t dead = tunnel->sctp.dead_after_us;
    give_way(loading, &tunnel->sctp.rto_max_us, dead / 3 * 2);
    give_way(loading, &tunnel->sctp.rto_initial_us, dead / 4);
    give_way(loading, &tunnel->sctp.rto_min_us, dead / 16);
    verify_order(loading, tunnel, "rto_min", &tunnel->sctp.rto_min_us, "rto_initial",
                 &tunnel->sctp.rto_initial_us);
    verify_order(loading, tunnel, "rto_initial", &tunnel->sctp.rto_initial_us, "rto_max",
                 &tunnel->sctp.rto_max_us);
    if (tunnel->sctp.rto_max_us > dead)
        complain(loading, WARNING, &tunnel->sctp.rto_max_us, tunnel,
                 "paths.rto_max = %g is longer than dead_after = %g; the peer would be given up "
                 "before it is tried again",
                 (double)tunnel->sctp.rto_max_us / 1e6, (double)dead / 1e6);
    if (tunnel->sctp.failing_after > tunnel->sctp.path_retransmissions)
        complain(loading, ERROR,
                 loading_is_given(loading, &tunnel->sctp.failing_after)
                     ? &tunnel->sctp.failing_after
                     : &tunnel->sctp.path_retransmissions,
                 tunnel,
                 "paths.failing_after = %" PRIu32
                 " is more than paths.max_retransmissions = %" PRIu32
                 "; a path is failing before it is inactive: lower it",
                 tunnel->sctp.failing_after, tunnel->sctp.path_retransmissions);
}

/* ---- the addresses ---- */

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

static void verify_twice(struct loading *loading, const struct config_tunnel *tunnel,
                         const char *key, struct endpoint *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (is_same(&(*list)[i], &(*list)[j])) {
                complain(loading, ERROR, list, tunnel,
                         "%s has \"%s\" twice; a path begins or ends at each address once: keep "
                         "one of them",
                         key, (*list)[i].text);
                return;
            }
}

/* A socket for every address takes the packets of those beside it. */
static void verify_mixture(struct loading *loading, const struct config_tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->local_count; i++)
        for (size_t j = 0; j < tunnel->local_count; j++) {
            const struct endpoint *any = &tunnel->local[i], *one = &tunnel->local[j];
            if (!endpoints_is_any(&any->address) || endpoints_is_any(&one->address) ||
                family_of(any) != family_of(one))
                continue;
            complain(loading, ERROR, &tunnel->local, tunnel,
                     "local has \"%s\", which stands for every address of this host, beside "
                     "\"%s\"; keep the first one alone, or write each address",
                     any->text, one->text);
            return;
        }
}

/* An SCTP association has one port number at each end, whatever its addresses. */
static void verify_ports(struct loading *loading, const struct config_tunnel *tunnel,
                         const char *key, struct endpoint *const *list, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (port_of(&(*list)[i]) != port_of(&(*list)[0])) {
            complain(loading, ERROR, list, tunnel,
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

static void verify_families(struct loading *loading, const struct config_tunnel *tunnel)
{
    bool all_reached = true;
    for (size_t i = 0; i < tunnel->remote_count; i++) {
        const struct endpoint *remote = &tunnel->remote[i];
        if (remote->needs_lookup ||
            has_family(tunnel->local, tunnel->local_count, family_of(remote)))
            continue;
        all_reached = false;
        complain(loading, ERROR, &tunnel->remote, tunnel,
                 "remote \"%s\" cannot be reached from local \"%s\"; both must be IPv4 or both "
                 "IPv6",
                 remote->text, tunnel->local[0].text);
    }
    for (size_t i = 0; i < tunnel->local_count && all_reached; i++)
        if (!has_family(tunnel->remote, tunnel->remote_count, family_of(&tunnel->local[i])))
            complain(loading, WARNING, &tunnel->local, tunnel,
                     "local \"%s\" leads nowhere: no remote is %s; remove it, or add such a remote",
                     tunnel->local[i].text,
                     family_of(&tunnel->local[i]) == AF_INET6 ? "IPv6" : "IPv4");
}

void verify_paths_addresses(struct loading *loading, const struct config_tunnel *tunnel)
{
    bool client = tunnel->role == CONFIG_CLIENT;
    verify_twice(loading, tunnel, "local", &tunnel->local, tunnel->local_count);
    verify_twice(loading, tunnel, "remote", &tunnel->remote, tunnel->remote_count);
    verify_mixture(loading, tunnel);
    if (client)
        verify_families(loading, tunnel);
    if (strcmp(tunnel->transport, "udp") != 0) {
        verify_ports(loading, tunnel, "local", &tunnel->local, tunnel->local_count);
        verify_ports(loading, tunnel, "remote", &tunnel->remote, tunnel->remote_count);
    } else if (tunnel->sctp.encap_port) {
        complain(loading, WARNING, &tunnel->sctp.encap_port, tunnel,
                 "encap_port has no effect with transport = \"udp\", which is inside UDP anyway, "
                 "at the ports of local and remote; it is for transport = \"kernel\"");
    }
}
