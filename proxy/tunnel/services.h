/* proxy/tunnel/services.h: chooses the association for the connections of a service that listens
 * here: the identity of the peer decides (docs/decisions/027-who-serves.md). Thread: the home
 * worker, where nothing else is said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/log_limit.h"
#include "proxy/local/connection.h"
#include "proxy/local/listener.h"
#include "proxy/local/service.h"

struct link;
struct link_owner;
struct waiting;

struct tunnel_service {
    struct service service;
    struct services *all;
    struct listener listener; /* when the service listens */
    struct link *link;        /* that takes its connections, once chosen; NULL: none does */
    bool chosen;
};

struct services {
    struct tunnel_service *list; /* in the configuration's order */
    size_t count;
    struct link_owner *owner;
    struct waiting *waiting;  /* their connections wait here */
    struct log_limit denials; /* lines about services that a peer may not serve */
};

static inline struct tunnel_service *services_of(const struct connection *connection)
{
    return container_of(connection->service, struct tunnel_service, service);
}

/* owner and waiting outlive it. */
void services_init(struct services *self, struct link_owner *owner, struct waiting *waiting);
void services_fini(struct services *self);

/* The service that connects under this name, NULL: none. Thread: any. */
struct service *services_find_target(const struct services *self, const char *name);

/* The association for its connections: of those that are up and whose peer may serve it, one whose
 * HELLO named the service; of these that of the identity which `allow` names first, then by name;
 * of one identity the newest. NULL: none. */
struct link *services_link(struct tunnel_service *service);

/* The peer's HELLO is there: notes what it connects, and logs what it should and does not, and what
 * it may not. complete: it has named all. */
void services_offered(struct services *self, struct link *link, const char *const *names,
                      size_t count, bool complete);
/* The link is ready: services_link may give another one now. */
void services_ready(struct services *self, const struct link *link);
void services_gone(struct services *self, const struct link *link);

/* The rules of services, of this newer configuration; then services_changed on the home worker of
 * each part. Thread: main. */
void services_take(struct services *self, const struct config_tunnel *now);
/* The rules are others, or a link has another identity. Connections that wait for a stream of a
 * peer that may serve them no more come back (on_connection_back); those that are open stay. */
void services_changed(struct services *self);
