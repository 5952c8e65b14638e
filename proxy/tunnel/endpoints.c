/* A server's endpoints: for each transport one, bound to all its addresses. */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/tunnel/tunnel.h"
#include "proxy/worker/worker.h"

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    struct tunnel *tunnel = container_of(acceptor, struct tunnel_endpoint, acceptor)->tunnel;
    if (atomic_load(&tunnel->base.draining))
        return NULL;
    return link_accept(&tunnel->owner, association, peer);
}

/* Where to bind: at what another part has bound, or another transport, so that a port that the
 * system chose is the same with both; the kernel's SCTP needs one port at all of them. */
static size_t addresses_to_bind(const struct tunnel *tunnel,
                                struct address addresses[static TRANSPORT_ADDRESSES_MAX])
{
    const struct config_tunnel *config = tunnel->config;
    const struct tunnel *first = tunnel->first_part;
    bool one_port = tunnel->endpoint_count;
    if (tunnel != first) {
        struct transport *transport = first->endpoints[first->endpoint_count - 1].transport;
        for (size_t i = 0; i < config->local_count; i++)
            addresses[i] = *transport_local_at(transport, i);
        return config->local_count;
    }
    for (size_t i = 0; i < config->local_count; i++) {
        addresses[i] = config->local[i].address;
        one_port =
            one_port && address_port(transport_local_at(tunnel->endpoints[0].transport, i)) ==
                            address_port(transport_local(tunnel->endpoints[0].transport));
    }
    for (size_t i = 0; one_port && i < config->local_count; i++)
        addresses[i] = *transport_local_at(tunnel->endpoints[0].transport, i);
    return config->local_count;
}

static void log_addresses(const struct tunnel *tunnel, const struct tunnel_endpoint *endpoint)
{
    char list[TRANSPORT_ADDRESSES_MAX * ADDRESS_TEXT_MAX] = "", text[ADDRESS_TEXT_MAX];
    const struct address *address;
    for (size_t i = 0, used = 0; (address = transport_local_at(endpoint->transport, i)); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
                                 address_format(address, text));
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name), "waits for peers on %s (%s)",
              list, endpoint->transport->ops->name);
}

static bool open_endpoint(struct tunnel *tunnel, const struct transport_ops *ops, char *why,
                          size_t why_size)
{
    struct tunnel_endpoint *endpoint = &tunnel->endpoints[tunnel->endpoint_count];
    struct transport_options options;
    struct address addresses[TRANSPORT_ADDRESSES_MAX];
    size_t count = addresses_to_bind(tunnel, addresses);
    tunnel_transport_options(tunnel, &options);
    *endpoint = (struct tunnel_endpoint){.tunnel = tunnel, .acceptor.on_incoming = on_incoming};
    char reason[256];
    if (transport_open(ops, tunnel->home->loop, addresses, count, &options, &endpoint->acceptor,
                       &endpoint->transport, reason, sizeof(reason)) == ERR_OK) {
        tunnel->endpoint_count++;
        if (tunnel == tunnel->first_part)
            log_addresses(tunnel, endpoint);
        return true;
    }
    snprintf(why, why_size, "tunnel \"%s\": cannot use %s%s with transport \"%s\": %s",
             tunnel->config->name, tunnel->config->local[0].text,
             count > 1 ? " and the others of local" : "", ops->name, reason);
    return false;
}

/* The last carrier is the one that has to be there. Other parts have only those that share. */
int tunnel_endpoints_open(struct tunnel *tunnel, char *why, size_t why_size)
{
    const struct carriers *carriers = &tunnel->carriers;
    for (size_t i = carriers->count; i--;) {
        if (tunnel != tunnel->first_part && !carriers->ops[i]->shares)
            continue;
        if (open_endpoint(tunnel, carriers->ops[i], why, why_size))
            continue;
        if (!tunnel->endpoint_count)
            return -1;
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "%s", why);
    }
    if (*carriers->why_not && tunnel == tunnel->first_part)
        log_write(LOG_INFO, LOG_ABOUT(.tunnel = tunnel->config->name),
                  "transport \"auto\" has only %s: %s", carriers->ops[0]->name, carriers->why_not);
    return 0;
}

void tunnel_endpoints_refuse(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->endpoint_count; i++)
        transport_refuse(tunnel->endpoints[i].transport);
}

void tunnel_endpoints_close(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->endpoint_count; i++)
        transport_free(tunnel->endpoints[i].transport);
    tunnel->endpoint_count = 0;
}
