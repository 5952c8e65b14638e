/* transport/udp.h: SCTP in user space over UDP (usrsctp behind RFC 6951 encapsulation). The
 * structures that the udp_*.c share; users need only transport.h and the two functions below.
 *
 * A transport is one UDP socket for each of its addresses. Each association has paths (a socket of
 * ours and the peer's UDP address), of which usrsctp knows nothing, a slot of the stack (the
 * AF_CONN address by which it knows the peer) and an SCTP socket of its own, from its first INIT
 * on:
 *
 *   HALF_OPEN -> UP -> SHUTTING -> ENDED     a peer's: the socket listens until its cookie returns
 *   CONNECTING -> UP -> SHUTTING -> ENDED    ours
 *
 * ENDED has neither socket, slot nor paths; on_down follows in a task of the loop. What the peer
 * sends after that, or after a restart of this endpoint, is out of the blue (transport/stray.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log_limit.h"
#include "base/quote.h"
#include "transport/answers.h"
#include "transport/backlog.h"
#include "transport/datagram.h"
#include "transport/packet.h"
#include "transport/path.h"
#include "transport/round_trip.h"
#include "transport/stack.h"
#include "transport/stray.h"
#include "transport/transport.h"
#include "transport/udp_ahead.h"
#include "transport/udp_cookie.h"
#include "transport/udp_mtu.h"
#include "transport/udp_paths.h"
#include "transport/udp_pieces.h"
#include "transport/udp_resend.h"
#include "transport/window.h"

/* SCTP port on which every endpoint listens: the number that RFC 6951 gives to the encapsulation,
 * because the UDP port, which may be translated on the way, cannot be used. */
#define UDP_SCTP_PORT 9899

/* Longest text of an ABORT that is kept. */
#define UDP_DETAIL_MAX  200
#define UDP_DETAIL_ROOM QUOTE_ROOM(UDP_DETAIL_MAX)

enum udp_state { UDP_HALF_OPEN, UDP_CONNECTING, UDP_UP, UDP_SHUTTING, UDP_ENDED };

/* An INIT of usrsctp's: 20 bytes and a few parameters. */
#define UDP_INIT_MAX 256

struct udp_local {
    struct datagram_socket socket;
    struct udp *transport;
    uint16_t number;
};

/* What belongs to a path of the association's choice, at the same place. */
struct udp_path {
    struct path node;
    struct udp_association *owner; /* NULL: there is none here */
    struct udp_local *local;
    struct datagram_route route;
    struct udp_mtu mtu;
    bool was_healthy; /* when that was last looked at */
};

/* INIT goes to one address after the other, round and round, until one answers. */
struct udp_init {
    uint8_t packet[UDP_INIT_MAX];
    size_t length;
    uint64_t begun_us;
    unsigned sent;    /* so many times, in all */
    unsigned refused; /* bit set: there was a no to the latest one */
    bool answered;
};

/* Room for all gaps that fit a packet of Ethernet. */
#define UDP_SACK_MAX 1480

/* A SACK that waits, see transport/udp_sack.h. */
struct udp_sack {
    struct loop_timer timer;
    uint64_t given_us;     /* last one with gaps that usrsctp got */
    uint64_t restarted_us; /* with which it restarted its timer */
    bool any;              /* usrsctp has got one */
    uint32_t cumulative;   /* TSN that usrsctp was shown */
    uint32_t heard;        /* the peer's own: further on while steps are held back */
    uint64_t shown_us;     /* the latest step */
    uint32_t resent;       /* TSN of what was sent again last, or what came after it */
    uint32_t awaited;      /* the same at the latest step */
    size_t length;         /* 0: none waits */
    uint8_t packet[UDP_SACK_MAX];
};

/* Keys with which we send; after one is replaced it may still be needed for what is sent again. */
#define UDP_AUTH_OLD_MAX 8
struct udp_auth_keys {
    uint16_t used;
    uint16_t old[UDP_AUTH_OLD_MAX];
    size_t old_count;
};

/* The value of a HEARTBEAT of usrsctp's has 40 bytes. */
#define UDP_HEARTBEAT_MAX 64

struct udp_association {
    struct association base;
    struct udp *transport;
    TAILQ_ENTRY(udp_association) link;      /* of transport->all */
    TAILQ_ENTRY(udp_association) half_link; /* of transport->half_open, while it is that */
    struct udp_association *next_touched;
    struct association_events *events; /* NULL until the acceptor gave them */
    enum udp_state state;
    bool touched, peer_closing;
    bool takes_early;       /* inside on_answer */
    bool trusted;           /* association_trust */
    size_t untrusted_bytes; /* see transport/udp_trust.h */
    uint16_t streams;
    uint32_t payload; /* of a UDP datagram, for which messages are cut; at most: */
    uint32_t ceiling; /* what usrsctp makes packets for; 0: not known yet */

    struct udp_path paths[TRANSPORT_ADDRESSES_MAX];
    struct udp_paths choice;
    unsigned used;                /* path in use when it was last looked at */
    struct loop_timer path_timer; /* probes; before that: INITs */
    struct loop_timer mtu_timer;  /* sized probes */
    uint8_t narrowed;             /* bit set: packets were too large for that path */
    uint32_t pieces_sent;         /* packets that went in pieces */
    struct udp_joining joining;
    struct udp_init init;
    struct udp_cookie cookie; /* of our latest INIT ACK */
    size_t may_answer;        /* bytes: what is not verified yet gets no larger packet */
    uint16_t own_port, peer_port;
    uint32_t own_tag, peer_tag; /* 0: not known yet */
    struct path by_tag;
    bool tagged; /* by_tag is in the table */
    struct packet_tsn sent;
    struct udp_auth_keys auth;
    bool doubted;                         /* see udp_auth_doubt */
    uint8_t heartbeat[UDP_HEARTBEAT_MAX]; /* value of the latest of usrsctp's, not yet answered */
    size_t heartbeat_length;
    struct udp_resend resend;
    uint64_t retransmissions;
    struct stack_peer peer;
    struct socket *socket; /* usrsctp's */

    struct loop_timer timer; /* until up: the time limit; then: silence */
    uint64_t heard_us;       /* last packet from the peer */
    uint64_t probe_us;       /* a request that waits for its answer was sent then; 0: none */
    uint32_t rtt_us;         /* by INIT, COOKIE ECHO and HEARTBEAT */

    struct message_queue pending; /* accepted from the user, not yet by usrsctp */
    struct loop_task send_task;
    size_t outstanding; /* bytes in usrsctp, an upper bound between two looks */
    struct backlog backlog;
    struct window window;
    uint32_t rto_min_ms; /* that usrsctp was told; 0: its options' */
    uint32_t loaded_us;  /* usrsctp's smoothed round trip, of data, in whole milliseconds */
    struct round_trip round_trip;
    struct udp_sack sack;
    struct udp_ahead ahead;
    struct loop_timer pace_timer;
    bool want_writable;

    struct loop_task end_task;
    enum err reason;
    char detail[UDP_DETAIL_ROOM];
};

TAILQ_HEAD(udp_association_list, udp_association);

struct udp_counters {
    uint64_t bad_packets;   /* not plausible, or with a wrong checksum */
    uint64_t stray_packets; /* of no association */
    uint64_t stray_answers; /* that told their senders so */
    uint64_t bad_probes;
    uint64_t bad_messages;      /* with an identifier that is not ours */
    uint64_t half_open_lost;    /* INITs that never completed, or had to make room */
    uint64_t untrusted_packets; /* more than a peer may send before it is verified */
    uint64_t not_answered; /* questions beyond what an endpoint answers (transport/answers.h) */
    struct datagram_counters datagrams;
};

struct udp {
    struct transport base;
    struct loop *loop;
    struct transport_options options;
    struct transport_acceptor *acceptor;
    bool refuses; /* transport_refuse */
    struct udp_local locals[TRANSPORT_ADDRESSES_MAX];
    uint16_t local_count;
    struct stack_user user;
    struct path_table paths;        /* by address and by tag */
    struct answers answers;         /* to addresses of which nothing is known: all of them; also */
    struct stray_limit strays;      /* answers to packets of no association */
    struct stray_limit unconfirmed; /* answers to probes from addresses not confirmed */
    struct udp_association_list all, half_open;
    size_t established, half_open_count;
    size_t untrusted_bytes;                          /* of all associations */
    struct udp_association *touched, **last_touched; /* had packets in this bulk */
    struct udp_path *latest;                         /* of the last packet: likely the next, too */
    struct message *spare;                           /* to be received into */
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

/* The user's number of a path. */
static inline unsigned udp_path_number(const struct udp_path *path)
{
    return (unsigned)(path - path->owner->paths);
}

static inline struct udp_path *udp_path_in_use(struct udp_association *association)
{
    return &association->paths[association->choice.in_use];
}

/* Sends what was collected at all sockets. */
void udp_flush(struct udp *transport);

void udp_count(struct transport *transport, struct udp_counters *counters);
