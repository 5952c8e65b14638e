#include "transport/window.h"

/* RFC 9438 section 4.1, 4.3, 4.6: 0.4 packets a second cubed, 0.7, 3 * 0.3 / 1.7. */
#define CUBIC_TENTHS  4
#define BETA_TENTHS   7
#define ALPHA_PERCENT 53
/* RFC 9260 section 7.2.3 says one; another SACK comes for two. More so than usrsctp's, as setting
 * it also ends usrsctp's own slow start threshold, which two time-outs in a row make 4 packets. */
#define TIMEOUT_PACKETS 2
/* Section 4.7: a flow that had to give way gives some more. */
#define GIVE_WAY_PERCENT 85
/* It counts in packets of Ethernet; those of loopback would make it 20 times as fast. */
#define PACKET_MAX 1460
/* No faster than half as much again in a round trip (section 4.4). */
#define FASTEST_PERCENT 150
#define MS_MAX          (100u * 1000)

/* RFC 9406 section 4.3. */
#define RISE_MIN_US   4000
#define RISE_MAX_US   16000
#define RISE_SHARE    8
#define SAMPLES_MIN   8
#define CAREFUL_SHARE 4
/* Of a rise: less than this is none. */
#define GONE_SHARE 4
/* A large window grows by half only: twice the line does not find room in its queue. */
#define LARGE       (1 << 20)
#define LARGE_SHARE 2

void window_init(struct window *self, uint32_t unit)
{
    *self = (struct window){.unit = unit, .low_us = UINT32_MAX, .base_us = UINT32_MAX};
}

static uint32_t packet(const struct window *self)
{
    return self->unit < PACKET_MAX ? self->unit : PACKET_MAX;
}

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

/* ---- CUBIC ---- */

/* Grows from start, first to highest. */
static void begin_cubic(struct window *self, uint64_t now_us, uint64_t start, uint64_t highest)
{
    self->state = WINDOW_CUBIC;
    self->epoch_us = now_us;
    self->start = start;
    self->highest = highest > start ? highest : start;
    uint64_t way = (self->highest - start) / packet(self);
    self->rise_ms = cube_root(way * 10 / CUBIC_TENTHS * 1000000000);
}

static uint64_t cubic_at(const struct window *self, uint64_t ms)
{
    bool is_below = ms < self->rise_ms;
    uint64_t away = is_below ? self->rise_ms - ms : ms - self->rise_ms;
    if (away > MS_MAX)
        away = MS_MAX;
    uint64_t change = away * away * away / 1000 * CUBIC_TENTHS * packet(self) / 10 / 1000000;
    if (!is_below)
        return self->highest + change;
    return self->highest > change ? self->highest - change : 0;
}

/* What Reno would have got to with the same share of the line (section 4.3). */
static uint64_t reno_at(const struct window *self, uint64_t us, uint32_t rtt_us)
{
    uint64_t hundredths = us * 100 / rtt_us, first = (self->highest - self->start) / packet(self);
    uint64_t until = first * 10000 / ALPHA_PERCENT; /* it has reached highest, in 1/100 */
    if (hundredths < until)
        return self->start + hundredths * ALPHA_PERCENT * packet(self) / 10000;
    return self->highest + (hundredths - until) * packet(self) / 100;
}

static uint64_t grow(struct window *self, uint64_t now_us, uint32_t window, uint32_t rtt_us)
{
    /* While it is not used up it is not tried either: time stands still. */
    if (now_us - self->used_us > rtt_us)
        self->epoch_us += now_us - self->looked_us;
    uint64_t us = now_us > self->epoch_us ? now_us - self->epoch_us : 0;
    uint64_t cubic = cubic_at(self, (us + rtt_us) / 1000), reno = reno_at(self, us, rtt_us);
    uint64_t target = cubic > reno ? cubic : reno;
    uint64_t most = (uint64_t)window * FASTEST_PERCENT / 100;
    if (target > most)
        target = most;
    return target < window ? window : target;
}

/* ---- losses ---- */

static uint64_t note_loss(struct window *self, uint64_t now_us, uint32_t window)
{
    uint64_t before = self->seen, highest = before;
    if (self->had_loss && before < self->highest)
        highest = before * GIVE_WAY_PERCENT / 100;
    self->had_loss = true;
    if (window <= self->unit + PACKET_MAX) { /* section 4.8 */
        if (self->state != WINDOW_TIMEOUT) { /* else the same loss, still */
            self->highest = highest;
            self->start = before * BETA_TENTHS / 10;
        }
        self->state = WINDOW_TIMEOUT;
        return self->unit * TIMEOUT_PACKETS;
    }
    uint64_t start = before * BETA_TENTHS / 10;
    begin_cubic(self, now_us, start > window ? start : window, highest);
    return self->start;
}

/* ---- slow start ---- */

static uint32_t rise(uint32_t base_us)
{
    uint32_t share = base_us / RISE_SHARE;
    return share < RISE_MIN_US ? RISE_MIN_US : share > RISE_MAX_US ? RISE_MAX_US : share;
}

/* A queue that is gone was somebody else's, or a processor that was late; one that stayed for a
 * whole round trip is ours. */
static void end_watched_round(struct window *self, uint64_t now_us)
{
    if (self->low_us < self->base_us + rise(self->base_us) / GONE_SHARE)
        self->state = WINDOW_START;
    else if (self->state == WINDOW_CAREFUL && self->low_us >= self->base_us + rise(self->base_us))
        begin_cubic(self, now_us, self->round_bytes, self->round_bytes);
}

static void end_round(struct window *self, uint64_t now_us)
{
    self->round_us = now_us;
    if (self->state != WINDOW_START)
        end_watched_round(self, now_us);
    self->low_us = UINT32_MAX;
    self->round_bytes = self->seen;
}

/* The window with which the queue began to grow is about what the line holds. */
static void note_rise(struct window *self, uint64_t now_us, uint32_t us, uint32_t window)
{
    if (us < self->base_us + rise(self->base_us)) {
        self->samples = 0;
        return;
    }
    if (!self->samples++)
        self->risen_bytes = window;
    if (self->samples < SAMPLES_MIN)
        return;
    self->state = WINDOW_CAREFUL;
    self->samples = 0;
    self->round_bytes = self->risen_bytes;
    self->round_us = now_us;
    self->low_us = UINT32_MAX;
}

void window_sample(struct window *self, uint64_t sent_us, uint32_t window, uint64_t now_us,
                   bool is_long)
{
    uint64_t us = now_us - sent_us;
    if (us > UINT32_MAX || self->had_loss)
        return;
    if (sent_us >= self->round_us)
        end_round(self, now_us);
    if (us < self->low_us)
        self->low_us = (uint32_t)us;
    if (us < self->base_us)
        self->base_us = (uint32_t)us;
    if (self->state == WINDOW_START && is_long)
        note_rise(self, now_us, (uint32_t)us, window);
}

static uint32_t limit(const struct window *self)
{
    switch (self->state) {
    case WINDOW_START:
        return self->round_bytes < LARGE ? 0 : self->round_bytes + self->round_bytes / LARGE_SHARE;
    case WINDOW_CAREFUL:
        return self->round_bytes + self->round_bytes / CAREFUL_SHARE;
    case WINDOW_TIMEOUT:
        return self->start > self->unit * TIMEOUT_PACKETS ? (uint32_t)self->start
                                                          : self->unit * TIMEOUT_PACKETS;
    case WINDOW_CUBIC:
        return self->seen;
    }
    return 0;
}

/* What the window shall be, before it is rounded. */
static uint64_t judge(struct window *self, uint64_t now_us, uint32_t window, uint32_t rtt_us)
{
    if (window < self->seen)
        return note_loss(self, now_us, window);
    if (self->state == WINDOW_TIMEOUT && window + self->unit > self->start)
        begin_cubic(self, now_us, window, self->highest);
    if (self->state != WINDOW_CUBIC || !rtt_us)
        return window;
    if (!self->begun)
        return self->start;
    return grow(self, now_us, window, rtt_us);
}

/* What arrives behind a time-out may show gaps, and in the fast recovery that follows usrsctp's
 * window stands still, at two packets: hundreds of lost ones took a round trip for each three. */
static uint64_t go_on_starting(struct window *self, uint32_t window, uint64_t delivered)
{
    if (delivered < self->delivered + self->unit) /* what waits counts headers, too: it may fall */
        return window;
    uint64_t news = delivered - self->delivered;
    self->delivered = delivered;
    uint64_t target = self->seen + (news < self->seen ? news : self->seen);
    if (target > self->start)
        target = self->start;
    return target > window ? target : window;
}

uint32_t window_update(struct window *self, uint64_t now_us, uint32_t window, uint64_t waiting,
                       uint32_t rtt_us, uint64_t delivered)
{
    if (waiting + self->unit >= window)
        self->used_us = now_us;
    if (self->state != WINDOW_TIMEOUT)
        self->delivered = delivered;
    uint64_t target = judge(self, now_us, window, rtt_us);
    if (self->state == WINDOW_TIMEOUT && target == window && self->used_us == now_us)
        target = go_on_starting(self, window, delivered);
    self->begun = self->state == WINDOW_CUBIC;
    if (target > window) {
        target -= target % self->unit;
        if (target < window || target > UINT32_MAX)
            target = window;
    }
    self->looked_us = now_us;
    self->seen = (uint32_t)target;
    self->limit = limit(self);
    if (self->limit && self->seen > self->limit)
        self->seen = self->limit;
    return self->seen;
}
