/* The states of BBR, and its control: pace, quantum, window. */
#include "sctp/bbr.h"

#include <stdlib.h>

#include "base/check.h"

#define SECOND_US      1000000
#define FIRST_RTT_US   1000 /* "Pacing Rate", where none is known */
#define PROBE_RTT_GAIN 50
#define DRAIN_ROUNDS   3
#define QUANTUM_SHARE  1000 /* a millisecond */
#define QUANTUM_LEAST  2    /* packets */

/* Percent: of bw, and of a BDP in flight ("Summary of Control Behavior in the State Machine"). */
static const struct gains {
    const char *name;
    unsigned pace, window;
} gains[] = {
    [SCTP_BBR_STARTUP] = {"startup", SCTP_BBR_STARTUP_PACE, 200},
    [SCTP_BBR_DRAIN] = {"drain", 50, 200},
    [SCTP_BBR_DOWN] = {"down", 90, 200},
    [SCTP_BBR_CRUISE] = {"cruise", 100, 200},
    [SCTP_BBR_REFILL] = {"refill", 100, 200},
    [SCTP_BBR_UP] = {"up", 125, 225},
    [SCTP_BBR_PROBE_RTT] = {"probe-rtt", 100, PROBE_RTT_GAIN},
};

static struct sctp_bbr *bbr_of(struct sctp_congestion *base)
{
    return container_of(base, struct sctp_bbr, base);
}

static uint64_t packets(const struct sctp_bbr *self, uint64_t count)
{
    return count * self->base.mss;
}

/* ---- short paths ---- */

/* Rates measured over such round trips mean little, and the loop's granularity is as long as they
 * are; so neither pace nor BDP count there. But 128 KB are 10 ms of 100 Mbit/s, and more than a
 * small switch can hold: a path that was found to be slow, or to lose, is treated as any other. */
static bool is_short(const struct sctp_bbr *self, uint64_t now_us)
{
    if (!self->least_rtt_us || self->least_rtt_us >= SCTP_CONGESTION_SHORT_US || self->timed_out)
        return false;
    bool is_slow = self->full_bw_reached && self->max_bw < SCTP_CONGESTION_SHORT_RATE;
    return !is_slow && now_us >= self->lossy_us;
}

/* ---- control ---- */

/* The window always allows four packets in a round trip, so a slower pace spares the line nothing.
 * It comes of samples whose interval an outage has stretched, and would last: at 3 KB/s a message
 * of 3 KB took a second, and each probe raises the rate by a quarter only. */
static uint64_t least_pace(const struct sctp_bbr *self)
{
    return self->srtt_us ? packets(self, SCTP_BBR_MIN_PIPE) * SECOND_US / self->srtt_us : 0;
}

static void set_pace(struct sctp_bbr *self, unsigned percent)
{
    unsigned margin = self->state == SCTP_BBR_CRUISE ? self->margin : SCTP_BBR_MARGIN; /* D5 */
    uint64_t pace = self->bw * percent / 100 * (100 - margin) / 100;
    pace = number_most(pace, least_pace(self));
    if (self->full_bw_reached || pace > self->pace)
        self->pace = number_least(pace, SCTP_CONGESTION_RATE_MAX);
    uint64_t quantum = number_least(self->pace / QUANTUM_SHARE, SCTP_CONGESTION_QUANTUM);
    self->quantum = number_most(quantum, packets(self, QUANTUM_LEAST));
}

static uint64_t probe_rtt_window(const struct sctp_bbr *self)
{
    uint64_t bdp = sctp_bbr_model_bdp(self, self->bw, PROBE_RTT_GAIN);
    return number_most(bdp, packets(self, SCTP_BBR_MIN_PIPE));
}

/* "Bounding cwnd Based on Recent Congestion". */
static uint64_t volume_bound(const struct sctp_bbr *self)
{
    uint64_t bound = SCTP_BBR_NONE;
    if (self->state == SCTP_BBR_CRUISE || self->state == SCTP_BBR_PROBE_RTT)
        bound = sctp_bbr_probe_headroom(self);
    else if (sctp_bbr_is_probing_bw(self))
        bound = self->inflight_longterm;
    bound = number_least(bound, self->inflight_shortterm);
    return number_most(bound, packets(self, SCTP_BBR_MIN_PIPE));
}

static void set_window(struct sctp_bbr *self, uint64_t acked)
{
    uint64_t most = sctp_bbr_model_bdp(self, self->bw, gains[self->state].window);
    most = sctp_bbr_model_quantized(self, most + self->extra_acked);
    if (self->full_bw_reached)
        self->window = number_least(self->window + acked, most);
    else if (self->window < most || self->delivered < packets(self, SCTP_CONGESTION_FIRST_PACKETS))
        self->window += acked;
    self->window = number_most(self->window, packets(self, SCTP_BBR_MIN_PIPE));
    if (self->state == SCTP_BBR_PROBE_RTT)
        self->window = number_least(self->window, probe_rtt_window(self));
    self->window = number_least(self->window, volume_bound(self));
    self->window = number_least(self->window, SCTP_CONGESTION_BYTES_MAX);
}

/* Sets the window and the pace that the rest of the engine sees. */
static void publish(struct sctp_bbr *self, uint64_t now_us)
{
    struct sctp_congestion *base = &self->base;
    base->window = self->window;
    if (!is_short(self, now_us)) {
        sctp_congestion_pace(base, self->pace, 1000000, 100);
        return;
    }
    uint64_t most =
        number_most(sctp_bbr_model_bdp(self, self->max_bw, 200), SCTP_CONGESTION_SHORT_WINDOW_MAX);
    base->window = number_most(base->window, SCTP_CONGESTION_SHORT_WINDOW);
    base->window = number_least(base->window, most);
    sctp_congestion_unpaced(base);
}

static void save_window(struct sctp_bbr *self)
{
    if (!self->in_recovery && self->state != SCTP_BBR_PROBE_RTT)
        self->prior_window = self->window;
    else
        self->prior_window = number_most(self->prior_window, self->window);
}

static void restore_window(struct sctp_bbr *self)
{
    self->window = number_most(self->window, self->prior_window);
}

/* ---- states ---- */

static void first_pace(struct sctp_bbr *self, uint64_t rtt_us)
{
    uint64_t window = packets(self, SCTP_CONGESTION_FIRST_PACKETS);
    self->pace = window * 10000 / rtt_us * SCTP_BBR_STARTUP_PACE;
}

static struct sctp_congestion *make(uint64_t now_us, uint32_t mss, uint64_t rtt_us)
{
    struct sctp_bbr *self = check_alloc(sizeof *self);
    rtt_us = number_least(rtt_us, SCTP_CONGESTION_TIME_MAX);
    self->base.ops = &sctp_bbr_ops;
    self->base.mss = mss ? mss : 1;
    self->random = now_us ^ rtt_us << 32 ^ 1;
    self->window = self->prior_window = packets(self, SCTP_CONGESTION_FIRST_PACKETS);
    sctp_bbr_model_init(self, now_us);
    self->up_acked_per_packet = SCTP_BBR_NONE;
    first_pace(self, rtt_us ? rtt_us : FIRST_RTT_US);
    set_pace(self, SCTP_BBR_STARTUP_PACE);
    publish(self, now_us);
    return &self->base;
}

static void check_startup_and_drain(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (self->state == SCTP_BBR_STARTUP && self->full_bw_reached) {
        self->state = SCTP_BBR_DRAIN;
        self->drain_round = self->rounds;
    }
    if (self->state != SCTP_BBR_DRAIN)
        return;
    uint64_t bdp = sctp_bbr_model_bdp(self, self->bw, 100);
    if (sample->in_flight <= sctp_bbr_model_quantized(self, bdp) ||
        self->rounds > self->drain_round + DRAIN_ROUNDS) {
        sctp_bbr_model_forget_base(self);
        sctp_bbr_probe_down(self, sample->now_us);
    }
}

static void enter_probe_rtt(struct sctp_bbr *self)
{
    save_window(self);
    self->state = SCTP_BBR_PROBE_RTT;
    self->probe_rtt_done_us = 0;
    self->acks = SCTP_BBR_ACKS_STOPPING;
    self->ignored_from = self->delivered;
    sctp_bbr_start_round(self);
}

static void leave_probe_rtt(struct sctp_bbr *self, uint64_t now_us)
{
    if (!self->probe_rtt_done_us || now_us <= self->probe_rtt_done_us)
        return;
    self->probe_rtt_stamp_us = now_us;
    restore_window(self);
    sctp_bbr_model_forget_shortterm(self);
    if (self->full_bw_reached) {
        sctp_bbr_probe_down(self, now_us);
        self->state = SCTP_BBR_CRUISE;
    } else {
        self->state = SCTP_BBR_STARTUP;
    }
}

static void stay_in_probe_rtt(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    self->ignored_until = sample->total_delivered + sample->in_flight;
    if (!self->probe_rtt_done_us) {
        if (sample->in_flight > probe_rtt_window(self))
            return;
        self->probe_rtt_done_us = sample->now_us + SCTP_BBR_PROBE_RTT_STAYS;
        self->probe_rtt_round_done = false;
        sctp_bbr_start_round(self);
        return;
    }
    if (self->round_start)
        self->probe_rtt_round_done = true;
    if (self->probe_rtt_round_done)
        leave_probe_rtt(self, sample->now_us);
}

/* On a short path the window is never that small, and nothing depends on min_rtt. */
static void check_probe_rtt(struct sctp_bbr *self, const struct sctp_sample *sample)
{
    if (self->state != SCTP_BBR_PROBE_RTT && self->probe_rtt_expired && !self->idle_restart &&
        !is_short(self, sample->now_us))
        enter_probe_rtt(self);
    if (self->state == SCTP_BBR_PROBE_RTT)
        stay_in_probe_rtt(self, sample);
    if (sample->acked)
        self->idle_restart = false;
}

/* ---- events ---- */

static struct sctp_sample clamped(const struct sctp_bbr *self, const struct sctp_sample *sample)
{
    struct sctp_sample clean = *sample;
    clean.acked = number_least(clean.acked, SCTP_CONGESTION_BYTES_MAX);
    clean.in_flight = number_least(clean.in_flight, SCTP_CONGESTION_BYTES_MAX);
    clean.prior_in_flight = number_least(clean.prior_in_flight, SCTP_CONGESTION_BYTES_MAX);
    clean.rtt_us = number_least(clean.rtt_us, SCTP_CONGESTION_TIME_MAX);
    clean.delivered = number_least(clean.delivered, SCTP_CONGESTION_BYTES_MAX);
    clean.rate = number_least(clean.rate, SCTP_CONGESTION_RATE_MAX);
    clean.tx_in_flight = number_least(clean.tx_in_flight, SCTP_CONGESTION_BYTES_MAX);
    /* "Ignore low rate samples during ProbeRTT": of what was sent in it, or just after it. */
    if (clean.has_packet && clean.prior_delivered >= self->ignored_from &&
        clean.prior_delivered < self->ignored_until)
        clean.limited = true;
    return clean;
}

static void acked(struct sctp_congestion *base, const struct sctp_sample *given)
{
    struct sctp_bbr *self = bbr_of(base);
    struct sctp_sample sample = clamped(self, given);
    bool is_first = sample.rtt_us && !self->least_rtt_us;
    self->delivered = sample.total_delivered;
    self->srtt_us = sample.srtt_us;
    if (self->in_recovery && !sample.in_recovery) /* "Modulating cwnd in Loss Recovery" */
        restore_window(self);
    self->in_recovery = sample.in_recovery;
    if (sample.acked)
        self->timed_out = false;
    sctp_bbr_model_update(self, &sample);
    check_startup_and_drain(self, &sample);
    sctp_bbr_probe_update(self, &sample);
    sctp_bbr_model_round_trip(self, &sample);
    if (is_first)
        first_pace(self, sample.rtt_us);
    check_probe_rtt(self, &sample);
    sctp_bbr_model_advance(self, &sample);
    set_pace(self, gains[self->state].pace);
    set_window(self, sample.acked);
    publish(self, sample.now_us);
}

static void lost(struct sctp_congestion *base, const struct sctp_loss *loss)
{
    struct sctp_bbr *self = bbr_of(base);
    self->delivered = loss->total_delivered;
    if (!self->loss_in_round || loss->begins_recovery)
        save_window(self);
    if (loss->begins_recovery) { /* "Saving State Upon Loss Recovery" */
        self->undo.state = SCTP_BBR_DRAIN;
        self->undo.bw_shortterm = self->bw_shortterm;
        self->undo.inflight_shortterm = self->inflight_shortterm;
        self->undo.inflight_longterm = self->inflight_longterm;
        self->in_recovery = true;
    }
    sctp_bbr_model_lost(self, loss);
    sctp_bbr_probe_lost(self, loss);
    publish(self, loss->now_us);
}

/* "Handling a Spurious Loss Recovery". */
static void undo(struct sctp_bbr *self)
{
    restore_window(self);
    self->loss_in_round = false;
    sctp_bbr_model_forget_full_bw(self);
    self->bw_shortterm = number_most(self->bw_shortterm, self->undo.bw_shortterm);
    self->inflight_shortterm = number_most(self->inflight_shortterm, self->undo.inflight_shortterm);
    self->inflight_longterm = number_most(self->inflight_longterm, self->undo.inflight_longterm);
    if (self->undo.state == SCTP_BBR_STARTUP && self->state != SCTP_BBR_STARTUP) {
        self->full_bw_reached = false;
        if (self->state != SCTP_BBR_PROBE_RTT)
            self->state = SCTP_BBR_STARTUP;
    } else if (self->undo.state == SCTP_BBR_UP && self->state != SCTP_BBR_UP &&
               self->state != SCTP_BBR_PROBE_RTT) {
        sctp_bbr_probe_refill(self);
    }
    self->undo.state = SCTP_BBR_DRAIN;
}

/* D4: a packet that was not lost is not counted, and an episode of such did nothing. */
static void spurious(struct sctp_congestion *base, uint64_t now_us, uint32_t size,
                     bool whole_episode)
{
    struct sctp_bbr *self = bbr_of(base);
    sctp_bbr_model_spurious(self, size);
    if (whole_episode)
        undo(self);
    publish(self, now_us);
}

/* "Modulating cwnd in Loss Recovery": nothing is in flight any more, one packet may be. */
static void timeout(struct sctp_congestion *base, uint64_t now_us)
{
    struct sctp_bbr *self = bbr_of(base);
    if (!self->timed_out)
        save_window(self);
    self->timed_out = self->in_recovery = true;
    self->window = self->base.mss;
    publish(self, now_us);
}

/* "Restarting From Idle". A path on which all packets were lost was not idle. */
static void sent(struct sctp_congestion *base, uint64_t now_us, uint32_t size, uint64_t in_flight)
{
    (void)size;
    struct sctp_bbr *self = bbr_of(base);
    if (in_flight || self->in_recovery)
        return;
    self->idle_restart = true;
    self->aggregate_us = now_us;
    if (sctp_bbr_is_probing_bw(self))
        set_pace(self, 100);
    else if (self->state == SCTP_BBR_PROBE_RTT)
        leave_probe_rtt(self, now_us);
    publish(self, now_us);
}

static void mtu(struct sctp_congestion *base, uint32_t mss)
{
    base->mss = mss ? mss : 1;
    base->window = number_most(base->window, base->mss); /* until the next acknowledgement */
    base->quantum = (uint32_t)number_most(base->quantum, base->mss);
}

static const char *phase(const struct sctp_congestion *base, double *floor)
{
    const struct sctp_bbr *self = (const struct sctp_bbr *)base;
    *floor = (double)self->loss_floor / SCTP_BBR_WHOLE;
    return gains[self->state].name;
}

const struct sctp_congestion_ops sctp_bbr_ops = {
    .name = "bbr",
    .make = make,
    .sent = sent,
    .acked = acked,
    .lost = lost,
    .spurious = spurious,
    .timeout = timeout,
    .mtu = mtu,
    .phase = phase,
};
