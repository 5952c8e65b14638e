/* bench/line.h: what a line does to each packet: one direction of bench/line.c, without devices
 * and without a clock. Times are ns since the line began.
 *
 * A packet is lost, is policed, finds the queue full, is dropped by CoDel, takes its time, waits
 * for its aggregate, travels, is delayed: in this order. Same seed, same packets: same fate. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MS             1e6
#define LINE_RATES          16
#define LINE_LOST           UINT64_MAX
#define LINE_CODEL_INTERVAL (100 * LINE_MS)

struct line_rate {
    double bytes_per_ns;
    uint64_t ns; /* 0: for ever; then it is the only one */
};

/* Times in ns, sizes in bytes, rates in bytes a ns, shares from 0 to 1; 0: there is no such thing.
 */
struct line_kind {
    double delay;          /* one way */
    double queue;          /* what may wait; a packet that comes then is dropped */
    double loss, burst;    /* in bursts of so many on average (Gilbert) */
    double jitter;         /* each packet is delayed by up to that, and none overtakes another */
    double reorder;        /* only this share is delayed by up to the jitter, and is overtaken */
    double aggregate;      /* packets leave only at multiples of that */
    double police, bucket; /* a token bucket before the queue */
    double codel;          /* the target of CoDel (RFC 8289); its interval is 100 ms */
    double overhead;       /* what a packet takes beside itself */
    struct line_rate rates[LINE_RATES]; /* one after the other, then from the first again */
    size_t rate_count;
};

struct line {
    uint64_t random;  /* the seed at first */
    uint64_t free_at; /* when it has sent all that it was given */
    struct {
        uint64_t segments, lost, policed, overflowed, by_codel;
    } did;
    /* The rest is this file's. */
    uint64_t last_due, tokens_at;
    double tokens;
    bool in_burst, has_tokens;
    struct {
        uint64_t above_since, next_drop;
        unsigned count, count_before;
        bool is_above, is_dropping;
    } codel;
};

/* splitmix64; from 0 to 1 */
static inline double line_chance(struct line *line)
{
    uint64_t z = line->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* The rate at that time, and until when. */
static inline double line_rate(const struct line_kind *kind, uint64_t at, uint64_t *until)
{
    uint64_t cycle = 0;
    for (size_t i = 0; i < kind->rate_count; i++)
        cycle += kind->rates[i].ns;
    *until = UINT64_MAX;
    if (!cycle)
        return kind->rates[0].bytes_per_ns;
    uint64_t since = at % cycle;
    size_t i = 0;
    for (; since >= kind->rates[i].ns; i++)
        since -= kind->rates[i].ns;
    *until = at - since + kind->rates[i].ns;
    return kind->rates[i].bytes_per_ns;
}

static inline uint64_t line_sent_at(const struct line_kind *kind, uint64_t start, double bytes)
{
    for (;;) {
        uint64_t until;
        double rate = line_rate(kind, start, &until), room = rate * (double)(until - start);
        if (bytes <= room)
            return start + (uint64_t)(bytes / rate);
        bytes -= room;
        start = until;
    }
}

/* Bytes that wait now. */
static inline double line_waiting(const struct line_kind *kind, const struct line *line,
                                  uint64_t now)
{
    double bytes = 0;
    while (now < line->free_at) {
        uint64_t until;
        double rate = line_rate(kind, now, &until);
        until = until < line->free_at ? until : line->free_at;
        bytes += rate * (double)(until - now);
        now = until;
    }
    return bytes;
}

static inline bool line_loses(const struct line_kind *kind, struct line *line)
{
    if (kind->loss <= 0)
        return false;
    if (kind->burst <= 1)
        return line_chance(line) < kind->loss;
    if (line->in_burst)
        line->in_burst = line_chance(line) >= 1 / kind->burst;
    else
        line->in_burst = line_chance(line) < kind->loss / kind->burst / (1 - kind->loss);
    return line->in_burst;
}

static inline bool line_polices(const struct line_kind *kind, struct line *line, double bytes,
                                uint64_t now)
{
    if (kind->police <= 0)
        return false;
    if (!line->has_tokens) {
        line->has_tokens = true;
        line->tokens = kind->bucket;
    }
    line->tokens += (double)(now - line->tokens_at) * kind->police;
    line->tokens = fmin(line->tokens, kind->bucket);
    line->tokens_at = now;
    if (line->tokens < bytes)
        return true;
    line->tokens -= bytes;
    return false;
}

/* Of the packet that leaves the queue at that time, after that time in it. It is asked when the
 * packet comes: nothing that comes later could change the answer, but for CoDel's sparing the only
 * packet of a queue, which this does not. */
static inline bool line_codel_drops(const struct line_kind *kind, struct line *line, uint64_t at,
                                    uint64_t waited)
{
    bool was_above = line->codel.is_above;
    if (kind->codel <= 0)
        return false;
    line->codel.is_above = (double)waited >= kind->codel;
    if (!was_above)
        line->codel.above_since = at;
    if (!line->codel.is_above || (double)(at - line->codel.above_since) < LINE_CODEL_INTERVAL) {
        line->codel.is_dropping = false;
        return false;
    }
    if (line->codel.is_dropping) {
        if (at < line->codel.next_drop)
            return false;
        line->codel.count++;
        line->codel.next_drop += (uint64_t)(LINE_CODEL_INTERVAL / sqrt(line->codel.count));
        return true;
    }
    unsigned more = line->codel.count - line->codel.count_before;
    bool is_soon = (double)at - (double)line->codel.next_drop < 16 * LINE_CODEL_INTERVAL;
    line->codel.count = is_soon && more > 1 ? more : 1;
    line->codel.count_before = line->codel.count;
    line->codel.is_dropping = true;
    line->codel.next_drop = at + (uint64_t)(LINE_CODEL_INTERVAL / sqrt(line->codel.count));
    return true;
}

/* When a packet of that size arrives, or LINE_LOST. */
static inline uint64_t line_arrival(const struct line_kind *kind, struct line *line, size_t size,
                                    uint64_t now)
{
    double bytes = (double)size + kind->overhead;
    line->did.segments++;
    if (line_loses(kind, line)) {
        line->did.lost++;
        return LINE_LOST;
    }
    if (line_polices(kind, line, bytes, now)) {
        line->did.policed++;
        return LINE_LOST;
    }
    if (line->free_at < now)
        line->free_at = now;
    if (line_waiting(kind, line, now) > kind->queue) {
        line->did.overflowed++;
        return LINE_LOST;
    }
    if (line_codel_drops(kind, line, line->free_at, line->free_at - now)) {
        line->did.by_codel++;
        return LINE_LOST;
    }
    line->free_at = line_sent_at(kind, line->free_at, bytes);
    double due = (double)line->free_at;
    if (kind->aggregate > 0)
        due = (floor(due / kind->aggregate) + 1) * kind->aggregate;
    due += kind->delay;
    if (kind->reorder > 0 && line_chance(line) >= kind->reorder)
        return (uint64_t)due;
    due += line_chance(line) * kind->jitter;
    if (kind->reorder > 0)
        return (uint64_t)due;
    if (line->last_due < (uint64_t)due)
        line->last_due = (uint64_t)due;
    return line->last_due;
}
