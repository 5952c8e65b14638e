#include "config/verify.h"

#include <inttypes.h>

#define STREAMS_CLIENT         2048
#define STREAMS_SERVER         8192
#define IDENTITY_ASSOCIATIONS  256
#define IDENTITY_STREAMS_SHARE 8

static void derive_identity(struct loading *loading, struct config_tunnel *tunnel)
{
    struct config_identity *identity = &tunnel->identity;
    uint32_t half = tunnel->max_peers / 2;
    if (!loading_is_given(loading, &identity->max_associations))
        identity->max_associations = half < 1                       ? 1
                                     : half < IDENTITY_ASSOCIATIONS ? half
                                                                    : IDENTITY_ASSOCIATIONS;
    if (!loading_is_given(loading, &identity->max_streams))
        identity->max_streams = IDENTITY_STREAMS_SHARE * tunnel->streams.max;
    if (!loading_is_given(loading, &identity->max_connections))
        identity->max_connections = identity->max_streams;
    if (!loading_is_given(loading, &identity->memory))
        identity->memory = loading->config->memory_limit - loading->config->memory_limit / 4;
}

void verify_limits_derive(struct loading *loading, struct config_tunnel *tunnel)
{
    /* A server's costs nothing until a client asks for as many. */
    if (!loading_is_given(loading, &tunnel->streams.max))
        tunnel->streams.max = tunnel->role == CONFIG_SERVER ? STREAMS_SERVER : STREAMS_CLIENT;
    if (tunnel->role == CONFIG_SERVER)
        derive_identity(loading, tunnel);
}

static void verify_identity(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config_identity *identity = &tunnel->identity;
    uint64_t limit = loading->config->memory_limit;
    if (identity->max_associations > tunnel->max_peers)
        complain(loading, WARNING, &identity->max_associations, tunnel,
                 "identity.max_associations = %" PRIu32 " is more than max_peers = %" PRIu32
                 "; max_peers decides",
                 identity->max_associations, tunnel->max_peers);
    if (loading_is_given(loading, &identity->max_connections) &&
        identity->max_connections > identity->max_streams)
        complain(loading, WARNING, &identity->max_connections, tunnel,
                 "identity.max_connections = %" PRIu32
                 " is more than identity.max_streams = %" PRIu32
                 ", and each connection takes a stream; raise that",
                 identity->max_connections, identity->max_streams);
    if (identity->memory > limit)
        complain(loading, WARNING, &identity->memory, tunnel,
                 "identity.memory = %" PRIu64 " is more than memory_limit = %" PRIu64
                 "; memory_limit decides",
                 identity->memory, limit);
}

/* CREDIT_PROMISED_MIN of mux/credit.h: this much is counted for a connection at least. */
#define CONNECTION_LEAST 4096

static void verify_memory(struct loading *loading, const struct config_tunnel *tunnel)
{
    const struct config *config = loading->config;
    uint64_t connections = config->memory_limit / CONNECTION_LEAST;
    if (!loading_is_given(loading, &config->memory_limit) || tunnel->streams.max <= connections)
        return;
    complain(loading, WARNING, &config->memory_limit, NULL,
             "memory_limit = %" PRIu64 " leaves room for %" PRIu64
             " connections, fewer than streams.max = %" PRIu32 "%s of tunnel \"%s\"; raise it, or "
             "lower streams.max",
             config->memory_limit, connections, tunnel->streams.max,
             loading_is_given(loading, &tunnel->streams.max) ? "" : " (its default)",
             tunnel->name ? tunnel->name : "");
}

void verify_limits(struct loading *loading, const struct config_tunnel *tunnel)
{
    if (tunnel->role == CONFIG_SERVER)
        verify_identity(loading, tunnel);
    verify_memory(loading, tunnel);
}
