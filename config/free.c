#include <stdlib.h>

#include "config/config.h"

static void free_endpoints(struct endpoint *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        endpoint_clear(&list[i]);
    free(list);
}

static void free_tls(struct config_tls *tls)
{
    free(tls->ca);
    free(tls->cert);
    free(tls->key);
    free(tls->priority);
    free(tls->peer);
    for (size_t i = 0; i < tls->allow_count; i++)
        free(tls->allow[i]);
    free(tls->allow);
}

static void free_services(struct config_service *services, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(services[i].name);
        endpoint_clear(&services[i].endpoint);
    }
    free(services);
}

static void free_tunnel(struct config_tunnel *tunnel)
{
    free(tunnel->name);
    free(tunnel->transport);
    free_endpoints(tunnel->local, tunnel->local_count);
    free_endpoints(tunnel->remote, tunnel->remote_count);
    free_tls(&tunnel->tls);
    free_services(tunnel->services, tunnel->service_count);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->tunnel_count; i++)
        free_tunnel(&config->tunnels[i]);
    free(config->tunnels);
    free(config->admin_socket);
    free(config->directory);
    free(config->file);
    free(config);
}
