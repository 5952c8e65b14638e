/* The ProbeBW cycle of BBR: down, cruise, refill, up; and the long-term volume in flight. */
#include "sctp/bbr.h"

/* "Time Scale for Bandwidth Probing": 2 to 3 s, or as many rounds as Reno would need, at most
 * 62 or 63. */
#define WAIT_US     2000000
#define WAIT_MORE   1000000
#define RENO_ROUNDS 63
#define SLOPE_MOST  30

static uint64_t chance(struct sctp_bbr *self, uint64_t now_us)
{
    self->random ^= now_us * UINT64_C(0x9e3779b97f4a7c15);
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random >> 11;
}

void sctp_bbr_probe_down(struct sctp_bbr *self, uint64_t now_us)
{
    self->loss_in_round = false;
    self->bw_latest = self->inflight_latest = 0;
    self->up_acked_per_packet = SCTP_BBR_NONE;
    self->rounds_since_up = chance(self, now_us) % 2;
    self->probe_wait_us = WAIT_US + chance(self, now_us) % WAIT_MORE;
    self->cycle_us = now_us;
    self->acks = SCTP_BBR_ACKS_STOPPING;
    sctp_bbr_start_round(self);
    self->state = SCTP_BBR_DOWN;
}

void sctp_bbr_probe_refill(struct sctp_bbr *self)
{
    sctp_bbr_model_forget_shortterm(self);
    self->up_rounds = 0;
    self->up_acked = 0;
    self->precautionary = self->resumes = false;
    self->acks = SCTP_BBR_ACKS_REFILLING;
    sctp_bbr_start_round(self);
    self->state = SCTP_BBR_REFILL;
}

static void raise_slope(struct sctp_bbr *self)
{
    uint64_t growth = UINT64_C(1) << self->up_rounds;
    if (self->up_rounds < SLOPE_MOST)
        self->up_rounds++;
    self->up_acked_per_packet = number_most(self->window / growth, self->base.mss);
}

static void start_up(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (!self->resumes)
        self->own_queue = self->calm;
    self->resumes = false;
    self->risen = self->risen_bytes = 0;
    self->probe_sample = true;
    self->acks = SCTP_BBR_ACKS_STARTING;
    sctp_bbr_start_round(self);
    sctp_bbr_model_forget_full_bw(self);
    self->full_bw = sample->rate;
    self->state = SCTP_BBR_UP;
    raise_slope(self);
}

uint64_t sctp_bbr_probe_headroom(const struct sctp_bbr *self)
{
    if (self->inflight_longterm == SCTP_BBR_NONE)
        return SCTP_BBR_NONE;
    uint64_t room = self->inflight_longterm * SCTP_BBR_HEADROOM / 100;
    room = number_most(room, self->base.mss);
    return number_most(number_minus(self->inflight_longterm, room),
                       (uint64_t)SCTP_BBR_MIN_PIPE * self->base.mss);
}

/* ---- losses ---- */

/* HandleInflightTooHigh. */
static void too_high(struct sctp_bbr *self, uint64_t now_us, uint64_t in_flight, bool limited)
{
    self->too_high = true;
    self->probe_sample = false; /* one reaction for each probe */
    if (!limited) {
        uint64_t target = number_least(sctp_bbr_model_bdp(self, self->bw, 100), self->window);
        self->inflight_longterm = number_most(in_flight, target * SCTP_BBR_BETA / 100);
    }
    if (self->state == SCTP_BBR_UP) {
        self->undo.state = SCTP_BBR_UP;
        sctp_bbr_probe_down(self, now_us);
    }
}

/* InflightAtLoss: what was in flight when the losses became too many; D1 raises the threshold. */
static uint64_t in_flight_at(uint64_t in_flight, uint64_t lost, uint64_t allowed, uint32_t size)
{
    uint64_t prior = number_minus(in_flight, size), prior_lost = number_minus(lost, size);
    if (allowed >= in_flight)
        return in_flight;
    uint64_t share = allowed * SCTP_BBR_WHOLE / in_flight;
    uint64_t of_prior = share * prior / SCTP_BBR_WHOLE;
    if (of_prior <= prior_lost)
        return prior;
    uint64_t prefix = (of_prior - prior_lost) * SCTP_BBR_WHOLE / (SCTP_BBR_WHOLE - share);
    return number_least(prior + prefix, in_flight);
}

void sctp_bbr_probe_lost(struct sctp_bbr *self, const struct sctp_loss *loss)
{
    if (!self->probe_sample || loss->by_timeout) /* D3 */
        return;
    uint64_t in_flight = number_least(loss->mark.in_flight, SCTP_CONGESTION_BYTES_MAX);
    uint64_t lost = number_minus(loss->total_lost, loss->mark.lost);
    uint64_t allowed = sctp_bbr_model_allowed(self, in_flight);
    if (lost <= allowed)
        return;
    in_flight = in_flight_at(in_flight, lost, allowed, loss->size);
    too_high(self, loss->now_us, in_flight, loss->mark.limited);
}

/* ---- the cycle ---- */

/* Before the batch that much was in flight, as nearly as whole packets allow. */
static bool had_in_flight(const struct sctp_bbr *self, const struct sctp_sample *sample,
                          uint64_t bytes)
{
    return sample->prior_in_flight + 2 * (uint64_t)self->base.mss >= bytes;
}

static bool is_window_limited(const struct sctp_bbr *self, const struct sctp_sample *sample)
{
    return had_in_flight(self, sample, self->window);
}

static void raise_longterm(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (!is_window_limited(self, sample) || self->window < self->inflight_longterm)
        return;
    self->up_acked += sample->acked;
    uint64_t packets = self->up_acked / self->up_acked_per_packet;
    self->up_acked -= packets * self->up_acked_per_packet;
    self->inflight_longterm =
        number_least(self->inflight_longterm + packets * self->base.mss, SCTP_CONGESTION_BYTES_MAX);
    if (self->round_start)
        raise_slope(self);
}

/* AdaptLongTermModel; true: the state has changed. */
static bool adapt_longterm(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (self->acks == SCTP_BBR_ACKS_STARTING && self->round_start)
        self->acks = SCTP_BBR_ACKS_FEEDBACK;
    if (self->acks == SCTP_BBR_ACKS_STOPPING && self->round_start) {
        self->probe_sample = false;
        self->acks = SCTP_BBR_ACKS_INIT;
        if (sctp_bbr_is_probing_bw(self) && !sample->limited)
            self->bw_filter[++self->cycle % 2] = 0;
        if (sctp_bbr_is_probing_bw(self) && self->precautionary && !self->too_high) {
            sctp_bbr_probe_refill(self);
            self->resumes = true;
            return true;
        }
    }
    if (!sample->has_packet || self->inflight_longterm == SCTP_BBR_NONE ||
        sample->tx_lost > sctp_bbr_model_allowed(self, sample->tx_in_flight))
        return false;
    self->inflight_longterm = number_most(self->inflight_longterm, sample->tx_in_flight);
    if (self->state == SCTP_BBR_UP)
        raise_longterm(self, sample);
    return false;
}

static bool is_time_to_probe(const struct sctp_bbr *self, uint64_t now_us)
{
    uint64_t waited_us = number_minus(now_us, self->cycle_us);
    uint64_t bytes = number_least(sctp_bbr_model_bdp(self, self->bw, 100), self->window);
    uint64_t rounds = number_least(bytes / self->base.mss, RENO_ROUNDS);
    return waited_us > self->probe_wait_us || self->rounds_since_up >= rounds;
}

static bool is_time_to_cruise(const struct sctp_bbr *self, uint64_t in_flight)
{
    uint64_t bdp = sctp_bbr_model_bdp(self, self->max_bw, 100);
    return in_flight <= sctp_bbr_probe_headroom(self) &&
           in_flight <= sctp_bbr_model_quantized(self, bdp);
}

/* D2: a queue grows that was not there before we went up. */
static bool has_risen(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (!self->own_queue || !sample->rtt_us || self->min_rtt_us == SCTP_BBR_NONE ||
        self->acks != SCTP_BBR_ACKS_FEEDBACK)
        return false;
    uint64_t rise_us = number_most(self->min_rtt_us / SCTP_BBR_D2_SHARE, SCTP_BBR_D2_US);
    if (sample->rtt_us <= self->min_rtt_us + rise_us) {
        self->risen = self->risen_bytes = 0;
        return false;
    }
    self->risen++;
    self->risen_bytes += sample->acked;
    uint64_t least = (uint64_t)SCTP_BBR_D2_PACKETS * self->base.mss;
    return self->risen >= SCTP_BBR_D2_SAMPLES ||
           (self->risen >= SCTP_BBR_D2_BATCHES && self->risen_bytes >= least);
}

static bool is_time_to_go_down(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    bool risen = has_risen(self, sample);
    if (self->too_high && had_in_flight(self, sample, self->inflight_longterm)) {
        self->precautionary = true;
        return true;
    }
    if (is_window_limited(self, sample) && self->window >= self->inflight_longterm) {
        sctp_bbr_model_forget_full_bw(self);
        self->full_bw = sample->rate;
    } else if (self->full_bw_now) {
        return true;
    }
    return risen;
}

void sctp_bbr_probe_update(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (!self->full_bw_reached || adapt_longterm(self, sample))
        return;
    switch (self->state) {
    case SCTP_BBR_DOWN:
    case SCTP_BBR_CRUISE:
        if (is_time_to_probe(self, sample->now_us))
            sctp_bbr_probe_refill(self);
        else if (self->state == SCTP_BBR_DOWN && is_time_to_cruise(self, sample->in_flight))
            self->state = SCTP_BBR_CRUISE;
        break;
    case SCTP_BBR_REFILL:
        if (self->round_start)
            start_up(self, sample);
        break;
    case SCTP_BBR_UP:
        if (is_time_to_go_down(self, sample)) {
            self->too_high = false;
            sctp_bbr_probe_down(self, sample->now_us);
        }
        break;
    case SCTP_BBR_STARTUP:
    case SCTP_BBR_DRAIN:
    case SCTP_BBR_PROBE_RTT:
        break;
    }
}
