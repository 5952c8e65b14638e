/* The limit of what waits in the kernel's SCTP. */
#include "transport/kernel/send_limit.h"

#include "base/number.h"

/* So much may wait in any case. */
#define DEPTH (256 * 1024)

/* So much may wait beyond the congestion window: enough for a late turn of the loop. */
#define BEYOND_US  2000
#define BEYOND_MIN (64 * 1024)
#define BEYOND_MAX (256 * 1024)

/* Faster lines need no pacing (32 MB/s): what is given at once leaves within the turn of a loop. */
#define PACED_BELOW (64 * 1024)
/* A quarter more than the window in a round trip, so that it is used up and SCTP lets it grow.
 * SCTP's round trip is in steps of 1 to 10 ms and may be too long: then the window does not fill,
 * and the gain rises until it does. */
#define GAIN_ONE 16
#define GAIN_MIN 20
/* At first four times as much: the window is small and doubles with each round trip, and what
 * leaves later than it might makes a reconnect longer. Falls to the minimum as the window fills. */
#define GAIN_START 64
#define GAIN_MAX   4096

/* A message that does not fill a packet costs more than it hastens. */
#define PACE_MIN 1200

/* Twice, so that the rate can double with each round trip (slow start). */
#define ROUND_TRIPS 2

/* Rates are taken over at least so long; a longer pause than the other says nothing. */
#define WINDOW_US 5000
#define PAUSE_US  100000

/* Falling rates are believed slowly, because a sender that rests looks the same. */
#define FALL_SHARE 8

/* The shortest round trip is forgotten after this time: routes change. */
#define BASE_US 10000000
/* Little may wait for at least this time. */
#define PROBE_US 100000
/* SCTP may count round trips in whole milliseconds: one of them may be nothing but the queue. */
#define SHORT_US 1000

void send_limit_init(struct send_limit *self)
{
    *self = (struct send_limit){.limit = DEPTH, .resume = DEPTH * 3 / 4, .gain = GAIN_START};
}

static void note_rate(struct send_limit *self, uint64_t now_us, size_t waiting)
{
    uint64_t delivered = send_limit_delivered(self, waiting);
    uint64_t passed = now_us - self->window_us;
    if (passed < WINDOW_US)
        return;
    if (passed < PAUSE_US && delivered > self->window_delivered) {
        uint64_t rate = (delivered - self->window_delivered) * 1000000 / passed;
        self->rate = rate > self->rate ? rate : self->rate - (self->rate - rate) / FALL_SHARE;
    }
    self->window_us = now_us;
    self->window_delivered = delivered;
}

/* Under a standing queue each round trip is too long, and a base that is too long allows a longer
 * queue: so when the base gets old, little may wait for a while, and the shortest of the second
 * half of that time, when the queue has gone, is the new base (as BBR's ProbeRTT does). */
static void begin_probe(struct send_limit *self, uint64_t now_us)
{
    uint64_t length = 2 * (uint64_t)self->base_us;
    self->probe_us = length > PROBE_US ? length : PROBE_US;
    self->probe_since_us = now_us;
    self->probe_base_us = UINT32_MAX;
}

static void probe(struct send_limit *self, uint64_t now_us, uint32_t rtt_us)
{
    uint64_t passed = now_us - self->probe_since_us;
    if (passed >= self->probe_us / 2 && rtt_us < self->probe_base_us)
        self->probe_base_us = rtt_us;
    if (passed < self->probe_us || self->probe_base_us == UINT32_MAX)
        return;
    self->base_us = self->probe_base_us;
    self->base_since_us = now_us;
    self->probe_us = 0;
}

static void note_round_trip(struct send_limit *self, uint64_t now_us, uint32_t rtt_us)
{
    if (!rtt_us) /* not measured yet, or shorter than a step of SCTP's clock */
        return;
    if (self->probe_us) {
        probe(self, now_us, rtt_us);
    } else if (!self->base_since_us || rtt_us < self->base_us) {
        self->base_us = rtt_us;
        self->base_since_us = now_us;
    } else if (now_us - self->base_since_us > BASE_US) {
        begin_probe(self, now_us);
    }
}

void send_limit_accept(struct send_limit *self, uint64_t now_us, size_t bytes)
{
    if (!self->paced_rate)
        return;
    uint64_t from = self->paced_until_us > now_us ? self->paced_until_us : now_us;
    self->paced_until_us = from + bytes * 1000000 / self->paced_rate;
}

uint64_t send_limit_wait(struct send_limit *self, uint64_t now_us)
{
    if (!self->paced_rate || self->paced_until_us <= now_us + SEND_LIMIT_PACE_US)
        return 0;
    self->was_held = true;
    return self->paced_until_us - now_us;
}

static void note_gain(struct send_limit *self, uint64_t now_us, size_t waiting, uint32_t window,
                      uint32_t rtt_us)
{
    self->was_full |= waiting + PACE_MIN >= window;
    if (now_us - self->gain_since_us < rtt_us)
        return;
    if (self->was_full)
        self->gain -= (self->gain - GAIN_MIN + 3) / 4;
    else if (self->was_held && self->gain < GAIN_MAX)
        self->gain += self->gain / 2;
    self->gain_since_us = now_us;
    self->was_full = self->was_held = false;
}

static uint32_t pace_of(uint32_t congestion_window, uint32_t rtt_us)
{
    uint64_t bytes = (uint64_t)congestion_window * SEND_LIMIT_PACE_US / (rtt_us ? rtt_us : 1);
    return bytes < PACE_MIN ? PACE_MIN : bytes < UINT32_MAX ? (uint32_t)bytes : 0;
}

/* Bytes that may wait beyond the window. An event that makes room also brings on_writable, in the
 * same turn, so hardly anything need wait. */
static size_t beyond_window(const struct send_limit *self, bool is_long)
{
    if (is_long)
        return number_least(self->pace / 2, BEYOND_MAX);
    return number_between(self->rate * BEYOND_US / 1000000, BEYOND_MIN, BEYOND_MAX);
}

void send_limit_update(struct send_limit *self, uint64_t now_us, size_t waiting,
                       uint32_t congestion_window, uint32_t rtt_us)
{
    note_rate(self, now_us, waiting);
    note_round_trip(self, now_us, rtt_us);
    bool is_long = self->base_us > SHORT_US;
    self->pace = is_long ? pace_of(congestion_window, rtt_us) : 0;
    note_gain(self, now_us, waiting, congestion_window, rtt_us);
    bool is_slow = self->pace && self->pace < PACED_BELOW;
    self->paced_rate =
        is_slow ? (uint64_t)self->pace * self->gain / GAIN_ONE * 1000000 / SEND_LIMIT_PACE_US : 0;
    size_t beyond = beyond_window(self, is_long);
    uint64_t in_round_trips = self->rate * ROUND_TRIPS * self->base_us / 1000000;
    if (self->probe_us || !is_long)
        in_round_trips = 0;
    self->limit = number_most(in_round_trips, DEPTH);
    if (is_long)
        self->limit = number_least(self->limit, congestion_window + beyond);
    size_t room = self->limit / 4;
    if (self->limit > congestion_window && (self->limit - congestion_window) / 2 < room)
        room = (self->limit - congestion_window) / 2;
    self->resume = self->limit - room;
}
