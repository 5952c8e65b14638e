/* transport/udp/udp.h: SCTP in user space over UDP (the engine of sctp/ behind RFC 6951
 * encapsulation). The structures that the udp_*.c share; users need only transport.h and the
 * functions below.
 *
 * A transport is one UDP socket for each of its addresses. Each association has an engine, which
 * knows nothing of sockets, and paths (a socket of ours and the peer's UDP address): the engine's
 * nets, by the same numbers.
 *
 *   CONNECTING -> UP -> SHUTTING -> ENDED
 *
 * A peer's association begins with its COOKIE ECHO; before that nothing is kept of it. ENDED has
 * neither engine nor paths; on_down follows in a task of the loop. What the peer sends after that,
 * or after a restart of this endpoint, is out of the blue (sctp/listener.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log_limit.h"
#include "base/quote.h"
#include "sctp/association.h"
#include "sctp/listener.h"
#include "transport/transport.h"
#include "transport/udp/answers.h"
#include "transport/udp/datagram.h"
#include "transport/udp/mtu.h"
#include "transport/udp/packet.h"
#include "transport/udp/path_table.h"
#include "transport/udp/paths.h"
#include "transport/udp/pieces.h"
#include "transport/udp/stray.h"
#include "transport/udp/trust.h"

/* SCTP port on which every endpoint listens: the number that RFC 6951 gives to the encapsulation,
 * because the UDP port, which may be translated on the way, cannot be used. */
#define UDP_SCTP_PORT 9899

/* Longest text of an ABORT that is kept. */
#define UDP_DETAIL_MAX  SCTP_TEXT_MAX
#define UDP_DETAIL_ROOM QUOTE_ROOM(UDP_DETAIL_MAX)

enum udp_state { UDP_CONNECTING, UDP_UP, UDP_SHUTTING, UDP_ENDED };

/* An INIT of ours: 20 bytes and a few parameters. */
#define UDP_INIT_MAX 256

struct udp_local {
    struct datagram_socket socket;
    struct udp *transport;
    uint16_t number;
};

/* What belongs to a path of the association's choice, by the same number. */
struct udp_path {
    struct path node, address; /* in transport->paths, and in transport->addresses */
    struct udp_association *owner;
    struct udp_local *local;
    struct datagram_route route;
    struct udp_mtu mtu;
    unsigned number;
    uint32_t told_mtu; /* what the engine makes packets of for it; 0: as it began */
    bool was_healthy;  /* when that was last looked at */
    bool carries;      /* it is in use, or what was sent there may arrive yet */
};

/* INIT goes to one address after the other, round and round, until one answers. */
struct udp_init {
    uint8_t packet[UDP_INIT_MAX];
    size_t length;
    uint64_t begun_us;
    unsigned sent;    /* so many times, in all */
    unsigned refused; /* bit set: there was a no to the latest one */
};

struct udp_association {
    struct association base;
    struct udp *transport;
    TAILQ_ENTRY(udp_association) link;         /* of transport->all */
    TAILQ_ENTRY(udp_association) strange_link; /* of transport->strangers, while it is there */
    struct udp_association *next_touched;
    struct association_events *events; /* NULL until the acceptor gave them */
    struct sctp_association *engine;   /* NULL: it has ended */
    enum udp_state state;
    bool touched;
    bool has_input;      /* the engine has had packets since sctp_association_input_end */
    bool peer_closing;   /* it has begun SHUTDOWN */
    bool takes_early;    /* inside on_answer */
    bool wants_writable; /* association_send said ERR_AGAIN before it was up */
    bool answered;       /* INIT was, or the peer began it */
    bool is_strange;     /* in transport->strangers: see transport/udp/trust.h */
    bool is_counted;     /* in transport->accepted */
    bool tagged;         /* by_tag is in the table */
    bool doubted;        /* see udp_auth_doubt */
    bool takes_rest;     /* the peer knows what the rest of an answer is (transport/udp/probe.h) */
    uint8_t narrowed;    /* bit set: packets were too large for that path */
    uint16_t streams;
    uint16_t own_port, peer_port;
    uint32_t own_tag, peer_tag; /* 0: not known yet */
    struct path by_tag;

    struct udp_path *paths[TRANSPORT_ADDRESSES_MAX]; /* NULL: there is none of that number */
    struct udp_paths choice;
    unsigned used;                /* path in use when it was last looked at */
    struct loop_timer path_timer; /* probes; before that: INITs */
    struct loop_timer mtu_timer;  /* sized probes */
    uint32_t pieces_sent;         /* packets that went in pieces */
    struct udp_joining joining;
    struct udp_init *init; /* NULL: it is up, or the peer began it */

    struct loop_timer engine_timer;
    uint64_t wakes_us;          /* engine_timer is set to this */
    struct loop_task send_task; /* packets of what was queued in this turn */
    size_t unsent;              /* bytes queued since the engine was last asked for packets */
    size_t unread;              /* bytes of packets since messages were handed on */
    uint64_t lost;              /* packets, when that was last looked at */
    struct message *early;      /* sent inside on_answer, too long to go with COOKIE ECHO */
    size_t held;                /* bytes that a stranger makes the engine keep */
    uint64_t begun_us;          /* of a stranger; its place: */
    uint16_t source;

    struct loop_timer timer; /* until up: the time limit; then: silence */
    uint64_t heard_us;       /* last packet from the peer */
    struct loop_task end_task;
    enum err reason;
    char *detail; /* NULL: none */
};

TAILQ_HEAD(udp_association_list, udp_association);

struct udp_counters {
    uint64_t bad_packets;   /* not plausible, or with a wrong checksum */
    uint64_t stray_packets; /* of no association */
    uint64_t stray_answers; /* that told their senders so */
    uint64_t bad_probes;
    uint64_t strangers_lost;    /* associations of which nobody was verified, dropped for others */
    uint64_t untrusted_packets; /* more than a peer may send before it is verified */
    uint64_t not_answered;      /* questions beyond what is answered (transport/udp/answers.h) */
    struct datagram_counters datagrams;
};

struct udp {
    struct transport base;
    struct loop *loop;
    uint64_t now_us; /* of the latest packet or timer: udp_now */
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses; /* transport_refuse */
    struct udp_local locals[TRANSPORT_ADDRESSES_MAX];
    uint16_t local_count;
    struct sctp_listener *listener; /* NULL: there is no acceptor */
    struct path_table paths;        /* by address and by tag */
    struct path_table addresses;    /* by the peer's UDP address alone, which several may have */
    struct answers answers;         /* to addresses of which nothing is known: all of them; also */
    struct stray_limit strays;      /* answers to packets of no association */
    struct stray_limit unconfirmed; /* answers to probes from addresses not confirmed */
    struct udp_association_list all;
    struct udp_trust trust;
    size_t accepted;                                 /* that peers began */
    unsigned questions_per_second;                   /* of all: transport/udp/rest.h */
    struct udp_association *touched, **last_touched; /* had packets in this bulk */
    struct udp_path *latest;                         /* of the last packet: likely the next, too */
    bool in_bulk; /* packets have come that were not delivered yet */
    bool delivering;
    struct udp_counters counters;
    struct log_limit lines; /* that peers cause whom nobody has verified */
};

extern const struct transport_ops udp_ops;

/* Cuts the line or mends it: everything in and out is lost, as when a host vanishes. For tests. */
void udp_cut(struct transport *transport, bool cut);
/* The same at one of the sockets, in each direction. For tests. */
void udp_cut_local(struct transport *transport, size_t index, bool in, bool out);
/* What is larger (UDP payload) is lost on its way out at that socket, without a word; 0: nothing
 * is. For tests. */
void udp_cut_above(struct transport *transport, size_t index, size_t size);

static inline struct udp_path *udp_path_in_use(struct udp_association *association)
{
    return association->paths[association->choice.in_use];
}

/* The clock, read anew; and as it was then, or at the beginning of the loop's turn. Neither goes
 * back. */
uint64_t udp_clock(struct udp *transport);
uint64_t udp_now(struct udp *transport);

/* Sends what was collected at all sockets. */
void udp_flush(struct udp *transport);

void udp_count(struct transport *transport, struct udp_counters *counters);
