/* proxy/tunnel/tunnel.h: one configured tunnel: its services and listeners, its associations
 * (links), and for a client the endless attempt to have one.
 *
 * tunnel.c wires its parts, each of which has a header of its own: attempt (of a client; its names,
 * race and outage), transports and endpoints (of a server), services, waiting, credentials,
 * sessions. A part knows none above it: it raises events or returns values.
 * Thread: the home worker, except the counters, which anybody counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "control/counters.h"
#include "proxy/link/owner.h"
#include "proxy/tunnel/attempt.h"
#include "proxy/tunnel/endpoints.h"
#include "proxy/tunnel/services.h"
#include "proxy/tunnel/transports.h"
#include "proxy/tunnel/waiting.h"
#include "proxy/worker/worker.h"

struct connection;
struct sessions;
struct tls_credentials;

/* Shared by all tunnels of a process. */
struct tunnel_shared {
    struct worker *workers;
    unsigned worker_count;
    struct mux_budget *budget;
    struct sessions *sessions;
};

enum tunnel_state {
    TUNNEL_WAITING, /* to begin, or for its next attempt */
    TUNNEL_LISTENING,
    TUNNEL_DOWN,
    TUNNEL_RESOLVING,
    TUNNEL_CONNECTING,
    TUNNEL_UP
};

/* A server tunnel is one for each worker where its transport and its services allow it: parts, each
 * with endpoints at the same addresses, links and counters of its own. Only the places are shared.
 * A tunnel without others is its own first and only part. */
struct tunnel {
    const struct config_tunnel *config;
    struct tunnel *first_part, *next_part; /* NULL: this is the last */
    struct sessions *sessions;             /* of the process */
    struct tunnel_base base;               /* for the rooms below */
    struct link_owner owner;               /* for its links */
    struct counters counters;
    struct transports transports;
    struct services services;
    struct waiting waiting;
    struct endpoints endpoints; /* server */
    struct attempt attempt;     /* client */
    bool begun;
    /* Why it has not begun, "": it has. Written by main while the home worker waits for it. */
    char waits_for[640];
};

static inline bool tunnel_is_client(const struct tunnel *tunnel)
{
    return tunnel->config->role == CONFIG_CLIENT;
}

/* Of the tunnel, as its first part has it. */
enum tunnel_state tunnel_state(const struct tunnel *tunnel);

/* Loads the credentials; where they cannot be loaded yet there are none, and waits_for says why.
 * index is its number in the configuration. Returns NULL with a sentence in why: that does not
 * mend itself. Owns: caller, tunnel_free; shared outlives it. Thread: main, before the workers run.
 */
struct tunnel *tunnel_new(const struct config_tunnel *config, size_t index,
                          const struct tunnel_shared *shared, char *why, size_t why_size);
/* After the last link is gone: closes the transports, which belong to the home worker's thread. */
void tunnel_stop(struct tunnel *tunnel);
/* After tunnel_stop and after the workers have ended. NULL is fine. Thread: main. */
void tunnel_free(struct tunnel *tunnel);

/* Of a part, the first one first: binds and listens; a client begins to connect. Returns 0, or -1
 * with a sentence in why. */
int tunnel_start(struct tunnel *tunnel, char *why, size_t why_size);
/* A server's part that has begun, where another could not. */
void tunnel_unstart(struct tunnel *tunnel);

/* No new connections from here on; tells the peers. */
void tunnel_drain(struct tunnel *tunnel);
/* Ends everything that is left with why; links go away soon after. */
void tunnel_close(struct tunnel *tunnel, enum err why);
/* No link is left and nothing is under way: tunnel_free may be called. */
bool tunnel_is_gone(const struct tunnel *tunnel);

/* services_changed, and connections that wait go where they belong now. */
void tunnel_services_changed(struct tunnel *tunnel);
