/* proxy/tunnel/endpoints.h: a server's bound endpoints: one for each of its transports, at all its
 * addresses. Thread: the home worker. */
#pragma once

#include <stddef.h>

#include "proxy/tunnel/transports.h"

struct link_owner;

struct tunnel_endpoint {
    struct link_owner *owner;
    struct transport *transport;
    struct transport_acceptor acceptor;
};

/* All zero: none is open. */
struct endpoints {
    struct tunnel_endpoint list[TRANSPORTS_MAX];
    size_t count;
};

/* Accepts peers; they become links of owner, but none while the tunnel drains. first: those of the
 * tunnel's first part, self for the first part itself. Returns 0, or -1 with a sentence in why;
 * endpoints_close follows in both cases. */
int endpoints_open(struct endpoints *self, const struct endpoints *first, struct link_owner *owner,
                   struct transports *transports, char *why, size_t why_size);
/* No new associations; those that are there go on. */
void endpoints_refuse(struct endpoints *self);
void endpoints_close(struct endpoints *self);
