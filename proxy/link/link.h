/* proxy/link/link.h: one association as the proxy sees it: the master session and the control
 * channel on stream 0, the children on streams 1..streams_max, the pool that leases them, and the
 * fair queue in front of SCTP.
 *
 * The link lives on the tunnel's home worker h. Its channels live on all workers: stream s belongs
 * to worker (h + s - 1) mod n. They raise events here (struct channel_sink).
 *
 * Life: CONNECTING (client) -on_up-> MASTER (handshake, HELLO) -> READY -> CLOSING -> gone.
 * Files: link.c (life), link/master.c (master, renewal), link/control.c (control channel),
 * link/children.c (channels, leases), link/place.c (how many a server
 * takes of an identity), link/streams.c (how many streams there are), link/early.c (children before
 * HELLO), link/auth.c (keys of SCTP's authentication), link/notices.c (events of channels),
 * link/send.c (the queue to SCTP and the way in), link/paths.c (what is told of its network paths).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/log_limit.h"
#include "base/loop.h"
#include "base/message.h"
#include "mux/control.h"
#include "mux/pool.h"
#include "mux/scheduler.h"
#include "proxy/channel/channel.h"
#include "proxy/link/owner.h"
#include "proxy/worker/turn.h"
#include "proxy/worker/worker.h"
#include "tls/session.h"
#include "transport/transport.h"

struct place;
struct quota;

enum link_state { LINK_CONNECTING, LINK_MASTER, LINK_READY, LINK_CLOSING };

/* One stream, from the home worker's view. */
struct link_stream {
    struct scheduler_entry entry; /* in link->scheduler while out is not empty */
    struct message_queue out;     /* ciphertext for SCTP */
    struct channel *channel;      /* NULL: never used */
    uint8_t epoch;
    bool wants; /* its channel, at home, has more when its turn comes */
    /* USABLE: may be leased, though the server has not judged it yet. */
    enum { CHILD_NONE, CHILD_STARTED, CHILD_USABLE, CHILD_READY } child;
    /* LEASE_BOTH: the peer was first, and whether its lease will have ended when our connection
     * reaches the channel is not known yet. */
    enum { LEASE_NONE, LEASE_OWN, LEASE_PEER, LEASE_BOTH } lease;
    size_t service; /* of LEASE_OWN and LEASE_BOTH */
};

/* Keys of SCTP's authentication (docs/PROTOCOL.md section 8). */
#define LINK_AUTH_KEYS 8
struct link_auth {
    bool on;
    uint16_t
        keys[LINK_AUTH_KEYS]; /* that the transport has, oldest first; at first 0, which is empty */
    size_t count;
    uint16_t peer_ready;            /* it takes this one; 0: none of ours */
    uint16_t used;                  /* told to the transport to send with */
    uint16_t settled, peer_settled; /* nothing older is sent */
};

/* A master handshake: the first one, on stream 0, or a renewal. */
struct link_master {
    struct link *link;
    uint16_t stream;
    uint8_t epoch;
    bool verified, generation_taken;
    bool offered;                        /* client: a ticket or session of an earlier association */
    struct tls_session *session;         /* NULL: none */
    struct tls_credentials *credentials; /* that it was born with; NULL: none */
    struct tls_output output;
    struct loop_timer timer; /* time limit of the handshake */
    struct turn_taker taker; /* of control frames: the rest in another turn */
    size_t input;            /* bytes that came and are not read yet, while it waits for its turn */
};

/* The network paths as the log knows them. */
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

/* The channels of one worker: for the orderly end, and for their part of a turn. */
struct link_share {
    struct link *link;
    struct worker *worker;
    struct mail stop, stopped;
};

struct link {
    struct link_owner *owner;
    struct tunnel_base *tunnel;   /* the owner's */
    struct link *next, *previous; /* in owner->links */
    enum link_state state;
    struct newcomer unverified; /* server */
    bool was_ready;
    bool beaten; /* client: another one was faster; nothing follows from its end */
    uint64_t begun_us, ready_us;

    const struct transport_ops *ops;
    struct transport *own_transport; /* client: one for each association */
    struct association *association; /* NULL: down */
    struct association_events events;
    struct link_paths paths;
    struct address peer_address; /* that is used now */
    char peer_text[ADDRESS_TEXT_MAX];
    char peer_name[TLS_NAME_MAX]; /* once the master is verified */
    const char *tls_version, *tls_cipher;
    bool master_resumed;

    struct link_master master, renewal;
    struct message_queue early;         /* of children, came before the peer's HELLO */
    struct message_queue renewal_early; /* came before its RENEW frame, or before its time */
    struct {
        struct loop_timer timer; /* set: one waits for its time */
        uint16_t stream;
        uint8_t epoch;
    } renewal_next;       /* server */
    uint64_t renewals_us; /* server: up to when renewals have had their time; loop_now */
    struct tls_generation *generation, *previous_generation;
    bool generation_refused;             /* client: the server resumes nothing from it (any more) */
    struct tls_credentials *credentials; /* of generation's master: for its children */
    struct tls_identity *identity;       /* that the last master has proved; NULL: none yet */
    struct loop_timer renew_timer;
    uint64_t renew_us; /* its deadline */
    struct link_auth auth;
    struct mux_control *control;
    struct mux_control_events control_events;
    struct loop_task control_task;
    bool peer_leaving; /* GOAWAY came */
    bool *offered;     /* of each service of the tunnel: the peer connects it, as its HELLO says */
    uint16_t peer_wants; /* children that the server waits for */

    /* server: see link/place.c */
    struct place *place; /* NULL: not verified yet */
    bool place_awaited;
    struct loop_timer place_timer;
    unsigned kept; /* messages for the master that came while it was awaited */
    bool is_quiet; /* why it ends has been told */

    uint16_t wanted;       /* SCTP streams that we asked for (client) */
    uint16_t granted;      /* in each direction, at most that */
    uint16_t streams_max;  /* children: streams 1..streams_max; 0 until HELLO */
    uint16_t peer_streams; /* its HELLO's streams_max */
    enum {
        STREAMS_BY_BOTH,
        STREAMS_BY_US,
        STREAMS_BY_PEER,
        STREAMS_BY_SCTP,
        STREAMS_BY_IDENTITY
    } streams_limiter;
    struct log_minute streams_told;
    struct link_stream *streams; /* stream_count of them: a server has granted ones */
    uint32_t stream_count;       /* only once the peer is verified, before that stream 0 */
    uint16_t first_unused;       /* no lower stream is CHILD_NONE */
    uint32_t children_started;   /* not yet usable */
    uint32_t children_at_once;   /* client: no more of these */
    uint32_t children_initial;   /* made ready at the beginning: one log line when they are */
    uint32_t children_seen;      /* that became usable so far */
    uint32_t handshake_steps;    /* at home, of children, ever */
    uint32_t failures;           /* of children; paid back with time */
    uint64_t failures_us;
    struct pool *pool;
    struct loop_timer pool_timer;

    struct scheduler scheduler;
    struct loop_task send_task;
    struct channel *held_first, **held_last; /* see link_hold */

    struct channel_group group; /* all that other threads read of it */
    struct link_share *shares;  /* one for each worker */
    unsigned shares_left;
    bool shut_when_sent; /* SHUTDOWN waits for the queue to SCTP */
    enum err reason;     /* why it ends */
    char detail[256];
    struct loop_timer close_timer;
    struct loop_task gone_task;
};

/* A log line about it. The address of a peer that has proved who it is says nothing more. */
#define LINK_ABOUT(link, ...)                                                                      \
    LOG_ABOUT(.tunnel = (link)->tunnel->config->name,                                              \
              .peer = *(link)->peer_name ? (link)->peer_name : NULL,                               \
              .association = (link)->group.log_id,                                                 \
              .address = *(link)->peer_name ? NULL : (link)->peer_text, __VA_ARGS__)

static inline bool link_is_client(const struct link *link)
{
    return link->tunnel->config->role == CONFIG_CLIENT;
}

static inline struct link *link_of(const struct channel *channel)
{
    return container_of(channel->group, struct link, group);
}

static inline uint64_t link_now(const struct link *link)
{
    return loop_now(link->tunnel->home->loop);
}

/* What a client's new association takes. */
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

/* No more leases from the peer's side wanted: sends GOAWAY. */
void link_drain(struct link *link);

/* Leases a stream for the connection, or lets it wait, or ends it. Owns: consumed. */
void link_carry(struct link *link, struct connection *connection);
/* It waits no longer, because it ends. Owns: still the caller's. */
void link_carry_cancel(struct connection *connection);

/* Between the files of link. */
void link_became_ready(struct link *link);
void link_paths_init(struct link *link);
void link_paths_up(struct link *link);
void link_paths_end(struct link *link);
/* Of the path in use, in microseconds, as measured just now; 0: not measured. */
uint32_t link_paths_rtt(const struct link *link);
void link_send_init(struct link *link);
void link_send_now(struct link *link);
void link_send_clear(struct link *link);
void link_send_forget(struct link *link, struct link_stream *stream);
void link_put(struct channel *channel, struct message *message);
void link_want(struct channel *channel);
void link_hold(struct channel *channel);
void link_step(struct channel *channel);
void link_enqueue(struct link *link, struct message *message);
void link_receive(struct link *link, struct message *message);
/* What there is to say is written at the end of this turn, or at once. */
void link_control_begin(struct link *link);
void link_control_flush(struct link *link);
void link_control_now(struct link *link);
void link_control_end(struct link *link);
void link_master_begin(struct link *link);
void link_master_advance(struct link *link, struct link_master *master);
void link_master_receive(struct link *link, struct message *message);
void link_renew_now(struct link *link);
/* The server's part of a renewal that the client begins. */
void link_master_renew(struct link *link, uint16_t stream, uint8_t epoch);
void link_master_end(struct link *link);
/* Server: the peer is verified; it gets a place, and with it the control channel, now or later, or
 * the association ends. Client: always, now. */
void link_place_take(struct link *link);
/* The answer to a question of link/place.c. */
void link_place_answered(struct link *link, uint64_t token);
/* Room for so many streams, or for more than there was; the first one is kept. No pointer to it may
 * be held. */
void link_streams_open(struct link *link, uint32_t count);
/* The peer's HELLO allows so many: sets streams_max, and who limits it. */
void link_streams_agree(struct link *link, uint32_t peers);
/* Who limits them, for people (text may be used for it) and for programs. */
const char *link_streams_describe(const struct link *link, char *text, size_t size);
const char *link_streams_limiter(const struct link *link);
/* A connection waits for one: a line says so when there can be no more, once a minute. */
void link_streams_waited_for(struct link *link);
/* How many of so many streams it gets. Once. */
uint32_t link_place_streams(struct link *link, uint32_t wanted);
/* GOAWAY came. */
void link_place_drains(struct link *link);
/* The link ends: another may have its place. link_place_leave follows, at the latest before its
 * memory goes. */
void link_place_give_back(struct link *link);
void link_place_leave(struct link *link);
/* Its paths have changed. */
void link_place_paths(struct link *link);
/* A master is verified, the control channel is there: its key is taken. */
void link_auth_verified(struct link *link, const struct link_master *master);
/* Whether what nobody has authenticated is refused: "off", "pending", "on". */
const char *link_auth_state(const struct link *link);
void link_child_failed(struct link *link, uint16_t stream, uint8_t epoch, enum err why,
                       const char *detail, bool told_by_peer);
void link_child_receive(struct link *link, struct message *message);
void link_start_children(struct link *link);
void link_report(const struct channel_report *report);
void link_start_child(struct link *link, uint16_t id, uint8_t epoch);
/* One that has just begun, without a word to the peer, who does not know it. */
void link_abandon_child(struct link *link, uint16_t id);
void link_early_begin(struct link *link);
void link_early_keep(struct link *link, struct message *message);
void link_early_settle(struct link *link);
void link_children_begin(struct link *link);
void link_children_end(struct link *link);
