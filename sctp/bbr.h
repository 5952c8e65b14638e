/* sctp/bbr.h: BBRv3 as draft-ietf-ccwg-bbr (2026-08-03) has it, with the seven deviations D1 to D7
 * of docs/decisions/033-congestion-control.md. Names are the draft's, sections are cited by their
 * titles. sctp/bbr.c has states and control, sctp/bbr_model.c the model of the path,
 * sctp/bbr_probe.c the ProbeBW cycle. Private to these three. Pure.
 *
 * All in integers: bytes, microseconds, bytes a second, percent. Numbers from a peer's
 * acknowledgements are clamped first (bbr.c: clamped), so that no product overflows. */
#pragma once

#include "base/number.h"
#include "sctp/congestion.h"

#define SCTP_BBR_NONE UINT64_MAX /* the draft's Infinity */

/* "Core Algorithm Design Parameters", "Network Path Model Parameters" and after them. */
#define SCTP_BBR_LOSS_THRESH      20000000u /* 2%, in parts of SCTP_BBR_WHOLE */
#define SCTP_BBR_WHOLE            1000000000u
#define SCTP_BBR_BETA             70 /* percent */
#define SCTP_BBR_HEADROOM         15
#define SCTP_BBR_MARGIN           1
#define SCTP_BBR_MIN_PIPE         4 /* packets */
#define SCTP_BBR_STARTUP_PACE     277
#define SCTP_BBR_STARTUP_RANGES   6
#define SCTP_BBR_OFFLOAD_QUANTA   3
#define SCTP_BBR_AGGREGATE_ROUNDS 10
#define SCTP_BBR_MIN_RTT_US       UINT64_C(10000000)
#define SCTP_BBR_PROBE_RTT_US     UINT64_C(5000000)
#define SCTP_BBR_PROBE_RTT_STAYS  UINT64_C(200000)
/* After a round that loses this much a short path (sctp/congestion.h) is as any other for 10 s. */
#define SCTP_BBR_LOSSY_PERCENT 10
#define SCTP_BBR_LOSSY_US      UINT64_C(10000000)

/* D1: in calm rounds of CRUISE and DOWN the share of lost packets is the line's own. So many
 * packets weigh as much as all before them, at first fewer; it is never taken to be more than 5%.
 * Of n packets n * (2% + floor) and two standard deviations more may be lost before anything
 * reacts; after a round that was not calm, in CRUISE and DOWN, without the 2%. */
#define SCTP_BBR_D1_WEIGHT     1000
#define SCTP_BBR_D1_PRIOR      100
#define SCTP_BBR_D1_MOST       50000000u
#define SCTP_BBR_D1_DEVIATIONS 2
/* A round is calm when its round trips are, on average, that near to those of the best round of the
 * last 5 to 10 s: an eighth, or 1 ms. */
#define SCTP_BBR_CALM_SHARE 8
#define SCTP_BBR_CALM_US    1000
#define SCTP_BBR_BASE_US    UINT64_C(5000000)
/* D2: after a calm REFILL, UP ends with eight samples in a row that are an eighth or 5 ms above
 * min_rtt: the queue is ours (as many as HyStart++ wants of a round, RFC 9406 section 4.3). Two
 * batches are enough if they acknowledge many packets. */
#define SCTP_BBR_D2_SAMPLES 8
#define SCTP_BBR_D2_PACKETS 16
#define SCTP_BBR_D2_BATCHES 2
#define SCTP_BBR_D2_SHARE   8
#define SCTP_BBR_D2_US      5000
/* D3: Startup ends for losses after a calm round only if they are more than 20%; else they are the
 * line's. Ranges count, not packets, and nothing that T3 declares lost. */
#define SCTP_BBR_D3_PERCENT 20
/* D4: a loss that was none is not counted (sctp_bbr_model_spurious). */
/* D5: cruise paces not 1% below bw, but 5% and half of a queue's share of the round trip more, 10%
 * at most, after a round whose round trips were longer by a 64th, or 1 ms: bw is the best of many
 * samples, and jitter and batches make it too large by some percent. */
#define SCTP_BBR_D5_SHARE   64
#define SCTP_BBR_D5_LEAST   5
#define SCTP_BBR_D5_PERCENT 50
#define SCTP_BBR_D5_MOST    10
/* D6: a queue longer than the round trip, and 20 ms, and less than 70% of bw delivered: the line
 * has become slower. Then the short-term model is lowered as for losses. Each calm round that
 * delivers 90% of it raises it by a quarter, until bw is as before. */
#define SCTP_BBR_D6_US    20000
#define SCTP_BBR_D6_RATE  70
#define SCTP_BBR_D6_KEPT  90
#define SCTP_BBR_D6_RAISE 4
/* D7: in Startup a round that the sender's user limited counts for the plateau all the same if a
 * queue stood in it, and 44 packets were sent: else a connection whose own window is less than the
 * path holds keeps Startup's pace for ever, and each time its window opens it is a burst of nearly
 * three times the rate. */
#define SCTP_BBR_D7_PACKETS UINT64_C(44)

enum sctp_bbr_state {
    SCTP_BBR_STARTUP,
    SCTP_BBR_DRAIN,
    SCTP_BBR_DOWN, /* from here to UP: ProbeBW */
    SCTP_BBR_CRUISE,
    SCTP_BBR_REFILL,
    SCTP_BBR_UP,
    SCTP_BBR_PROBE_RTT,
};

enum sctp_bbr_acks {
    SCTP_BBR_ACKS_INIT,
    SCTP_BBR_ACKS_REFILLING,
    SCTP_BBR_ACKS_STARTING,
    SCTP_BBR_ACKS_FEEDBACK,
    SCTP_BBR_ACKS_STOPPING,
};

struct sctp_bbr {
    struct sctp_congestion base;
    enum sctp_bbr_state state;
    uint64_t random;
    uint64_t delivered; /* of the net, at the last batch */
    /* Control, before the rules of short paths. */
    uint64_t pace, window, quantum, prior_window;
    bool in_recovery, timed_out, idle_restart;
    /* Rounds. */
    uint64_t next_round_delivered, rounds, rounds_since_up;
    bool round_start;
    /* Rates. */
    uint64_t max_bw, bw, bw_shortterm, bw_latest;
    uint64_t bw_filter[2]; /* of this and the last cycle of ProbeBW */
    unsigned cycle;
    /* Volumes. */
    uint64_t inflight_longterm, inflight_shortterm, inflight_latest;
    /* Losses of a round. */
    uint64_t loss_round_delivered, round_delivered, round_lost;
    uint64_t loss_floor; /* D1; parts of SCTP_BBR_WHOLE */
    uint64_t floor_packets;
    unsigned lost_ranges;
    bool loss_round_start, loss_in_round;
    /* Round trips of a round: their sum, and the means of the best rounds, now and before base_us.
     */
    uint64_t round_rtt_us, round_rtts, base_rtt_us[2], base_us;
    bool calm;           /* the last round; D1, D2 */
    unsigned margin;     /* percent; D5 */
    bool slow, was_slow; /* D6 */
    bool fills;          /* D7: the last round was not calm, and large */
    /* Full pipe. */
    uint64_t full_bw;
    unsigned full_bw_count;
    bool full_bw_now, full_bw_reached;
    /* Aggregation of acknowledgements. */
    uint64_t aggregate_us, aggregate_delivered, extra_acked;
    uint64_t extra_filter[SCTP_BBR_AGGREGATE_ROUNDS];
    /* Round trips. */
    uint64_t least_rtt_us; /* ever; 0: none yet */
    uint64_t srtt_us;
    uint64_t min_rtt_us, min_rtt_stamp_us, probe_rtt_min_us, probe_rtt_stamp_us;
    bool probe_rtt_expired;
    uint64_t probe_rtt_done_us; /* 0: not begun */
    bool probe_rtt_round_done;
    uint64_t ignored_from, ignored_until; /* delivered: samples of ProbeRTT are low */
    /* Drain. */
    uint64_t drain_round;
    /* ProbeBW. */
    enum sctp_bbr_acks acks;
    uint64_t cycle_us, probe_wait_us, up_acked, up_acked_per_packet;
    unsigned up_rounds;
    bool probe_sample, too_high, precautionary;
    bool own_queue;              /* D2: REFILL was calm */
    bool resumes;                /* UP after a precautionary one: its queue is the same */
    uint64_t risen, risen_bytes; /* D2: samples in a row, and what they acknowledge */
    uint64_t lossy_us;           /* until then a short path is treated as any other */
    /* State before a loss, which a spurious one gives back (D4). */
    struct {
        uint64_t bw_shortterm, inflight_shortterm, inflight_longterm;
        enum sctp_bbr_state state; /* STARTUP or UP: it was left for a loss */
    } undo;
};

static inline bool sctp_bbr_is_probing_bw(const struct sctp_bbr *self)
{
    return self->state >= SCTP_BBR_DOWN && self->state <= SCTP_BBR_UP;
}

static inline void sctp_bbr_start_round(struct sctp_bbr *self)
{
    self->next_round_delivered = self->delivered;
}

/* ---- sctp/bbr_model.c ---- */

void sctp_bbr_model_init(struct sctp_bbr *self, uint64_t now_us);
/* Rounds, rates, losses of the round, aggregation, the full pipe: before the states' turn. */
void sctp_bbr_model_update(struct sctp_bbr *self, const struct sctp_sample *sample);
/* "Updating BBR.min_rtt". */
void sctp_bbr_model_round_trip(struct sctp_bbr *self, const struct sctp_sample *sample);
/* After the states' turn: bw. */
void sctp_bbr_model_advance(struct sctp_bbr *self, const struct sctp_sample *sample);
/* One packet more of this round is lost. */
void sctp_bbr_model_lost(struct sctp_bbr *self, const struct sctp_loss *loss);
/* D4. */
void sctp_bbr_model_spurious(struct sctp_bbr *self, uint32_t size);
void sctp_bbr_model_forget_shortterm(struct sctp_bbr *self);
void sctp_bbr_model_forget_full_bw(struct sctp_bbr *self);
/* The best round's mean: few packets far apart, as Startup begins, meet less jitter than many. */
void sctp_bbr_model_forget_base(struct sctp_bbr *self);
/* Bytes that percent of a round trip's worth are; the first window without a round trip. */
uint64_t sctp_bbr_model_bdp(const struct sctp_bbr *self, uint64_t bw, unsigned percent);
/* "Computing BBR.max_inflight": at least the offload budget, and 4 packets. */
uint64_t sctp_bbr_model_quantized(const struct sctp_bbr *self, uint64_t bytes);
/* Of these bytes, the number that may be lost (D1). */
uint64_t sctp_bbr_model_allowed(const struct sctp_bbr *self, uint64_t bytes);

/* ---- sctp/bbr_probe.c ---- */

void sctp_bbr_probe_down(struct sctp_bbr *self, uint64_t now_us);
void sctp_bbr_probe_refill(struct sctp_bbr *self);
/* "ProbeBW Algorithm Details": UpdateProbeBWCyclePhase. */
void sctp_bbr_probe_update(struct sctp_bbr *self, const struct sctp_sample *sample);
/* "Updating the Model Upon Packet Loss": whether too much was in flight. */
void sctp_bbr_probe_lost(struct sctp_bbr *self, const struct sctp_loss *loss);
/* InflightWithHeadroom; SCTP_BBR_NONE: no bound. */
uint64_t sctp_bbr_probe_headroom(const struct sctp_bbr *self);
