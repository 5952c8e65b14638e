/* proxy/tunnel/carriers.h: which transports carry a tunnel on this machine: the configured one, or
 * with "auto" the kernel's SCTP where it is there, and udp. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "config/config.h"
#include "transport/transport.h"

#define CARRIERS_MAX 2

struct carriers {
    const struct transport_ops *ops[CARRIERS_MAX]; /* the preferred one first */
    size_t count;
    char why_not[256]; /* "auto" on a machine without the kernel's SCTP: one sentence; else "" */
};

/* transport: a word of the configuration. Returns 0, or -1 with a sentence in why when this machine
 * cannot do it. Thread: any. */
int carriers_find(struct carriers *carriers, const char *transport, char *why, size_t why_size);

/* Whether both are to be tried. */
bool carriers_are_several(const struct carriers *carriers);

/* Whether one of them can be bound to the same addresses on several workers. */
bool carriers_share(const struct carriers *carriers);

/* For `hawser check`: a warning for each tunnel that this machine cannot carry as it is. */
void carriers_check(const struct config *config, FILE *out);
