/* Opens and closes the memory of earlier associations. */
#include "proxy/tunnel/sessions.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/log.h"

/* As tls_store_redis_options wants them: the path of a UNIX socket, or an IP address and a port. */
static uint16_t split(const struct address *address, char host[static ADDRESS_TEXT_MAX])
{
    const struct sockaddr_in *in = &address->in;
    const struct sockaddr_in6 *in6 = &address->in6;
    switch (address->any.sa_family) {
    case AF_UNIX:
        snprintf(host, ADDRESS_TEXT_MAX, "%s", address->un.sun_path);
        return 0;
    case AF_INET6:
        inet_ntop(AF_INET6, &in6->sin6_addr, host, ADDRESS_TEXT_MAX);
        return ntohs(in6->sin6_port);
    default:
        inet_ntop(AF_INET, &in->sin_addr, host, ADDRESS_TEXT_MAX);
        return ntohs(in->sin_port);
    }
}

static int open_redis(struct sessions *sessions, char *why, size_t why_size)
{
    const struct config_redis *redis = &sessions->config->redis;
    char host[ADDRESS_TEXT_MAX];
    if (!redis->key_file)
        return 0;
    struct tls_store_redis_options options = {.host = host,
                                              .password = redis->password,
                                              .keys = redis->key_file,
                                              .timeout_ms = (uint32_t)(redis->timeout_us / 1000),
                                              .max_queued = redis->max_queued};
    options.port = split(&redis->address.address, host);
    char reason[256];
    if (tls_store_redis_new(&options, &sessions->redis, reason, sizeof reason) == ERR_OK)
        return 0;
    snprintf(why, why_size, "redis: %s", reason);
    return -1;
}

int sessions_open(struct sessions *sessions, const struct config_sessions *config, char *why,
                  size_t why_size)
{
    char reason[256];
    *sessions =
        (struct sessions){.config = config, .cache = tls_client_cache_new(config->max_servers)};
    if (open_redis(sessions, why, why_size) < 0)
        return -1;
    const struct tls_store_options options = {.max_entries = config->max_entries,
                                              .max_bytes = config->max_bytes,
                                              .redis = sessions->redis};
    sessions->store = tls_store_new(&options);
    sessions->signer = tls_helper_new("signer");
    if (config->file &&
        tls_client_cache_load(sessions->cache, config->file, reason, sizeof reason) != ERR_OK)
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING,
                  "cannot load the sessions of earlier associations; full handshakes follow: %s",
                  reason);
    return 0;
}

void sessions_close(struct sessions *sessions)
{
    char reason[256];
    /* Not after a start that failed: there is nothing in it. */
    if (sessions->store && sessions->config->file &&
        tls_client_cache_save(sessions->cache, sessions->config->file, reason, sizeof reason) !=
            ERR_OK)
        log_write(LOG_WARNING, LOG_ABOUT_NOTHING, "cannot save the sessions for the next start: %s",
                  reason);
    tls_client_cache_free(sessions->cache);
    tls_store_unref(sessions->store);
    tls_store_redis_free(sessions->redis);
    tls_helper_free(sessions->signer);
    *sessions = (struct sessions){0};
}
