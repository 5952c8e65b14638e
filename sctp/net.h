/* sctp/net.h: what an association knows of one path: round trips (RFC 9260 section 6.3), the state
 * of loss detection (RFC 8985), rate, pace and congestion control. Private to sctp/. Pure. */
#pragma once

#include "base/number.h"
#include "sctp/congestion.h"
#include "sctp/pacer.h"
#include "sctp/rate.h"

struct sctp_options;

struct sctp_net {
    uint32_t mtu; /* bytes of an SCTP packet */
    /* Round trips, microseconds; 0: not measured. */
    uint64_t srtt_us, rttvar_us;
    uint64_t min_rtt_us; /* the least one ever measured on this net */
    uint64_t early_us;   /* since then answers are too early for that; 0: they are not */
    uint64_t rto_us;     /* without backoff */
    unsigned backoff;    /* times that T3 has doubled */
    /* Since the last round trip that was measured the peer has had twice what went twice: RTO may
     * be shorter than a round trip, and only one that is measured ends the backoff (Karn). Else any
     * answer does: after an outage all that is answered was sent twice. */
    bool is_doubled;
    unsigned errors;     /* time-outs in a row */
    uint64_t in_flight;  /* bytes of packets neither acknowledged nor lost */
    uint64_t t3_from_us; /* where in_flight is not 0: RTO begins here */
    uint32_t oldest;     /* where in_flight is not 0: no packet before it is one of those */
    uint64_t heard_us;   /* last acknowledgement of data sent here */
    struct {             /* RFC 8985 sections 6.1 and 6.2.4 */
        bool has_acked;  /* the next two are set */
        uint32_t packet; /* the acknowledged packet that was sent last */
        uint64_t rtt_us;
        bool has_newest; /* the next one is set */
        uint32_t
            newest; /* the acknowledged packet that was sent last of those that repeat nothing */
        bool reordering_seen;
        bool has_reo_round; /* reo_round is set */
        unsigned reo_mult, reo_persist;
        uint32_t reo_round; /* packet number: the window grew since then */
    } rack;
    bool needless; /* in this batch: something was sent again, or lost, needlessly */
    struct {       /* of recovery: until what was sent before it is acknowledged */
        bool is_on, by_timeout;
        uint16_t number;  /* 0: there was none */
        uint32_t end;     /* packet number: of the next when it began */
        uint32_t end_tsn; /* the same of TSNs: when una is there, it ends */
        unsigned lost, spurious;
    } episode;
    struct sctp_rate rate;
    bool in_batch;             /* sample is set: */
    struct sctp_sample sample; /* of the batch that is being read */
    struct sctp_pacer pacer;
    struct sctp_congestion *congestion;
};

/* A packet of that size is no longer in flight. */
static inline void sctp_net_leave(struct sctp_net *net, uint32_t size)
{
    net->in_flight = number_minus(net->in_flight, size);
}

/* rtt_us: a round trip that is known from the handshake, 0: none. Owns: caller. */
struct sctp_net *sctp_net_new(const struct sctp_options *options, uint64_t now_us, uint32_t mtu,
                              uint64_t rtt_us);
void sctp_net_free(struct sctp_net *net);
/* The path is another one: its round trips (rtt_us as above), loss detection and congestion control
 * begin anew.
 * in_flight stays, since the packets do. */
void sctp_net_restart(struct sctp_net *net, const struct sctp_options *options, uint64_t now_us,
                      uint64_t rtt_us);

/* A batch of acknowledgements begins here, if none has: its sample is empty. */
void sctp_net_begin_batch(struct sctp_net *net);
/* A round trip of a packet that was sent once (Karn's rule, section 6.3.1 C5). */
void sctp_net_measured(struct sctp_net *net, const struct sctp_options *options, uint64_t rtt_us);
/* RTO with its backoff. */
uint64_t sctp_net_rto(const struct sctp_net *net, const struct sctp_options *options);
/* RTO doubled `times` times: of T1 and T2. net NULL: there is none yet. */
uint64_t sctp_net_timeout(const struct sctp_net *net, const struct sctp_options *options,
                          unsigned times);
/* When T3 of this net expires (section 6.3.2); UINT64_MAX: nothing is in flight. */
uint64_t sctp_net_t3(const struct sctp_net *net, const struct sctp_options *options);
