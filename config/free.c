#include <stdlib.h>

#include "config/config.h"

static void free_endpoints(struct endpoint *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        endpoint_clear(&list[i]);
    free(list);
}

static void free_texts(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static void free_tls(struct config_tls *tls)
{
    char *texts[] = {
        tls->ca,  tls->crl,          tls->cert,     tls->key,  tls->staple,         tls->known,
        tls->psk, tls->psk_identity, tls->priority, tls->peer, tls->ticket_key_file};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
    free_texts(tls->pins, tls->pin_count);
    free_texts(tls->allow, tls->allow_count);
}

static void free_sessions(struct config_sessions *sessions)
{
    free(sessions->file);
    free(sessions->redis.key_file);
    free(sessions->redis.password);
    endpoint_clear(&sessions->redis.address);
}

static void free_services(struct config_service *services, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(services[i].name);
        endpoint_clear(&services[i].endpoint);
        free_texts(services[i].allow, services[i].allow_count);
    }
    free(services);
}

static void free_tunnel(struct config_tunnel *tunnel)
{
    free(tunnel->name);
    free(tunnel->transport);
    free(tunnel->congestion);
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
    free_sessions(&config->sessions);
    free(config->admin_socket);
    free(config->directory);
    free(config->file);
    free(config);
}
