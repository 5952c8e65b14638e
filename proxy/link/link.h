/* proxy/link/link.h: one association as the proxy sees it: the master session and the control
 * channel on stream 0, the children on streams 1..max, the pool that leases them, and the fair
 * queue in front of SCTP.
 *
 * The link lives on the tunnel's home worker h. Its channels live on all workers: stream s belongs
 * to worker (h + s - 1) mod n. Other threads read its group, and nothing else of it.
 *
 * Life: CONNECTING (client) -on_up-> MASTER (handshake, HELLO) -> READY -> CLOSING -> gone.
 * Files: link.c wires the others (link_private.h), which do not call it, nor upwards.
 * Thread: home. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "proxy/channel/channel.h"
#include "proxy/link/owner.h"
#include "proxy/link/parts.h"
#include "proxy/worker/worker.h"

enum link_state { LINK_CONNECTING, LINK_MASTER, LINK_READY, LINK_CLOSING };

struct link {
    struct link_owner *owner;
    struct tunnel_base *tunnel;   /* the owner's */
    struct link *next, *previous; /* in owner->links */
    enum link_state state;
    const struct link_wiring *wiring; /* events of its parts */
    struct link_life life;
    struct link_transport transport;
    struct link_peer peer;
    struct link_paths paths;
    struct link_masters masters;
    struct link_auth auth;
    struct link_control control;
    struct link_place place;
    struct link_streams streams;
    struct link_children children;
    struct link_leases leases;
    struct link_sending sending;
    struct channel_group group; /* all that other threads read */
};

/* A log line about it. The address of a peer that has proved who it is says nothing more. */
#define LINK_ABOUT(link, ...)                                                                      \
    LOG_ABOUT(.tunnel = (link)->tunnel->config->name,                                              \
              .peer = *(link)->peer.name ? (link)->peer.name : NULL,                               \
              .association = (link)->group.log_id,                                                 \
              .address = *(link)->peer.name ? NULL : (link)->peer.text, __VA_ARGS__)

static inline bool link_is_client(const struct link *link)
{
    return link->tunnel->config->role == CONFIG_CLIENT;
}

static inline struct loop *link_loop(const struct link *link)
{
    return link->tunnel->home->loop;
}

static inline uint64_t link_now(const struct link *link)
{
    return loop_now(link_loop(link));
}

/* The transport and the addresses of a client's new association. */
struct link_route {
    const struct transport_ops *ops;
    struct transport_options options;
    struct address locals[TRANSPORT_ADDRESSES_MAX], remotes[TRANSPORT_ADDRESSES_MAX];
    size_t local_count, remote_count;
};

/* A client's new association; a server's, which the transport accepted. The link is in
 * owner->links until on_gone. NULL with a sentence in why. */
struct link *link_connect(struct link_owner *owner, const struct link_route *route, char *why,
                          size_t why_size);
struct association_events *link_accept(struct link_owner *owner, struct association *association,
                                       const struct address *peer);

/* Ends the association, from any state, with a reason: connections are reset. graceful: what is
 * queued (an alert, GOAWAY) still arrives first. A second call keeps the first reason; if it is not
 * graceful it cuts the first one short. */
void link_close(struct link *link, enum err why, const char *detail, bool graceful);

/* No new leases from either side: sends GOAWAY, once it is READY; nothing before. */
void link_drain(struct link *link);

/* Leases a stream for the connection, or lets it wait, or ends it. Owns: consumed. */
void link_carry(struct link *link, struct connection *connection);
/* It waits no longer, because it ends. Owns: still the caller's. */
void link_carry_cancel(struct connection *connection);

/* Client: a new master now, where one is due in a second or more. */
void link_renew_now(struct link *link);

/* Limits the streams: a sentence for people (text may be used for it), a word for programs. */
const char *link_streams_describe(const struct link *link, char *text, size_t size);
const char *link_streams_limiter(const struct link *link);
/* "off", "pending", or "on": packets that are not authenticated are refused. */
const char *link_auth_state(const struct link *link);
