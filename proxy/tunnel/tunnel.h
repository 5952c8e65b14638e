/* proxy/tunnel/tunnel.h: one configured tunnel: its services and listeners, its associations
 * (links), and for a client the endless attempt to have one.
 *
 * Files: tunnel.c (life), tunnel/attempt.c (a client's attempts), tunnel/names.c (the names that
 * they look up), tunnel/race.c (which address and transport wins), tunnel/endpoints.c (a server's
 * transports), tunnel/waiting.c (connections that wait), tunnel/services.c (which association
 * takes whose connections).
 * Thread: the home worker, except the counters, which anybody counts. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/loop.h"
#include "config/config.h"
#include "mux/credit.h"
#include "proxy/link/owner.h"
#include "proxy/local/connection.h"
#include "proxy/local/connector.h"
#include "proxy/local/listener.h"
#include "proxy/local/service.h"
#include "proxy/tunnel/carriers.h"
#include "proxy/worker/worker.h"
#include "tls/credentials.h"
#include "tls/generation.h"
#include "transport/transport.h"

struct link;
struct remote_lookup;
struct sessions;
struct worker;

/* What all tunnels of a process share. */
struct tunnel_shared {
    struct worker *workers;
    unsigned worker_count;
    struct mux_budget *budget;
    struct sessions *sessions;
};

struct tunnel_service {
    struct service service;
    struct tunnel *tunnel;
    struct listener listener; /* when the service listens */
    struct link *carrier;     /* of its connections, once chosen; NULL: there is none */
    bool chosen;
};

/* A bound endpoint of a server: one transport, at all its addresses. */
struct tunnel_endpoint {
    struct tunnel *tunnel;
    struct transport *transport;
    struct transport_acceptor acceptor;
};

struct remotes {
    struct address list[TRANSPORT_ADDRESSES_MAX];
    size_t count;
};

/* An attempt of a client: who runs for the association. */
struct racer {
    const struct transport_ops *ops;
    size_t first, count; /* of the tunnel's remotes */
    struct link *link;   /* NULL: not under way */
    uint64_t next_us;    /* when it begins, or begins again */
    bool begun;
};
struct race {
    struct racer racers[CARRIERS_MAX + TRANSPORT_ADDRESSES_MAX];
    size_t count; /* 0: there is none */
    uint64_t until_us;
    struct loop_timer timer;
    bool is_split;
};

/* What the log was told of an outage: see tunnel_attempt_tell. */
#define ATTEMPT_LINES 16
struct attempt_line {
    uint64_t hash, told_us; /* told_us 0: unused */
    unsigned left_out;
};

/* A server tunnel is one for each worker where its transport and its services allow it: parts, each
 * with endpoints at the same addresses, links and counters of its own. Only the places are shared.
 * A tunnel without others is its own first and only part. */
struct tunnel {
    const struct config_tunnel *config;
    struct tunnel *first_part, *next_part; /* NULL: this is the last */
    struct sctp_sharing sharing;
    struct carriers carriers;
    struct worker *home;    /* where all of it lives */
    struct worker *workers; /* all of the process */
    unsigned worker_count;
    struct mux_budget *budget; /* of the process */
    uint32_t promised;         /* of it, for a connection of ours that gets a stream */
    struct sessions *sessions; /* of the process */
    struct tunnel_base base;   /* for the rooms below */
    struct link_owner owner;   /* for its links */
    struct counters counters;
    struct tunnel_service *services;

    struct tunnel_endpoint endpoints[CARRIERS_MAX]; /* server */
    size_t endpoint_count;
    uint32_t mtu_found; /* transport_options */

    /* client */
    struct loop_timer reconnect;
    uint64_t backoff_us, attempt_us; /* the next pause; when the present attempt began */
    struct remote_lookup *lookup;    /* NULL: none under way */
    struct loop_timer lookup_timer;
    uint64_t asked_fresh_us;
    struct remotes known[TRANSPORT_ADDRESSES_MAX]; /* what each name was answered with last */
    struct remotes remotes;                        /* of this attempt */
    struct race race;
    struct attempt_line told[ATTEMPT_LINES];
    size_t carrier;          /* that an attempt begins with: the last one that worked */
    char why_not_first[320]; /* the first carrier: its name and why it failed */
    char why_down[256];      /* what was said last of an outage, for who waited in vain */
    /* Why it has not begun, "": it has. Written by main while the home worker waits for it. */
    char waits_for[640];
    const char *state; /* for status: "resolving", "connecting", "up"… */

    struct log_limit denials; /* lines about services that a peer may not serve */

    /* connections that came while no association was up; those that wait longest first */
    TAILQ_HEAD(parked_connections, connection) parked;
    size_t parked_count;
    struct loop_timer parked_timer;
};

static inline struct tunnel *tunnel_of(struct link_owner *owner)
{
    return container_of(owner, struct tunnel, owner);
}

static inline bool tunnel_is_client(const struct tunnel *tunnel)
{
    return tunnel->config->role == CONFIG_CLIENT;
}

/* The service of a connection of this tunnel. */
static inline struct tunnel_service *tunnel_service_of(const struct connection *connection)
{
    return container_of(connection->service, struct tunnel_service, service);
}

/* Of its home worker's loop. */
static inline uint64_t tunnel_now(const struct tunnel *tunnel)
{
    return loop_now(tunnel->home->loop);
}

/* What config says of TLS, loaded: files, and patterns of `allow`, those of services too. sessions:
 * of the process, NULL: none. NULL with a sentence in why. Owns: caller has a reference. Thread:
 * any but a worker (reads files). */
struct tls_credentials *tunnel_load_credentials(const struct config_tunnel *config,
                                                const struct sessions *sessions, char *why,
                                                size_t why_size);

/* The part of it that no file can mend: ERR_OK, or another with a sentence in why. Thread: any. */
enum err tunnel_check_rules(const struct config_tunnel *config, char *why, size_t why_size);

/* Whether that works, for `hawser check`: a line on out for each tunnel for which it does not. */
bool tunnel_check_credentials(const struct config *config, FILE *out);

/* Loads the credentials; where they cannot be loaded yet there are none, and waits_for says why.
 * index is its number in the configuration. Returns NULL with a sentence in why: that does not
 * mend itself. Owns: caller, tunnel_free; shared outlives it. Thread: main, before the workers run.
 */
struct tunnel *tunnel_new(const struct config_tunnel *config, size_t index,
                          const struct tunnel_shared *shared, char *why, size_t why_size);
/* Of all parts, which do not run yet, or whose workers stand still. Owns: consumes credentials;
 * NULL is fine. */
void tunnel_take_credentials(struct tunnel *first, struct tls_credentials *credentials);
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
/* Whether no link is left and nothing is under way: tunnel_free may be called. */
bool tunnel_is_gone(const struct tunnel *tunnel);

/* A connection to carry: leases a stream, waits for one, or is parked until an association is up.
 * Owns: passes to the tunnel. */
void tunnel_carry(struct tunnel *tunnel, struct connection *connection);

/* What the transport is to do, from the configuration. */
void tunnel_transport_options(struct tunnel *tunnel, struct transport_options *options);

/* Who takes the connections of a service that listens (docs/decisions/027-who-serves.md): of the
 * associations that are up and whose peer may serve it, one whose HELLO named the service; of these
 * that of the identity which `allow` names first, then by name; of one identity the newest. NULL:
 * none. */
struct link *tunnel_services_carrier(struct tunnel_service *service);
/* The peer's HELLO is there: notes what it connects, and logs what it should and does not, and what
 * it may not. complete: it has named all. */
void tunnel_services_offered(struct link *link, const char *const *names, size_t count,
                             bool complete);
/* The link is ready; it is gone. */
void tunnel_services_ready(struct link *link);
void tunnel_services_gone(struct link *link);
/* The rules of services, of this newer configuration; then tunnel_services_changed on the home
 * worker of each part. Thread: main. */
void tunnel_services_take(struct tunnel *part, const struct config_tunnel *now);
/* The rules are others, or a link has another identity: connections that wait go where they belong
 * now; those that are open stay. */
void tunnel_services_changed(struct tunnel *tunnel);

/* Between the files of tunnel. */
void tunnel_attempt_init(struct tunnel *tunnel);
void tunnel_attempt_begin(struct tunnel *tunnel);
void tunnel_attempt_succeeded(struct tunnel *tunnel, const struct link *link);
void tunnel_attempt_again(struct tunnel *tunnel, const struct link *link);
void tunnel_attempt_stop(struct tunnel *tunnel);
void tunnel_attempt_failed(struct tunnel *tunnel);
/* A warning about an attempt; one that says the same is left out, and counted, for a minute. */
void tunnel_attempt_tell(struct tunnel *tunnel, const struct log_about *about, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));
void tunnel_names_init(struct tunnel *tunnel);
/* tunnel_race_begin or tunnel_attempt_failed follows, perhaps inside. */
void tunnel_names_begin(struct tunnel *tunnel);
void tunnel_names_stop(struct tunnel *tunnel);
void tunnel_race_init(struct tunnel *tunnel);
/* Between the tunnel's remotes; tunnel_race_won or tunnel_attempt_failed follows, perhaps inside.
 */
void tunnel_race_begin(struct tunnel *tunnel);
/* The tunnel's remotes have changed. */
void tunnel_race_again(struct tunnel *tunnel);
bool tunnel_race_is_on(const struct tunnel *tunnel);
/* This one is up: the others are ended. */
void tunnel_race_won(struct tunnel *tunnel, const struct link *link);
/* This one is gone. */
void tunnel_race_lost(struct tunnel *tunnel, const struct link *link);
void tunnel_race_stop(struct tunnel *tunnel);
int tunnel_endpoints_open(struct tunnel *tunnel, char *why, size_t why_size);
/* No new associations; those that are there go on. */
void tunnel_endpoints_refuse(struct tunnel *tunnel);
void tunnel_endpoints_close(struct tunnel *tunnel);
void tunnel_waiting_init(struct tunnel *tunnel);
void tunnel_waiting_park(struct tunnel *tunnel, struct connection *connection);
struct connection *tunnel_waiting_unpark(struct tunnel *tunnel); /* NULL: none is left */
/* Gives links those that they may take. */
void tunnel_waiting_release(struct tunnel *tunnel);

/* Also for connections in a link's pool: watched while they wait, from the first time on. */
void tunnel_waiting_begin(struct tunnel *tunnel, struct connection *connection);
void tunnel_waiting_end(struct connection *connection);
