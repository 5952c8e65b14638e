/* CUBIC (RFC 9438), with HyStart++ (RFC 9406) in slow start, paced. */
#include <stdlib.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/congestion.h"

/* RFC 9438 sections 4.1, 4.3, 4.6, 4.7: 0.4 packets a second cubed; what is left after a loss;
 * 3 * 0.3 / 1.7; what a flow that had to give way takes for its highest. */
#define CUBIC_TENTHS     4
#define BETA_PERCENT     70
#define ALPHA_PERCENT    53
#define GIVE_WAY_PERCENT 85
/* It counts in packets of Ethernet; those of loopback would make it 20 times as fast. */
#define PACKET_MAX      1460
#define FASTEST_PERCENT 150 /* of the window, in a round trip (section 4.4) */
#define MS_MAX          (100u * 1000)
#define WINDOW_PACKETS  2
#define TIMEOUT_PACKETS 1 /* RFC 9260 section 7.2.3 */

/* RFC 9406 section 4.3. As it is paced, slow start has no other limit. */
#define RTT_THRESH_MIN_US  4000
#define RTT_THRESH_MAX_US  16000
#define RTT_THRESH_DIVISOR 8
#define N_RTT_SAMPLE       8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS         5

#define START_PERCENT  200 /* of the window each round trip, in slow start; and then */
#define PERCENT        125
#define FIRST_RTT_US   1000              /* draft-ietf-ccwg-bbr's, where none is known */
#define IDLE_US        UINT64_C(1000000) /* RFC 9260 section 7.2.1, with its RTO.Min */
#define KEPT_PERCENT   75                /* RFC 2861 */
#define LOSSY_US       UINT64_C(10000000)
#define THRESHOLD_NONE SCTP_CONGESTION_BYTES_MAX

enum phase {
    SLOW_START,
    CSS, /* slow start, a quarter as fast: round trips have become longer */
    AVOIDANCE,
};

/* State that a loss changes, and a spurious one gives back (section 4.9). */
struct epoch {
    enum phase phase;
    uint64_t window, threshold;
    uint64_t epoch_us;                 /* 0: begins with the next acknowledgement */
    uint64_t w_max, cwnd_epoch, w_est; /* bytes */
    uint64_t cwnd_prior;
    uint64_t k_ms;
};

struct cubic {
    struct sctp_congestion base; /* first; window and mss are used from here */
    struct epoch now, before;    /* now.window is base.window when it was saved */
    bool had_loss, timed_out, in_recovery;
    uint64_t epoch_rest; /* of W_est, below a byte */
    uint64_t looked_us;  /* last acknowledgement */
    uint64_t sent_us;    /* last packet */
    uint64_t lossy_us;   /* until then a short path is as any other */
    uint64_t reduced_us; /* losses of earlier packets are of the same congestion */
    uint64_t srtt_us, min_rtt_us;
    /* HyStart++ */
    uint64_t round_delivered; /* a packet sent with this much delivered ends the round trip */
    uint64_t round_rtt_us, last_round_rtt_us, css_rtt_us;
    unsigned samples, css_rounds;
};

static struct cubic *cubic_of(struct sctp_congestion *base)
{
    return container_of(base, struct cubic, base);
}

static uint64_t packet(const struct cubic *self)
{
    return self->base.mss < PACKET_MAX ? self->base.mss : PACKET_MAX;
}

/* A path that loses packets is as any other for a while: 256 KB are more than a small switch can
 * hold, and a window that cannot shrink would lose half of them for ever. */
static bool is_short(const struct cubic *self)
{
    bool is_near = self->min_rtt_us && self->min_rtt_us < SCTP_CONGESTION_SHORT_US;
    return is_near && !self->timed_out && self->looked_us >= self->lossy_us;
}

/* ---- control ---- */

static void set_control(struct cubic *self)
{
    struct sctp_congestion *base = &self->base;
    uint64_t least = (uint64_t)base->mss * (self->timed_out ? TIMEOUT_PACKETS : WINDOW_PACKETS);
    base->window = number_between(base->window, least, SCTP_CONGESTION_BYTES_MAX);
    if (is_short(self)) {
        base->window = number_between(base->window, SCTP_CONGESTION_SHORT_WINDOW,
                                      SCTP_CONGESTION_SHORT_WINDOW_MAX);
        sctp_congestion_unpaced(base);
        return;
    }
    sctp_congestion_pace(base, base->window, self->srtt_us,
                         base->window < self->now.threshold ? START_PERCENT : PERCENT);
}

static struct sctp_congestion *make(uint64_t now_us, uint32_t mss, uint64_t rtt_us)
{
    struct cubic *self = check_alloc(sizeof *self);
    self->base = (struct sctp_congestion){.ops = &sctp_cubic_ops,
                                          .mss = mss ? mss : 1,
                                          .window = (uint64_t)mss * SCTP_CONGESTION_FIRST_PACKETS};
    self->now.threshold = THRESHOLD_NONE;
    self->looked_us = self->sent_us = now_us;
    self->srtt_us = rtt_us ? number_least(rtt_us, SCTP_CONGESTION_TIME_MAX) : FIRST_RTT_US;
    self->round_rtt_us = self->last_round_rtt_us = UINT64_MAX;
    set_control(self);
    return &self->base;
}

/* ---- slow start ---- */

static uint64_t rtt_thresh(uint64_t css_rtt_us)
{
    return number_between(css_rtt_us / RTT_THRESH_DIVISOR, RTT_THRESH_MIN_US, RTT_THRESH_MAX_US);
}

static void end_slow_start(struct cubic *self)
{
    self->now.threshold = self->base.window;
    self->now.phase = AVOIDANCE;
    self->now.epoch_us = 0;
    self->now.w_max = self->now.cwnd_prior = self->base.window;
}

static void end_round(struct cubic *self, const struct sctp_sample *sample)
{
    self->round_delivered = sample->total_delivered;
    self->last_round_rtt_us = self->round_rtt_us;
    self->round_rtt_us = UINT64_MAX;
    self->samples = 0;
    if (self->now.phase == CSS && ++self->css_rounds >= CSS_ROUNDS)
        end_slow_start(self);
}

/* RFC 9406 section 4.2. Only before the first loss: the threshold ends the later ones. */
static void hystart(struct cubic *self, const struct sctp_sample *sample)
{
    if (sample->has_packet && sample->prior_delivered >= self->round_delivered)
        end_round(self, sample);
    if (!sample->rtt_us || self->now.phase == AVOIDANCE || self->had_loss)
        return;
    self->round_rtt_us = number_least(self->round_rtt_us, sample->rtt_us);
    if (++self->samples < N_RTT_SAMPLE)
        return;
    if (self->now.phase == CSS) {
        if (self->round_rtt_us < self->css_rtt_us)
            self->now.phase = SLOW_START;
    } else if (self->last_round_rtt_us != UINT64_MAX &&
               self->round_rtt_us >=
                   self->last_round_rtt_us + rtt_thresh(self->last_round_rtt_us)) {
        self->now.phase = CSS;
        self->css_rtt_us = self->round_rtt_us;
        self->css_rounds = 0;
    }
}

static void slow_start_acked(struct cubic *self, uint64_t acked)
{
    self->base.window += self->now.phase == CSS ? acked / CSS_GROWTH_DIVISOR : acked;
    if (self->base.window >= self->now.threshold)
        end_slow_start(self);
}

/* ---- avoidance ---- */

static uint64_t cube_root(uint64_t value)
{
    uint64_t low = 0, high = 1 << 21;
    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;
        if (middle * middle * middle <= value)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static void begin_epoch(struct cubic *self, uint64_t now_us)
{
    struct epoch *now = &self->now;
    now->epoch_us = now_us ? now_us : 1;
    now->cwnd_epoch = now->w_est = self->base.window;
    now->w_max = number_most(now->w_max, now->cwnd_epoch);
    uint64_t way = (now->w_max - now->cwnd_epoch) / packet(self);
    uint64_t cube = number_least(way, UINT64_MAX / 2500000000) * 2500000000; /* ms cubed: / 0.4 */
    now->k_ms = cube_root(cube);
    self->epoch_rest = 0;
}

/* W_cubic (section 4.2). */
static uint64_t cubic_at(const struct cubic *self, uint64_t ms)
{
    bool is_below = ms < self->now.k_ms;
    uint64_t away = is_below ? self->now.k_ms - ms : ms - self->now.k_ms;
    away = number_least(away, MS_MAX);
    uint64_t change = away * away * away / 1000 * CUBIC_TENTHS * packet(self) / 10 / 1000000;
    return is_below ? number_minus(self->now.w_max, change) : self->now.w_max + change;
}

/* The window of Reno with the same share of the line (section 4.3). */
static void raise_w_est(struct cubic *self, uint64_t acked)
{
    bool is_back = self->now.w_est >= self->now.cwnd_prior;
    uint64_t part =
        packet(self) * (is_back ? 100 : ALPHA_PERCENT) * number_least(acked, UINT32_MAX);
    uint64_t hundredths = part / self->base.window + self->epoch_rest;
    self->now.w_est += hundredths / 100;
    self->epoch_rest = hundredths % 100;
}

static void avoid(struct cubic *self, const struct sctp_sample *sample)
{
    uint64_t window = self->base.window;
    if (!self->now.epoch_us)
        begin_epoch(self, sample->now_us);
    raise_w_est(self, sample->acked);
    uint64_t us = number_minus(sample->now_us, self->now.epoch_us);
    if (cubic_at(self, us / 1000) < self->now.w_est) {
        self->base.window = number_most(window, self->now.w_est);
        return;
    }
    uint64_t target = cubic_at(self, (us + self->srtt_us) / 1000);
    target = number_least(target, window * FASTEST_PERCENT / 100);
    if (target > window)
        self->base.window += (target - window) * number_least(sample->acked, window) / window;
}

/* ---- events ---- */

/* A window that was not used up proves nothing; pacing does not count (RFC 9002 section 7.8). */
static bool was_used(const struct cubic *self, const struct sctp_sample *sample)
{
    return !sample->limited || sample->prior_in_flight + self->base.quantum >= self->base.window;
}

static void grow(struct cubic *self, const struct sctp_sample *sample)
{
    if (!sample->acked)
        return;
    self->timed_out = false;
    if (sample->in_recovery && !sample->by_timeout)
        return;
    if (!was_used(self, sample)) {
        if (self->now.epoch_us && sample->now_us > self->looked_us) /* time stands still */
            self->now.epoch_us += sample->now_us - self->looked_us;
        return;
    }
    if (self->now.phase == AVOIDANCE)
        avoid(self, sample);
    else
        slow_start_acked(self, number_least(sample->acked, UINT32_MAX));
}

static void acked(struct sctp_congestion *base, const struct sctp_sample *sample)
{
    struct cubic *self = cubic_of(base);
    if (sample->srtt_us)
        self->srtt_us = number_least(sample->srtt_us, SCTP_CONGESTION_TIME_MAX);
    if (sample->rtt_us && (!self->min_rtt_us || sample->rtt_us < self->min_rtt_us))
        self->min_rtt_us = sample->rtt_us;
    self->in_recovery = sample->in_recovery;
    hystart(self, sample);
    grow(self, sample);
    self->looked_us = sample->now_us;
    set_control(self);
}

static void reduce(struct cubic *self)
{
    struct epoch *now = &self->now;
    uint64_t window = self->base.window;
    now->w_max = window < now->w_max ? window * GIVE_WAY_PERCENT / 100 : window;
    now->cwnd_prior = window;
    self->lossy_us = self->looked_us + LOSSY_US;
    now->threshold =
        number_most(window * BETA_PERCENT / 100, (uint64_t)self->base.mss * WINDOW_PACKETS);
    now->phase = AVOIDANCE;
    now->epoch_us = 0;
    self->had_loss = true;
}

static void lost(struct sctp_congestion *base, const struct sctp_loss *loss)
{
    struct cubic *self = cubic_of(base);
    if (!loss->begins_recovery)
        return;
    self->in_recovery = true;
    if (!loss->by_timeout && loss->sent_us < self->reduced_us) { /* RFC 9002 section B.6 */
        self->before.window = 0;
        return;
    }
    if (!self->timed_out) {
        self->before = self->now;
        self->before.window = base->window;
    }
    if (loss->by_timeout)
        return;
    reduce(self);
    self->reduced_us = loss->now_us;
    base->window = self->now.threshold;
    set_control(self);
}

/* Section 4.8: slow start up to the threshold, and no further rise from there at first. */
static void timeout(struct sctp_congestion *base, uint64_t now_us)
{
    (void)now_us;
    struct cubic *self = cubic_of(base);
    if (!self->timed_out) /* else it is the same loss, still */
        reduce(self);
    self->now.phase = SLOW_START;
    self->timed_out = true;
    base->window = (uint64_t)base->mss * TIMEOUT_PACKETS;
    set_control(self);
}

static void spurious(struct sctp_congestion *base, uint64_t now_us, uint32_t size,
                     bool whole_episode)
{
    (void)now_us, (void)size;
    struct cubic *self = cubic_of(base);
    if (!whole_episode || self->before.window <= base->window)
        return;
    self->now = self->before;
    base->window = self->before.window;
    self->before.window = 0; /* once */
    self->timed_out = false;
    self->lossy_us = 0;
    set_control(self);
}

/* Half of the window goes for each second of a pause; slow start gets most of it back. */
static void decay_idle(struct cubic *self, uint64_t idle_us)
{
    uint64_t first = (uint64_t)self->base.mss * SCTP_CONGESTION_FIRST_PACKETS;
    uint64_t window = self->base.window;
    if (idle_us < IDLE_US || window <= first)
        return;
    for (; idle_us >= IDLE_US && self->base.window > first; idle_us -= IDLE_US)
        self->base.window = number_most(self->base.window / 2, first);
    self->now.threshold = number_most(self->now.threshold, window * KEPT_PERCENT / 100);
    if (self->now.phase == AVOIDANCE)
        self->now.phase = SLOW_START;
    set_control(self);
}

/* During a pause, CUBIC's time stands still. */
static void sent(struct sctp_congestion *base, uint64_t now_us, uint32_t size, uint64_t in_flight)
{
    (void)size;
    struct cubic *self = cubic_of(base);
    uint64_t idle_us = number_minus(now_us, self->sent_us);
    self->sent_us = now_us;
    if (in_flight)
        return;
    if (self->now.epoch_us && now_us > self->looked_us) {
        self->now.epoch_us += now_us - self->looked_us;
        self->looked_us = now_us;
    }
    decay_idle(self, idle_us);
}

static void mtu(struct sctp_congestion *base, uint32_t mss)
{
    base->mss = mss ? mss : 1;
    set_control(cubic_of(base));
}

static const char *phase(const struct sctp_congestion *base, double *floor)
{
    const struct cubic *self = (const struct cubic *)base;
    *floor = 0;
    return self->in_recovery              ? "recovery"
           : self->now.phase == AVOIDANCE ? "avoidance"
                                          : "slow-start";
}

const struct sctp_congestion_ops sctp_cubic_ops = {
    .name = "cubic",
    .make = make,
    .sent = sent,
    .acked = acked,
    .lost = lost,
    .spurious = spurious,
    .timeout = timeout,
    .mtu = mtu,
    .phase = phase,
};
