/* The model of the path in BBR: rate, round trip, volumes, losses. */
#include "sctp/bbr.h"

#define FULL_PERCENT 125 /* "Exiting Acceleration Based on Bandwidth Plateau" */
#define FULL_ROUNDS  3
#define SECOND_US    1000000

void sctp_bbr_model_forget_shortterm(struct sctp_bbr *self)
{
    self->bw_shortterm = self->inflight_shortterm = SCTP_BBR_NONE;
    self->was_slow = false;
}

void sctp_bbr_model_forget_full_bw(struct sctp_bbr *self)
{
    self->full_bw = 0;
    self->full_bw_count = 0;
    self->full_bw_now = false;
}

void sctp_bbr_model_forget_base(struct sctp_bbr *self)
{
    self->base_rtt_us[0] = self->base_rtt_us[1] = SCTP_BBR_NONE;
}

void sctp_bbr_model_init(struct sctp_bbr *self, uint64_t now_us)
{
    sctp_bbr_model_forget_shortterm(self);
    self->inflight_longterm = SCTP_BBR_NONE;
    self->min_rtt_us = self->probe_rtt_min_us = SCTP_BBR_NONE;
    self->min_rtt_stamp_us = self->probe_rtt_stamp_us = now_us;
    self->aggregate_us = now_us;
    sctp_bbr_model_forget_base(self);
    self->margin = SCTP_BBR_MARGIN;
    self->floor_packets = SCTP_BBR_D1_PRIOR;
}

uint64_t sctp_bbr_model_bdp(const struct sctp_bbr *self, uint64_t bw, unsigned percent)
{
    if (self->min_rtt_us == SCTP_BBR_NONE)
        return (uint64_t)self->base.mss * SCTP_CONGESTION_FIRST_PACKETS;
    return number_least(bw * self->min_rtt_us / SECOND_US, SCTP_CONGESTION_BYTES_MAX) * percent /
           100;
}

uint64_t sctp_bbr_model_quantized(const struct sctp_bbr *self, uint64_t bytes)
{
    bytes = number_most(bytes, SCTP_BBR_OFFLOAD_QUANTA * self->quantum);
    bytes = number_most(bytes, (uint64_t)SCTP_BBR_MIN_PIPE * self->base.mss);
    return self->state == SCTP_BBR_UP ? bytes + 2 * (uint64_t)self->base.mss : bytes;
}

/* ---- losses ---- */

static uint64_t square_root(uint64_t value)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit; bit /= 2)
        if ((root + bit) * (root + bit) <= value)
            root += bit;
    return root;
}

uint64_t sctp_bbr_model_allowed(const struct sctp_bbr *self, uint64_t bytes)
{
    bytes = number_least(bytes, SCTP_CONGESTION_BYTES_MAX);
    uint64_t mean = bytes * (SCTP_BBR_LOSS_THRESH + self->loss_floor) / SCTP_BBR_WHOLE;
    uint64_t variance = bytes / self->base.mss * self->loss_floor;       /* packets, of WHOLE */
    uint64_t deviation = square_root(variance) * self->base.mss / 31623; /* its root */
    return mean + SCTP_BBR_D1_DEVIATIONS * deviation;
}

void sctp_bbr_model_lost(struct sctp_bbr *self, const struct sctp_loss *loss)
{
    if (!self->loss_in_round)
        self->loss_round_delivered = loss->total_delivered;
    self->loss_in_round = true;
    if (loss->by_timeout) /* D3 */
        return;
    self->round_lost = number_least(self->round_lost + loss->size, SCTP_CONGESTION_BYTES_MAX);
    if (self->state == SCTP_BBR_STARTUP && !loss->adjacent)
        self->lost_ranges++;
}

void sctp_bbr_model_spurious(struct sctp_bbr *self, uint32_t size)
{
    self->round_lost = number_minus(self->round_lost, size);
    if (!self->round_lost)
        self->loss_in_round = false;
}

/* Compares the mean round trip of the round with that of the best round in the last 5 to 10 s. The
 * least round trip would not do: with jitter it is a lucky one. */
static void measure_queue(struct sctp_bbr *self, uint64_t now_us, uint64_t sent)
{
    self->fills = false;
    if (!self->round_rtts)
        return;
    uint64_t mean_us = self->round_rtt_us / self->round_rtts;
    if (self->base_rtt_us[0] == SCTP_BBR_NONE) { /* nothing to compare it with */
        self->base_rtt_us[0] = mean_us;
        self->base_us = now_us;
        self->calm = self->slow = false;
        return;
    }
    if (number_minus(now_us, self->base_us) > SCTP_BBR_BASE_US) {
        self->base_us = now_us;
        self->base_rtt_us[1] = self->base_rtt_us[0];
        self->base_rtt_us[0] = mean_us;
    }
    self->base_rtt_us[0] = number_least(self->base_rtt_us[0], mean_us);
    uint64_t base_us = number_least(self->base_rtt_us[0], self->base_rtt_us[1]);
    uint64_t more_us = number_minus(mean_us, base_us);
    self->calm = more_us <= number_most(base_us / SCTP_BBR_CALM_SHARE, SCTP_BBR_CALM_US);
    self->fills = !self->calm && sent >= SCTP_BBR_D7_PACKETS * self->base.mss;
    self->margin = SCTP_BBR_MARGIN;
    if (more_us > number_most(base_us / SCTP_BBR_D5_SHARE, SCTP_BBR_CALM_US))
        self->margin = (unsigned)number_least(
            SCTP_BBR_D5_LEAST + more_us * SCTP_BBR_D5_PERCENT / base_us, SCTP_BBR_D5_MOST);
    self->slow = more_us > number_most(base_us, SCTP_BBR_D6_US) &&
                 self->bw_latest < self->bw * SCTP_BBR_D6_RATE / 100;
}

/* D1. */
static void update_loss_floor(struct sctp_bbr *self, uint64_t sent)
{
    if (!self->calm || (self->state != SCTP_BBR_CRUISE && self->state != SCTP_BBR_DOWN))
        return;
    int64_t packets = (int64_t)(sent / self->base.mss);
    int64_t rate = sent ? (int64_t)(self->round_lost * (SCTP_BBR_WHOLE / 64) / sent * 64) : 0;
    int64_t change = (rate - (int64_t)self->loss_floor) / 64 * packets;
    int64_t floor =
        (int64_t)self->loss_floor + change / (packets + (int64_t)self->floor_packets) * 64;
    self->floor_packets = number_least(self->floor_packets + (uint64_t)packets, SCTP_BBR_D1_WEIGHT);
    self->loss_floor = floor < 0 ? 0 : number_least((uint64_t)floor, SCTP_BBR_D1_MOST);
}

/* Beside a queue no more than the line itself loses; so the draft has it. CoDel drops few. */
static uint64_t tolerated(const struct sctp_bbr *self, uint64_t sent)
{
    uint64_t allowed = sctp_bbr_model_allowed(self, sent);
    if (self->calm || self->state == SCTP_BBR_STARTUP)
        return allowed;
    return allowed - sent * SCTP_BBR_LOSS_THRESH / SCTP_BBR_WHOLE;
}

/* "When not Probing for Bandwidth". */
static void lower_bounds(struct sctp_bbr *self)
{
    if (self->bw_shortterm == SCTP_BBR_NONE)
        self->bw_shortterm = self->max_bw;
    if (self->inflight_shortterm == SCTP_BBR_NONE)
        self->inflight_shortterm = self->window;
    self->bw_shortterm = number_most(self->bw_latest, self->bw_shortterm * SCTP_BBR_BETA / 100);
    self->inflight_shortterm =
        number_most(self->inflight_latest, self->inflight_shortterm * SCTP_BBR_BETA / 100);
}

/* D6: the line may be as fast again as it was before: as in UP, a quarter more each round. */
static void raise_bounds(struct sctp_bbr *self)
{
    self->bw_shortterm += self->bw_shortterm / SCTP_BBR_D6_RAISE;
    self->inflight_shortterm = SCTP_BBR_NONE;
    if (self->bw_shortterm < self->max_bw)
        return;
    sctp_bbr_model_forget_shortterm(self);
}

/* "Exiting Startup Based on Packet Loss", with D3's count of ranges. */
static void leave_startup(struct sctp_bbr *self)
{
    self->undo.state = SCTP_BBR_STARTUP;
    self->full_bw_reached = true;
    self->inflight_longterm =
        number_most(sctp_bbr_model_bdp(self, self->max_bw, 100), self->inflight_latest);
}

/* Once a round. */
static void end_loss_round(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    uint64_t delivered = number_minus(sample->total_delivered, self->round_delivered);
    uint64_t sent = number_least(delivered, SCTP_CONGESTION_BYTES_MAX) + self->round_lost;
    sent = number_least(sent, SCTP_CONGESTION_BYTES_MAX);
    measure_queue(self, sample->now_us, sent);
    update_loss_floor(self, sent);
    bool too_many = self->loss_in_round && self->round_lost > tolerated(self, sent);
    if (self->round_lost > sent / 100 * SCTP_BBR_LOSSY_PERCENT)
        self->lossy_us = sample->now_us + SCTP_BBR_LOSSY_US;
    if (self->state == SCTP_BBR_STARTUP) {
        bool says_much = !self->calm || self->round_lost > sent / 100 * SCTP_BBR_D3_PERCENT;
        if (too_many && says_much && self->lost_ranges >= SCTP_BBR_STARTUP_RANGES &&
            sample->in_recovery)
            leave_startup(self);
    } else if ((too_many || self->slow) && self->state != SCTP_BBR_REFILL &&
               self->state != SCTP_BBR_UP) {
        self->was_slow |= self->slow;
        lower_bounds(self);
    } else if (self->was_slow && self->calm && self->bw_shortterm != SCTP_BBR_NONE &&
               self->bw_latest >= self->bw * SCTP_BBR_D6_KEPT / 100) {
        raise_bounds(self);
    }
    self->loss_in_round = false;
    self->lost_ranges = 0;
    self->round_lost = self->round_rtt_us = self->round_rtts = 0;
    self->round_delivered = sample->total_delivered;
}

/* ---- rates ---- */

static void note_latest(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    self->loss_round_start = false;
    self->bw_latest = number_most(self->bw_latest, sample->rate);
    self->inflight_latest = number_most(self->inflight_latest, sample->delivered);
    if (!sample->has_packet || sample->prior_delivered < self->loss_round_delivered)
        return;
    self->loss_round_delivered = sample->total_delivered;
    self->loss_round_start = true;
}

static void update_round(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    self->round_start = sample->has_packet && sample->prior_delivered >= self->next_round_delivered;
    if (!self->round_start)
        return;
    sctp_bbr_start_round(self);
    self->rounds++;
    self->rounds_since_up++;
}

static void update_max_bw(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (!sample->rate || (sample->limited && sample->rate < self->max_bw))
        return;
    uint64_t *slot = &self->bw_filter[self->cycle % 2];
    *slot = number_most(*slot, sample->rate);
    self->max_bw = number_most(self->bw_filter[0], self->bw_filter[1]);
}

/* "BBR.extra_acked". */
static void update_aggregation(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    uint64_t us =
        number_least(number_minus(sample->now_us, self->aggregate_us), SCTP_CONGESTION_TIME_MAX);
    uint64_t expected = self->bw * us / SECOND_US;
    if (self->aggregate_delivered <= expected) {
        self->aggregate_delivered = expected = 0;
        self->aggregate_us = sample->now_us;
    }
    self->aggregate_delivered += sample->acked;
    uint64_t extra = number_least(self->aggregate_delivered - expected, self->window);
    uint64_t *slot = &self->extra_filter[self->rounds % SCTP_BBR_AGGREGATE_ROUNDS];
    *slot = self->round_start ? extra : number_most(*slot, extra);
    self->extra_acked = *slot;
    for (unsigned i = 0; self->full_bw_reached && i < SCTP_BBR_AGGREGATE_ROUNDS; i++)
        self->extra_acked = number_most(self->extra_acked, self->extra_filter[i]);
}

/* "Exiting Acceleration Based on Bandwidth Plateau"; rounds in T3's recovery say nothing (D3),
 * those that the sender's user limits only beside a queue of Startup's (D7). */
static void check_full_bw(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    bool says_much = !sample->limited || (self->state == SCTP_BBR_STARTUP && self->fills);
    if (self->full_bw_now || !self->round_start || !says_much || !sample->rate ||
        sample->by_timeout)
        return;
    if (sample->rate >= self->full_bw * FULL_PERCENT / 100) {
        sctp_bbr_model_forget_full_bw(self);
        self->full_bw = sample->rate;
        return;
    }
    self->full_bw_now = ++self->full_bw_count >= FULL_ROUNDS;
    if (self->full_bw_now)
        self->full_bw_reached = true;
}

void sctp_bbr_model_update(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    note_latest(self, sample);
    update_round(self, sample);
    update_max_bw(self, sample);
    if (sample->rtt_us && self->round_rtts < UINT32_MAX) {
        self->round_rtt_us += sample->rtt_us;
        self->round_rtts++;
    }
    if (self->loss_round_start)
        end_loss_round(self, sample);
    update_aggregation(self, sample);
    check_full_bw(self, sample);
}

void sctp_bbr_model_round_trip(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    uint64_t now_us = sample->now_us, rtt_us = sample->rtt_us;
    self->probe_rtt_expired =
        number_minus(now_us, self->probe_rtt_stamp_us) > SCTP_BBR_PROBE_RTT_US;
    if (rtt_us && (rtt_us < self->probe_rtt_min_us || self->probe_rtt_expired)) {
        self->probe_rtt_min_us = rtt_us;
        self->probe_rtt_stamp_us = now_us;
    }
    if (rtt_us && (!self->least_rtt_us || rtt_us < self->least_rtt_us))
        self->least_rtt_us = rtt_us;
    bool expired = number_minus(now_us, self->min_rtt_stamp_us) > SCTP_BBR_MIN_RTT_US;
    if (self->probe_rtt_min_us >= self->min_rtt_us && !expired)
        return;
    self->min_rtt_us = self->probe_rtt_min_us;
    self->min_rtt_stamp_us = self->probe_rtt_stamp_us;
}

void sctp_bbr_model_advance(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (self->loss_round_start) {
        self->bw_latest = sample->rate;
        self->inflight_latest = sample->delivered;
    }
    self->bw = number_least(self->max_bw, self->bw_shortterm);
}
