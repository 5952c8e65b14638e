/* proxy/tunnel.h: one configured tunnel: its services and listeners, its associations (links), and
 * for a client the endless attempt to have one.
 *
 * Thread: the home worker, except the counters, which anybody counts. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "config/config.h"
#include "control/counters.h"
#include "mux/credit.h"
#include "proxy/connector.h"
#include "proxy/listener.h"
#include "tls/credentials.h"
#include "tls/generation.h"
#include "transport/transport.h"

struct connection;
struct link;
struct process;
struct worker;

struct service {
    const struct config_service *config;
    struct tunnel *tunnel;
    size_t index;             /* in the tunnel */
    struct listener listener; /* when the service listens */
    _Atomic uint64_t open, total, refused;
};

/* A bound endpoint of a server. */
struct tunnel_endpoint {
    struct tunnel *tunnel;
    struct transport *transport;
    struct transport_acceptor acceptor;
};

struct tunnel {
    const struct config_tunnel *config;
    const struct transport_ops *ops;
    struct worker *home;
    struct worker *workers; /* all of the process */
    unsigned worker_count;
    struct mux_budget *budget; /* of the process */
    struct tls_credentials *credentials;
    struct counters counters;
    struct service *services;
    atomic_bool draining;

    struct tunnel_endpoint *endpoints; /* server: one for each local address */
    size_t endpoint_count;
    struct link *links; /* newest first */

    /* client */
    struct tls_ticket *ticket; /* for the next association */
    struct loop_timer reconnect;
    uint64_t backoff_us;
    unsigned attempts;
    struct resolver_query *lookup; /* NULL: none under way */
    const char *state;             /* for status: "resolving", "connecting", "up"… */

    /* connections that came while no association was up, oldest first */
    struct connection *parked_first, *parked_last;
    size_t parked_count;
    struct loop_timer parked_timer;
};

/* Loads the credentials. Returns NULL with a sentence in why. Owns: caller, tunnel_free.
 * Thread: main, before the workers run. */
struct tunnel *tunnel_new(const struct config_tunnel *config, struct worker *workers,
                          unsigned worker_count, struct mux_budget *budget, char *why,
                          size_t why_size);
/* After the last link is gone: closes the transports, which belong to the home worker's thread. */
void tunnel_stop(struct tunnel *tunnel);
/* After tunnel_stop and after the workers have ended. NULL is fine. Thread: main. */
void tunnel_free(struct tunnel *tunnel);

/* Binds and listens; a client begins to connect. Returns 0, or -1 with a sentence in why. */
int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size);

/* No new connections from here on; tells the peers. */
void tunnel_drain(struct tunnel *tunnel);
/* Ends everything that is left with why; links go away soon after. */
void tunnel_close(struct tunnel *tunnel, enum err why);
/* Whether no link is left and nothing is under way: tunnel_free may be called. */
bool tunnel_is_gone(const struct tunnel *tunnel);

/* A connection to carry: leases a stream, waits for one, or is parked until an association is up.
 * Owns: passes to the tunnel. */
void tunnel_carry(struct tunnel *tunnel, struct connection *connection);

/* From links: it is ready for connections; it is gone for good. */
void tunnel_link_ready(struct tunnel *tunnel, struct link *link);
void tunnel_link_gone(struct tunnel *tunnel, struct link *link, bool was_ready);

/* What the transport is to do, from the configuration. */
void tunnel_transport_options(const struct tunnel *tunnel, struct transport_options *options);

/* The service that connects under this name, NULL: none. Thread: any. */
struct service *tunnel_find_target(struct tunnel *tunnel, const char *name);
