/* transport/transport.h: messages on numbered streams between two hosts.
 *
 * One interface for every transport (udp: SCTP of our own over UDP; kernel: Linux SCTP). A
 * transport is one bound endpoint: it takes part in any number of associations, as the side that
 * connects, as the side that listens, or both.
 *
 * Messages of one stream arrive in order, once and whole; nothing is promised between streams.
 * Thread: everything here on the thread of the loop given to transport_open, callbacks included;
 * callbacks never run inside a call of the same association's user, except where said. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/address.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/message.h"
#include "sctp/sharing.h"

struct transport;
struct association;

/* Most addresses of one end, and most paths of an association. */
#define TRANSPORT_ADDRESSES_MAX 8

/* The part of one of several endpoints at the same addresses in a limit that is for all together;
 * at least `least`, however many there are. */
static inline unsigned transport_part(const struct sctp_sharing *sharing, unsigned whole,
                                      unsigned least)
{
    unsigned part = sharing->count > 1 ? whole / sharing->count : whole;
    return part > least ? part : least;
}

struct transport_options {
    uint16_t streams;            /* asked for in each direction, 1..65535 */
    uint32_t max_associations;   /* peers served at once; further INITs are not answered */
    uint64_t connect_timeout_us; /* from connect until up */
    uint64_t heartbeat_us;       /* interval of heartbeats on an idle path */
    uint64_t dead_after_us;      /* a silent peer is given up after about this long */
    uint32_t mtu;                /* largest IP packet in bytes; 0: found out from the route */
    uint32_t *mtu_found;         /* the same, if a transport to this peer found it out the hard
                                    way; it outlives the transport. NULL: it is forgotten */

    /* SCTP's own clock (RFC 9260 section 6.3.1); 0: the transport's default. */
    uint64_t rto_initial_us, rto_min_us, rto_max_us;
    uint32_t path_retransmissions; /* time-outs in a row that make a path inactive; 0: default */
    uint32_t failing_after;        /* time-outs in a row that a path may have before others
                                    * are preferred (RFC 7829 PFMR) */
    uint32_t association_retransmissions; /* on all paths together; 0: default */
    uint16_t encap_port;    /* kernel: UDP port of the peer's encapsulation (RFC 6951); 0: none */
    uint32_t buffer_bytes;  /* of each of SCTP's two socket buffers; 0: default */
    const char *congestion; /* udp: "bbr", "cubic"; NULL: the default. Static. */
    bool distrusts;         /* associations of peers may cost little until association_trust */
    bool auth; /* chunks are authenticated (sctp/auth_chunks.h), or there is no association */
    struct sctp_sharing sharing; /* one that connects is alone */
};

/* State of a path (RFC 9260 section 8.2, RFC 7829 section 3). */
enum path_state {
    PATH_UNCONFIRMED, /* the peer has not answered on it yet */
    PATH_ACTIVE,
    PATH_FAILING, /* time-outs: another one is used meanwhile ("potentially failed") */
    PATH_INACTIVE,
};

struct path_status {
    struct address address; /* of the peer */
    struct address local;   /* own one; length 0: the system chooses */
    enum path_state state;
    bool in_use;                /* data goes this way now */
    uint32_t rtt_us;            /* smoothed; 0: not measured yet */
    uint32_t mtu;               /* bytes of an IP packet */
    uint32_t congestion_window; /* bytes */
    /* The next: by transports that have a congestion control of their own. */
    const char *congestion; /* its name; NULL: none of these is known */
    const char *phase;      /* of it: "startup", "cruise"… */
    uint64_t in_flight;     /* bytes */
    uint64_t rate;          /* bytes a second at which packets leave; 0: not paced */
    uint32_t min_rtt_us;    /* 0: not measured yet */
    double loss_floor;      /* share of packets that the line itself loses, as it seems */
};

/* Events of an association, for its user. Embedded in the user's struct. */
struct association_events {
    /* The peer has answered, and it takes one more round trip until on_up. One message of at most
     * about 1000 bytes that is sent on stream 0 inside this call comes with what we answer (RFC
     * 9260 section 5.1). Only where we connect, and only by transports that can. NULL: not wanted.
     */
    void (*on_answer)(struct association_events *self);
    /* Ready; streams is what both sides granted, in each direction. */
    void (*on_up)(struct association_events *self, uint16_t streams);
    /* Owns: the message passes to the callee. stream and epoch are set. */
    void (*on_message)(struct association_events *self, struct message *message);
    /* After association_send said ERR_AGAIN: there is room again. */
    void (*on_writable)(struct association_events *self);
    /* The end, from any state, once: why, and what the peer said about it ("" if nothing; in quotes
     * (base/quote.h), not authenticated: for the log only). The association is gone when it
     * returns. ERR_LOCAL_SHUTDOWN after the user's own association_close. */
    void (*on_down)(struct association_events *self, enum err reason, const char *detail);
    /* A path has come, has changed its state, or has become the one in use. NULL: not wanted. */
    void (*on_path)(struct association_events *self, const struct path_status *path);
    /* After association_auth_use(number): nothing is sent with an older key any more, nor sent
     * again, so that the peer may forget those. NULL: not wanted. */
    void (*on_auth_settled)(struct association_events *self, uint16_t number);
};

/* Takes associations that peers begin. Embedded in the user's struct. */
struct transport_acceptor {
    /* A peer's association is up (on_up follows at once); with options.distrusts a transport may
     * wait with this for the first message. Returns the events to use, or NULL to abort it. */
    struct association_events *(*on_incoming)(struct transport_acceptor *self,
                                              struct association *association,
                                              const struct address *peer);
};

struct association_status {
    uint16_t streams;
    const char *scheduler;    /* of streams inside SCTP: "round-robin", "first-come" */
    uint64_t retransmissions; /* packets or chunks sent again */
    /* The next: by transports that count them, else 0. */
    uint64_t lost;     /* packets that were taken for lost */
    uint64_t spurious; /* of those, which arrived after all */
    uint64_t probes;   /* sent to hear of the last ones */
    uint64_t timeouts; /* with nothing heard of what is in flight */
    struct path_status paths[TRANSPORT_ADDRESSES_MAX];
    size_t path_count;
};

/* Lines a minute that a transport writes about peers whom its user need not know. */
#define TRANSPORT_LINES 20

/* Bytes of a key for the authentication of chunks: RFC 6083 section 4.8. */
#define TRANSPORT_AUTH_KEY 64

/* Uses of such a key. */
enum association_auth {
    ASSOCIATION_AUTH_ADD,  /* the peer may send with it */
    ASSOCIATION_AUTH_USE,  /* we send with it, and soon with no other */
    ASSOCIATION_AUTH_DROP, /* the peer sends with it no more */
};

enum association_close {
    ASSOCIATION_SHUTDOWN, /* after all that was sent has arrived (SCTP SHUTDOWN) */
    ASSOCIATION_ABORT,    /* at once (SCTP ABORT), queued messages are lost */
};

/* A transport implements these; the functions below call them. */
struct transport_ops {
    const char *name;
    bool shares;           /* transport_options.sharing */
    bool one_refusal_ends; /* connect fails as soon as one of several addresses refuses */
    bool (*available)(char *why, size_t why_size); /* NULL: always */
    enum err (*open)(struct loop *loop, const struct address *locals, size_t local_count,
                     const struct transport_options *options, struct transport_acceptor *acceptor,
                     struct transport **transport, char *why, size_t why_size);
    void (*free)(struct transport *transport);
    void (*refuse)(struct transport *transport);
    const struct address *(*local)(struct transport *transport, size_t index);
    enum err (*connect)(struct transport *transport, const struct address *remotes,
                        size_t remote_count, struct association_events *events,
                        struct association **association);
    enum err (*send)(struct association *association, struct message *message);
    void (*close)(struct association *association, enum association_close how, const char *detail);
    void (*status)(struct association *association, struct association_status *status);
    void (*trust)(struct association *association); /* NULL: nothing depends on it */
    /* NULL: cannot authenticate, and transport_open refuses options that want it. */
    enum err (*auth)(struct association *association, enum association_auth what, uint16_t number,
                     const uint8_t *key);
};

enum association_state {
    ASSOCIATION_CONNECTING,
    ASSOCIATION_UP,
    ASSOCIATION_SHUTTING, /* the user has asked for the end */
    ASSOCIATION_ENDED,
};

/* Every association's struct begins with this; every transport's, too. */
struct association {
    const struct transport_ops *ops;
    uint32_t pace; /* see association_pace */

    /* for transports alone: transport/association.h */
    struct transport *transport;
    TAILQ_ENTRY(association) link;     /* of transport->associations */
    struct association_events *events; /* NULL until the acceptor gave them */
    enum association_state state;
    struct loop_task end_task; /* on_down */
    enum err reason;
    char *detail; /* NULL: none */
};
struct transport {
    const struct transport_ops *ops;
    struct loop *loop;
    TAILQ_HEAD(association_list, association) associations;
};

/* By name ("udp", "kernel"); NULL if there is none. */
const struct transport_ops *transport_find(const char *name);
/* Finds this one, too: tests have one of their own (tests/memory/). Before there are threads. */
void transport_add(const struct transport_ops *ops);

/* "active", "failing"… */
const char *transport_path_state_name(enum path_state state);

/* True: this machine can do it; else one sentence in why. */
static inline bool transport_available(const struct transport_ops *ops, char *why, size_t size)
{
    return !ops->available || ops->available(why, size);
}

/* Binds an endpoint to 1..TRANSPORT_ADDRESSES_MAX addresses: peers may reach it at any of them, and
 * an association lives on as long as one path between the two ends does. Port 0 takes a free one
 * (transport_local tells; the kernel needs the same port at all of them). acceptor NULL: peers
 * cannot begin associations. Returns ERR_OK, ERR_TRANSPORT_ADDRESS or ERR_TRANSPORT_SOCKET
 * with a sentence in why. Owns: caller, transport_free; addresses and options are copied. */
static inline enum err transport_open(const struct transport_ops *ops, struct loop *loop,
                                      const struct address *locals, size_t local_count,
                                      const struct transport_options *options,
                                      struct transport_acceptor *acceptor,
                                      struct transport **transport, char *why, size_t why_size)
{
    if (options->auth && !ops->auth) {
        snprintf(why, why_size, "%s cannot authenticate SCTP", ops->name);
        return ERR_TRANSPORT_SOCKET;
    }
    return ops->open(loop, locals, local_count, options, acceptor, transport, why, why_size);
}

/* Aborts what is still up (their on_down runs inside), closes the sockets. Not inside on_up,
 * on_message, on_writable or on_incoming of the same transport. NULL is fine. */
static inline void transport_free(struct transport *transport)
{
    if (transport)
        transport->ops->free(transport);
}

/* From now on peers that begin get no association, as if there were no acceptor: over the network
 * no answer, or a refusal. Those that are up go on. Before an end, so that clients wait for who
 * comes next instead of spending a ticket here. */
static inline void transport_refuse(struct transport *transport)
{
    transport->ops->refuse(transport);
}

/* A bound address, with the port taken, in the order of transport_open; NULL after the last. */
static inline const struct address *transport_local_at(struct transport *transport, size_t index)
{
    return transport->ops->local(transport, index);
}

static inline const struct address *transport_local(struct transport *transport)
{
    return transport_local_at(transport, 0);
}

/* Begins an association with the peer that answers first at one of these addresses, tried in this
 * order; those of them that turn out to be the same peer's are its paths, preferred in this order.
 * on_up or on_down follows, never inside this call.
 * Returns ERR_OK, ERR_TRANSPORT_SOCKET with errno, or ERR_TRANSPORT_ADDRESS where none of ours can
 * reach any of them (then no callback follows).
 * Owns: the transport owns the association until on_down; the addresses are copied. */
static inline enum err association_connect(struct transport *transport,
                                           const struct address *remotes, size_t remote_count,
                                           struct association_events *events,
                                           struct association **association)
{
    return transport->ops->connect(transport, remotes, remote_count, events, association);
}

/* Queues one message on message->stream. ERR_OK: the message is consumed. ERR_AGAIN: it stays
 * the caller's, on_writable follows; the queue below is kept shallow on purpose (about 100 KB, or
 * what leaves in a few ms where the line is slow), so that the caller decides whose turn it is.
 * ERR_TRANSPORT_STREAM: no such stream; ERR_TRANSPORT_CLOSED: after association_close or the end;
 * it stays the caller's. 1 to MESSAGE_MAX bytes. May be called inside on_message. */
static inline enum err association_send(struct association *association, struct message *message)
{
    return association->ops->send(association, message);
}

/* Bytes that leave in about 2 ms at the rate of now; 0: so many that nobody needs to care. Larger
 * messages, or more of one stream at a time, make other streams wait. */
static inline uint32_t association_pace(const struct association *association)
{
    return association->pace;
}

/* Ends it; on_down(ERR_LOCAL_SHUTDOWN) follows later, never inside this call. detail (at most 200
 * bytes, NULL: none) reaches the peer's on_down of an abort. A second call with ABORT cuts a
 * SHUTDOWN short. */
static inline void association_close(struct association *association, enum association_close how,
                                     const char *detail)
{
    association->ops->close(association, how, detail);
}

/* The peer has proved who it is: what it may make a transport keep is bounded by the options from
 * now on. Until then, if the options say `distrusts`, an association that a peer began may cost
 * little. */
static inline void association_trust(struct association *association)
{
    if (association->ops->trust)
        association->ops->trust(association);
}

/* Keys of an association whose options say `auth`, up to now: ERR_OK, or what went wrong; an
 * association that is ending takes anything. From the beginning key 0 is in use, which is empty:
 * anybody can send with it until it is dropped.
 *
 * add: key has TRANSPORT_AUTH_KEY bytes and is copied; number was not added before, or dropped
 * since. use: after the peer has said that it was added there; on_auth_settled follows, never
 * inside this. drop: not the one in use; to be called after the peer has said that it is settled.
 */
static inline enum err association_auth_add(struct association *association, uint16_t number,
                                            const uint8_t *key)
{
    return association->ops->auth(association, ASSOCIATION_AUTH_ADD, number, key);
}

static inline enum err association_auth_use(struct association *association, uint16_t number)
{
    return association->ops->auth(association, ASSOCIATION_AUTH_USE, number, NULL);
}

static inline enum err association_auth_drop(struct association *association, uint16_t number)
{
    return association->ops->auth(association, ASSOCIATION_AUTH_DROP, number, NULL);
}

/* Fills in the status. */
static inline void association_status(struct association *association,
                                      struct association_status *status)
{
    association->ops->status(association, status);
}
