/* The transports of a tunnel, as its configuration and this machine have them. */
#include "proxy/tunnel/transports.h"

#include <stdbool.h>
#include <string.h>

#include "proxy/link/unverified.h"

/* True if the transport is there; else a sentence in why. */
static bool add(struct transports *transports, const char *name, char *why, size_t why_size)
{
    const struct transport_ops *ops = transport_find(name);
    if (!ops)
        snprintf(why, why_size, "this build has no transport \"%s\"", name);
    else if (transport_available(ops, why, why_size))
        transports->ops[transports->count++] = ops;
    else
        return false;
    return ops;
}

int transports_find(struct transports *transports, const char *transport, char *why,
                    size_t why_size)
{
    *transports = (struct transports){0};
    if (strcmp(transport, "auto") != 0)
        return add(transports, transport, why, why_size) ? 0 : -1;
    add(transports, "kernel", transports->why_not, sizeof transports->why_not);
    return add(transports, "udp", why, why_size) ? 0 : -1;
}

bool transports_are_several(const struct transports *transports)
{
    return transports->count > 1;
}

bool transports_share(const struct transports *transports)
{
    for (size_t i = 0; i < transports->count; i++)
        if (transports->ops[i]->shares)
            return true;
    return false;
}

void transports_options(struct transports *transports, const struct config_tunnel *config,
                        struct transport_options *options)
{
    *options = (struct transport_options){
        /* stream 0 is the control channel, the last one is for renewals of the master */
        .streams = (uint16_t)(config->streams.max + 2),
        .max_associations =
            config->role == CONFIG_CLIENT ? 1 : config->max_peers + UNVERIFIED_SILENT,
        .distrusts = true,
        .connect_timeout_us = config->connect_timeout_us,
        .heartbeat_us = config->sctp.heartbeat_us,
        .dead_after_us = config->sctp.dead_after_us,
        .mtu = config->sctp.mtu,
        .mtu_found = &transports->mtu_found,
        .rto_initial_us = config->sctp.rto_initial_us,
        .rto_min_us = config->sctp.rto_min_us,
        .rto_max_us = config->sctp.rto_max_us,
        .path_retransmissions = config->sctp.path_retransmissions,
        .failing_after = config->sctp.failing_after,
        .association_retransmissions = config->sctp.association_retransmissions,
        .encap_port = config->sctp.encap_port,
        .buffer_bytes = config->sctp.buffer,
        .auth = config->sctp.auth,
        .congestion = config->sctp.congestion,
        .sharing = transports->sharing,
    };
}

void transports_check(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < config->tunnel_count; i++) {
        const struct config_tunnel *tunnel = &config->tunnels[i];
        struct transports transports;
        char why[256] = "";
        if (transports_find(&transports, tunnel->transport, why, sizeof why) < 0)
            fprintf(out, "%s: warning: tunnel \"%s\" cannot run here with transport = \"%s\": %s\n",
                    config->file, tunnel->name, tunnel->transport, why);
        else if (*transports.why_not)
            fprintf(out,
                    "%s: warning: tunnel \"%s\" with transport = \"auto\" has only %s here: %s\n",
                    config->file, tunnel->name, transports.ops[0]->name, transports.why_not);
    }
}
