/* proxy/link/parts.h: the parts that a link is made of; each is one file's. Thread: home. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/log_limit.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/message.h"
#include "base/newcomers.h"
#include "mux/control.h"
#include "mux/pool.h"
#include "mux/scheduler.h"
#include "proxy/worker/turn.h"
#include "tls/session.h"
#include "transport/transport.h"

struct channel;
struct link;
struct place;
struct worker;

/* life.c: its way from beginning to end. */
struct link_life {
    bool was_ready;
    bool is_beaten; /* client: another one was faster; nothing follows from its end */
    bool is_quiet;  /* the log knows why it ends */
    uint64_t begun_us, ready_us;
    enum err reason; /* of its end */
    char detail[256];
    struct loop_timer close_timer;
    struct loop_task gone_task;
    struct link_share *shares; /* one for each worker */
    unsigned shares_left;
};

/* The channels of one worker, which end there before the link does. Between stop and stopped that
 * worker reads the list of streams, and detail; the home worker changes neither then. */
struct link_share {
    struct link *link;
    struct worker *worker;
    struct mail stop, stopped;
};

struct link_transport {
    const struct transport_ops *ops;
    struct transport *own;           /* client: one for each association */
    struct association *association; /* NULL: down */
    struct association_events events;
};

/* The far end. */
struct link_peer {
    struct newcomer unverified; /* server: until it has proved who it is */
    struct address address;     /* that is used now */
    char text[ADDRESS_TEXT_MAX];
    char name[TLS_NAME_MAX];       /* once the master is verified */
    struct tls_identity *identity; /* proved by the last master; NULL: none yet */
    const char *tls_version, *tls_cipher;
    bool is_resumed; /* the first master was */
    bool is_leaving; /* GOAWAY came */
    bool *offered;   /* of each service of the tunnel: the peer connects it, as its HELLO says */
};

/* master.c: a master handshake: the first one, on stream 0, or a renewal. */
struct link_master {
    struct link *link;
    uint16_t stream;
    uint8_t epoch;
    bool verified, generation_taken;
    bool offered;                        /* client: a ticket or session of an earlier association */
    struct tls_session *session;         /* NULL: none */
    struct tls_credentials *credentials; /* of its beginning; NULL: none */
    struct tls_output output;
    struct loop_timer timer; /* time limit of the handshake */
    struct turn_taker taker; /* of control frames: the rest in another turn */
    size_t input;            /* bytes that came and are not read yet, while it waits for its turn */
};

/* renewal.c: the masters, and the state that children resume from. */
struct link_masters {
    struct link_master first, renewal;
    struct tls_generation *generation, *previous_generation;
    bool generation_refused;             /* client: the server resumes nothing from it (any more) */
    struct tls_credentials *credentials; /* of generation's master: for its children */
    struct loop_timer renew_timer;       /* client */
    uint64_t renew_us;                   /* its deadline */
    struct message_queue early;          /* server: came before its RENEW frame, or its time */
    struct {
        struct loop_timer timer; /* set: one waits for its time */
        uint16_t stream;
        uint8_t epoch;
    } next;               /* server */
    uint64_t renewals_us; /* server: up to when renewals have had their time; loop_now */
};

/* auth.c: keys of SCTP's authentication (docs/PROTOCOL.md section 8). */
#define LINK_AUTH_KEYS 8
struct link_auth {
    bool on;
    uint16_t keys[LINK_AUTH_KEYS]; /* the transport's, oldest first; at first 0, which is empty */
    size_t count;
    uint16_t peer_ready;            /* it takes this one; 0: none of ours */
    uint16_t used;                  /* told to the transport to send with */
    uint16_t settled, peer_settled; /* nothing older is sent */
};

/* control.c */
struct link_control {
    struct mux_control *mux; /* NULL: it has not begun */
    struct mux_control_events events;
    struct loop_task task;
};

/* place.c: server */
struct link_place {
    struct place *place; /* NULL: not verified yet */
    bool awaited;
    struct loop_timer timer;
    unsigned kept; /* messages for the master that came while it was awaited */
};

/* paths.c: the network paths as the log knows them. */
struct link_path {
    struct path_status now;
    enum path_state told_state;
    bool told, told_in_use;
};
struct link_paths {
    struct link_path known[TRANSPORT_ADDRESSES_MAX];
    size_t count;
    struct link_path *last_used;
    bool carried; /* the traffic had a path before */
    struct loop_task task;
    struct loop_timer minute; /* runs while lines are held back */
    uint64_t minute_us;       /* when the present one began */
    unsigned lines, held_back;
};

/* One stream, from the home worker's view. */
struct link_stream {
    struct scheduler_entry entry; /* in the scheduler while out is not empty */
    struct message_queue out;     /* ciphertext for SCTP */
    struct channel *channel;      /* NULL: never used */
    uint8_t epoch;
    bool wants; /* its channel, at home, has more when its turn comes */
    /* USABLE: may be leased, though the server has not judged it yet. */
    enum { CHILD_NONE, CHILD_STARTED, CHILD_USABLE, CHILD_READY } child;
    /* LEASE_BOTH: the peer was first, and it is not known yet if its lease will have ended when our
     * connection reaches the channel. */
    enum { LEASE_NONE, LEASE_OWN, LEASE_PEER, LEASE_BOTH } lease;
    size_t service; /* of LEASE_OWN and LEASE_BOTH */
};

/* streams.c: their number and its limits. */
struct link_streams {
    struct link_stream *list; /* a server has granted ones only once the peer is verified, before */
    uint32_t count;           /* that stream 0 */
    uint16_t wanted;          /* SCTP streams that we asked for (client) */
    uint16_t granted;         /* in each direction, at most that */
    uint16_t max;             /* children: streams 1..max; 0 until HELLO */
    uint16_t peer_max;        /* its HELLO's */
    enum {
        STREAMS_BY_BOTH,
        STREAMS_BY_US,
        STREAMS_BY_PEER,
        STREAMS_BY_SCTP,
        STREAMS_BY_IDENTITY
    } limiter;
    struct log_minute told;
};

/* children.c: the sessions of channels. */
struct link_children {
    uint32_t started;           /* not yet usable */
    uint32_t at_once;           /* client: no more of these */
    uint32_t initial;           /* made ready at the beginning: one log line when they are */
    uint32_t seen;              /* that became usable so far */
    uint32_t failures;          /* paid back with time */
    uint64_t failures_us;       /* up to when they are */
    uint16_t first_unused;      /* no lower stream is CHILD_NONE */
    uint16_t peer_wants;        /* children that the server waits for */
    struct message_queue early; /* of children, came before the peer's HELLO */
};

/* leases.c */
struct link_leases {
    struct pool *pool; /* NULL: not ready */
    struct loop_timer timer;
};

/* send.c: the fair queue in front of SCTP. */
struct link_sending {
    struct scheduler scheduler;
    struct loop_task task;
    struct channel *held_first, **held_last; /* wait for less than CHANNEL_QUEUE_HELD */
    uint32_t steps;                          /* of handshakes of children at home, ever */
    bool shut_when_sent;                     /* SHUTDOWN waits for the queue */
};
