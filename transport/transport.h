/* transport/transport.h: messages on numbered streams between two hosts.
 *
 * One interface for every transport (udp: usrsctp over UDP; memory: both ends in one process; the
 * kernel's SCTP later). A transport is one bound endpoint: it takes part in any number of
 * associations, as the side that connects, as the side that listens, or both.
 *
 * Messages of one stream arrive in order, once and whole; nothing is promised between streams.
 * Thread: everything here on the thread of the loop given to transport_open, callbacks included;
 * callbacks never run inside a call of the same association's user, except where said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/message.h"

struct transport;
struct association;

struct transport_options {
    uint16_t streams;            /* asked for in each direction, 1..65535 */
    uint32_t max_associations;   /* peers served at once; further INITs are not answered */
    uint64_t connect_timeout_us; /* from connect until up */
    uint64_t heartbeat_us;       /* interval of heartbeats on an idle path */
    uint64_t dead_after_us;      /* a silent peer is given up after about this long */
    uint32_t mtu;                /* largest IP packet in bytes; 0: found out from the route */
};

/* What a user of an association is told. Embedded in the user's struct. */
struct association_events {
    /* Ready; streams is what both sides granted, in each direction. */
    void (*on_up)(struct association_events *self, uint16_t streams);
    /* Owns: the message passes to the callee. stream and epoch are set. */
    void (*on_message)(struct association_events *self, struct message *message);
    /* After association_send said ERR_AGAIN: there is room again. */
    void (*on_writable)(struct association_events *self);
    /* The end, from any state, once: why, and what the peer said about it ("" if nothing;
     * not authenticated: for the log only). The association is gone when it returns.
     * ERR_LOCAL_SHUTDOWN after the user's own association_close. */
    void (*on_down)(struct association_events *self, enum err reason, const char *detail);
};

/* Who takes associations that peers begin. Embedded in the user's struct. */
struct transport_acceptor {
    /* A peer's association is up (on_up follows at once). Returns the events to use,
     * or NULL to abort it. */
    struct association_events *(*on_incoming)(struct transport_acceptor *self,
                                              struct association *association,
                                              const struct address *peer);
};

struct path_status {
    struct address address; /* of the peer */
    const char *state;      /* "active", "inactive" */
    uint32_t rtt_us;        /* smoothed; 0: not measured yet */
    uint32_t mtu;           /* bytes of an IP packet */
};

struct association_status {
    uint16_t streams;
    struct path_status paths[8];
    size_t path_count;
};

enum association_close {
    ASSOCIATION_SHUTDOWN, /* after all that was sent has arrived (SCTP SHUTDOWN) */
    ASSOCIATION_ABORT,    /* at once (SCTP ABORT), queued messages are lost */
};

/* What a transport implements; the functions below call it. */
struct transport_ops {
    const char *name;
    bool (*available)(char *why, size_t why_size);
    enum err (*open)(struct loop *loop, const struct address *local,
                     const struct transport_options *options, struct transport_acceptor *acceptor,
                     struct transport **transport, char *why, size_t why_size);
    void (*free)(struct transport *transport);
    const struct address *(*local)(struct transport *transport);
    enum err (*connect)(struct transport *transport, const struct address *remote,
                        struct association_events *events, struct association **association);
    enum err (*send)(struct association *association, struct message *message);
    void (*close)(struct association *association, enum association_close how, const char *detail);
    void (*status)(struct association *association, struct association_status *status);
};

/* Every transport's struct begins with this; every association's too. */
struct transport {
    const struct transport_ops *ops;
};
struct association {
    const struct transport_ops *ops;
};

/* By name ("udp", "memory"); NULL if there is none. */
const struct transport_ops *transport_find(const char *name);

/* Whether this machine can do it; if not, one sentence in why. */
static inline bool transport_available(const struct transport_ops *ops, char *why, size_t size)
{
    return ops->available(why, size);
}

/* Binds an endpoint. local with port 0 takes a free port (transport_local tells). acceptor NULL:
 * peers cannot begin associations. Returns ERR_OK, ERR_TRANSPORT_ADDRESS or ERR_TRANSPORT_SOCKET
 * with a sentence in why. Owns: caller, transport_free; options are copied. */
static inline enum err transport_open(const struct transport_ops *ops, struct loop *loop,
                                      const struct address *local,
                                      const struct transport_options *options,
                                      struct transport_acceptor *acceptor,
                                      struct transport **transport, char *why, size_t why_size)
{
    return ops->open(loop, local, options, acceptor, transport, why, why_size);
}

/* Aborts what is still up (their on_down runs inside), closes the sockets. Not inside on_up,
 * on_message, on_writable or on_incoming of the same transport. NULL is fine. */
static inline void transport_free(struct transport *transport)
{
    if (transport)
        transport->ops->free(transport);
}

/* The bound address, with the port taken. */
static inline const struct address *transport_local(struct transport *transport)
{
    return transport->ops->local(transport);
}

/* Begins an association; on_up or on_down follows, never inside this call.
 * Returns ERR_OK, or ERR_TRANSPORT_SOCKET / ERR_TRANSPORT_ADDRESS (then no callback follows).
 * Owns: the transport owns the association until on_down. */
static inline enum err association_connect(struct transport *transport,
                                           const struct address *remote,
                                           struct association_events *events,
                                           struct association **association)
{
    return transport->ops->connect(transport, remote, events, association);
}

/* Queues one message on message->stream. ERR_OK: the message is consumed. ERR_AGAIN: it stays
 * the caller's, on_writable follows; the queue below is kept shallow on purpose (256 KB, and
 * more as the rate and round trip need it), so that the caller decides whose turn it is.
 * ERR_TRANSPORT_STREAM: no such stream; ERR_TRANSPORT_CLOSED: after association_close or the end;
 * it stays the caller's. 1 to MESSAGE_MAX bytes. May be called inside on_message. */
static inline enum err association_send(struct association *association, struct message *message)
{
    return association->ops->send(association, message);
}

/* Ends it; on_down(ERR_LOCAL_SHUTDOWN) follows later, never inside this call. detail (at most 200
 * bytes, NULL: none) reaches the peer's on_down of an abort. A second call with ABORT cuts a
 * SHUTDOWN short. */
static inline void association_close(struct association *association, enum association_close how,
                                     const char *detail)
{
    association->ops->close(association, how, detail);
}

/* What status shows. */
static inline void association_status(struct association *association,
                                      struct association_status *status)
{
    association->ops->status(association, status);
}
