/* proxy/link/owner.h: the tunnel as its links know it: what they need, and what they tell it.
 * Thread: the home worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "proxy/channel/tunnel_base.h"
#include "proxy/link/handshakes.h"
#include "proxy/link/unverified.h"

struct connection;
struct link;
struct log_about;
struct places;
struct tls_client_cache;
struct tls_credentials;

struct link_owner;

/* Raised by links, never inside link_connect or link_accept. */
struct link_events {
    /* Client: the peer has answered and the association is up; the handshake follows. */
    void (*on_up)(struct link_owner *self, struct link *link);
    /* It takes connections from now on. */
    void (*on_ready)(struct link_owner *self, struct link *link);
    /* It has gone: the memory goes after this call. */
    void (*on_gone)(struct link_owner *self, struct link *link);
    /* Client: it ends before it was ready. why: a sentence. */
    void (*on_failed)(struct link_owner *self, const struct log_about *about, const char *why);
    /* The peer's HELLO names the services that it connects. complete: all of them. */
    void (*on_services)(struct link_owner *self, struct link *link, const char *const *names,
                        size_t count, bool complete);
    /* A renewal proved the same name, perhaps with others beside it. */
    void (*on_identity)(struct link_owner *self, struct link *link);
    /* A connection waits for a stream from now on. */
    void (*on_waiting)(struct link_owner *self, struct connection *connection);
    /* It waits no longer. */
    void (*on_waited)(struct link_owner *self, struct connection *connection);
    /* The link gives a connection back: the peer leased the stream first, or the association ended
     * while it waited. Owns: passes to the owner. */
    void (*on_connection_back)(struct link_owner *self, struct connection *connection);
};

/* Filled by the tunnel before its first link; outlives them. */
struct link_owner {
    struct tunnel_base *tunnel;
    const struct link_events *events;
    struct link *links;                  /* newest first */
    struct tls_credentials *credentials; /* of new masters; NULL: the tunnel has not begun */
    struct tls_client_cache *tickets;    /* client: of earlier associations */
    struct places *places;               /* server: of all parts of the tunnel */
    struct handshakes handshakes;
    struct unverified unverified;
};
