/* proxy/tunnel/transports.h: the transports of a tunnel on this machine: the configured one, or
 * with "auto" the kernel's SCTP where it is there, and udp. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "config/config.h"
#include "transport/transport.h"

#define TRANSPORTS_MAX 2

struct transports {
    const struct transport_ops *ops[TRANSPORTS_MAX]; /* the preferred one first */
    size_t count;
    char why_not[256]; /* "auto" on a machine without the kernel's SCTP: one sentence; else "" */
    struct sctp_sharing sharing; /* with the tunnel's other parts */
    uint32_t mtu_found;          /* transport_options */
};

/* transport: a word of the configuration. Returns 0, or -1 with a sentence in why when this machine
 * cannot do it. Thread: any. */
int transports_find(struct transports *transports, const char *transport, char *why,
                    size_t why_size);

/* True if both are to be tried. */
bool transports_are_several(const struct transports *transports);

/* True if one of them can be bound to the same addresses on several workers. */
bool transports_share(const struct transports *transports);

/* The options of a transport of the tunnel. transports outlives it. */
void transports_options(struct transports *transports, const struct config_tunnel *config,
                        struct transport_options *options);

/* For `hawser check`: a warning for each tunnel that cannot run on this machine as it is. */
void transports_check(const struct config *config, FILE *out);
