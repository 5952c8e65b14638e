/* A server's endpoints: for each transport one, bound to all its addresses. */
#include "proxy/tunnel/endpoints.h"

#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/link/link.h"
#include "proxy/worker/worker.h"

static struct association_events *on_incoming(struct transport_acceptor *acceptor,
                                              struct association *association,
                                              const struct address *peer)
{
    struct link_owner *owner = container_of(acceptor, struct tunnel_endpoint, acceptor)->owner;
    if (atomic_load(&owner->tunnel->draining))
        return NULL;
    return link_accept(owner, association, peer);
}

/* Addresses to bind: those of another part or transport, so that a port that the system chose is
 * the same with both; the kernel's SCTP needs one port at all of them. */
static size_t addresses_to_bind(const struct endpoints *self, const struct endpoints *first,
                                const struct config_tunnel *config,
                                struct address addresses[static TRANSPORT_ADDRESSES_MAX])
{
    bool one_port = self->count;
    if (self != first) {
        struct transport *transport = first->list[first->count - 1].transport;
        for (size_t i = 0; i < config->local_count; i++)
            addresses[i] = *transport_local_at(transport, i);
        return config->local_count;
    }
    for (size_t i = 0; i < config->local_count; i++) {
        addresses[i] = config->local[i].address;
        one_port = one_port && address_port(transport_local_at(self->list[0].transport, i)) ==
                                   address_port(transport_local(self->list[0].transport));
    }
    for (size_t i = 0; one_port && i < config->local_count; i++)
        addresses[i] = *transport_local_at(self->list[0].transport, i);
    return config->local_count;
}

static void log_addresses(const struct tunnel_endpoint *endpoint)
{
    char list[TRANSPORT_ADDRESSES_MAX * ADDRESS_TEXT_MAX] = "", text[ADDRESS_TEXT_MAX];
    const struct address *address;
    for (size_t i = 0, used = 0; (address = transport_local_at(endpoint->transport, i)); i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 address_format(address, text));
    log_write(LOG_INFO, LOG_ABOUT(.tunnel = endpoint->owner->tunnel->config->name),
              "waits for peers on %s (%s)", list, endpoint->transport->ops->name);
}

static bool open_one(struct endpoints *self, const struct endpoints *first,
                     struct link_owner *owner, const struct transport_ops *ops,
                     const struct transport_options *options, char *why, size_t why_size)
{
    const struct config_tunnel *config = owner->tunnel->config;
    struct tunnel_endpoint *endpoint = &self->list[self->count];
    struct address addresses[TRANSPORT_ADDRESSES_MAX];
    size_t count = addresses_to_bind(self, first, config, addresses);
    *endpoint = (struct tunnel_endpoint){.owner = owner, .acceptor.on_incoming = on_incoming};
    char reason[256];
    if (transport_open(ops, owner->tunnel->home->loop, addresses, count, options,
                       &endpoint->acceptor, &endpoint->transport, reason,
                       sizeof reason) == ERR_OK) {
        self->count++;
        if (self == first)
            log_addresses(endpoint);
        return true;
    }
    snprintf(why, why_size, "tunnel \"%s\": cannot use %s%s with transport \"%s\": %s",
             config->name, config->local[0].text, count > 1 ? " and the others of local" : "",
             ops->name, reason);
    return false;
}

/* The last transport is the one that has to be there. Other parts have only those that share. */
int endpoints_open(struct endpoints *self, const struct endpoints *first, struct link_owner *owner,
                   struct transports *transports, char *why, size_t why_size)
{
    struct transport_options options;
    transports_options(transports, owner->tunnel->config, &options);
    for (size_t i = transports->count; i--;) {
        if (self != first && !transports->ops[i]->shares)
            continue;
        if (open_one(self, first, owner, transports->ops[i], &options, why, why_size))
            continue;
        if (!self->count)
            return -1;
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "%s", why);
    }
    if (*transports->why_not && self == first)
        log_write(LOG_INFO, LOG_ABOUT(.tunnel = owner->tunnel->config->name),
                  "transport \"auto\" has only %s: %s", transports->ops[0]->name,
                  transports->why_not);
    return 0;
}

void endpoints_refuse(struct endpoints *self)
{
    for (size_t i = 0; i < self->count; i++)
        transport_refuse(self->list[i].transport);
}

void endpoints_close(struct endpoints *self)
{
    for (size_t i = 0; i < self->count; i++)
        transport_free(self->list[i].transport);
    self->count = 0;
}
