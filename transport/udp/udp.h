/* transport/udp/udp.h: SCTP in user space over UDP (the engine of sctp/ behind RFC 6951
 * encapsulation). An association as all files of this folder see it; users need only transport.h,
 * udp_ops and transport/udp/endpoint.h.
 *
 * A transport is one UDP socket for each of its addresses. Each association has an engine, which
 * knows nothing of sockets, and paths (a socket of ours and the peer's UDP address): the engine's
 * nets, by the same numbers.
 *
 * A peer's association begins with its COOKIE ECHO; before that nothing is kept of it. One that has
 * ended has neither engine nor paths. Packets that the peer sends after that, or after a restart of
 * this endpoint, are out of the blue (sctp/listener.h).
 *
 * The files, the lowest first; each calls only those before it:
 *
 *   endpoint      clock, sockets          datagram, steer, answers, path_table, route
 *   path          records of paths        packet, probe
 *   path_mtu      sizes of packets        mtu, fragments
 *   status, path_io   probes at work      paths, open_probes
 *   engine        packets out             unverified, init
 *   association   states, events, timers
 *   arrival, connect    how they begin
 *   receive       packets in
 *   udp           the transport */
#pragma once

#include "base/quote.h"
#include "sctp/association.h"
#include "transport/association.h"
#include "transport/udp/endpoint.h"
#include "transport/udp/path.h"

/* SCTP port on which every endpoint listens: the number that RFC 6951 gives to the encapsulation,
 * because the UDP port, which may be translated on the way, cannot be used. */
#define UDP_SCTP_PORT 9899

/* Longest text of an ABORT that is kept. */
#define UDP_DETAIL_MAX  SCTP_TEXT_MAX
#define UDP_DETAIL_ROOM QUOTE_ROOM(UDP_DETAIL_MAX)

/* Packets and messages on their way out (transport/udp/engine.h). */
struct udp_sending {
    struct loop_timer timer; /* the engine's deadline */
    uint64_t wakes_us;       /* the timer is set to this */
    struct loop_task task;   /* packets of what was queued in this turn */
    size_t unsent;           /* bytes queued since the engine was last asked for packets */
    uint64_t lost;           /* packets, when that was last looked at */
    struct message *early;   /* sent inside on_answer, too long to go with COOKIE ECHO */
    bool takes_early;        /* inside on_answer */
    bool wants_writable;     /* association_send said ERR_AGAIN before it was up */
};

/* Packets on their way in. */
struct udp_receiving {
    bool has_input; /* the engine has had packets since sctp_association_input_end */
    size_t unread;  /* bytes of packets since messages were handed on */
};

struct udp_association {
    struct association base;
    struct udp *transport;
    STAILQ_ENTRY(udp_association) touched_link; /* of transport->turn.touched */
    bool is_touched;
    struct sctp_association *engine; /* NULL: it has ended */
    bool answered;                   /* INIT was, or the peer began it */
    bool peer_closing;               /* it has begun SHUTDOWN */
    bool is_counted;                 /* in transport->accepted */
    uint16_t streams;
    struct udp_tags tags;
    struct udp_path_set paths;
    struct udp_init *init; /* NULL: it is up, or the peer began it */
    struct udp_sending out;
    struct udp_receiving in;
    struct loop_timer timer;    /* until up: the time limit; then: silence */
    uint64_t heard_us;          /* last packet from the peer */
    struct newcomer unverified; /* see transport/udp/unverified.h */
};

extern const struct transport_ops udp_ops;

static inline struct udp_association *udp_association_of(struct association *association)
{
    return container_of(association, struct udp_association, base);
}

static inline struct udp_path *udp_path_in_use(struct udp_association *self)
{
    return self->paths.list[self->paths.choice.in_use];
}

/* When this turn of the loop began. */
static inline uint64_t udp_turn_us(const struct udp_association *self)
{
    return loop_now(self->transport->base.loop);
}

/* Packets will be taken from the engine at the end of this turn. */
static inline void udp_send_later(struct udp_association *self)
{
    loop_task_queue(self->transport->base.loop, &self->out.task);
}

/* It must be up, or say something, within this time. */
static inline void udp_limit(struct udp_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->base.loop, &self->timer, udp_turn_us(self) + after_us);
}
