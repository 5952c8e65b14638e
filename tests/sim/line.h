/* tests/sim/line.h: one direction of a line, as a struct: what a packet meets on its way and when
 * it comes out. Pure: seeded chance, the time is passed in. In this order: loss (Gilbert), policer,
 * a queue with a rate (drop-tail or CoDel), aggregation, delay, reordering or jitter, a duplicate,
 * a flipped bit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seeded chance (splitmix64). */
struct sim_chance {
    uint64_t state;
};
uint64_t sim_chance(struct sim_chance *chance, uint64_t below); /* 0 to below - 1 */
bool sim_chance_is(struct sim_chance *chance, double probability);
uint64_t sim_mix(uint64_t value);

/* Zero: none of it. Times in microseconds, sizes in bytes on the wire, shares from 0 to 1. */
struct sim_line {
    uint64_t rate; /* bytes a second */
    uint64_t delay_us;
    uint64_t queue_us; /* waiting that is possible at that rate; more is dropped */
    double loss;
    double burst; /* packets lost together on average; 0 and 1: each by itself */
    double reorder;
    uint64_t jitter_us; /* of those that are reordered; without reorder: of all, in order */
    uint64_t aggregate_us;
    double duplicate, corrupt;
    uint64_t police; /* bytes a second that a policer lets through, and its bucket */
    uint64_t police_burst;
    bool codel;        /* RFC 8289: target 5 ms, interval 100 ms */
    uint64_t swing_us; /* the rate changes to swing_rate and back so often */
    uint64_t swing_rate;
    uint32_t mtu;      /* larger SCTP packets vanish */
    uint32_t overhead; /* bytes of the headers below SCTP */
};

#define SIM_QUEUE_BUCKET_US 100
#define SIM_QUEUE_BUCKETS   10000

struct sim_way {
    struct sim_line line;
    bool is_cut;
    uint64_t packets, bytes; /* that came through */
    uint64_t lost, full, vanished, policed;

    /* its own */
    struct sim_chance *chance;
    bool in_burst;
    uint64_t sent_us;            /* the latest */
    uint64_t free_us, free_part; /* when the queue is empty; part: bytes * 10^6 modulo the rate */
    uint64_t last_us;
    uint64_t tokens, tokens_us; /* tokens: bytes * 10^6 */
    bool dropping;
    uint64_t first_above_us, drop_next_us;
    uint32_t drop_count;
    uint32_t waits[SIM_QUEUE_BUCKETS]; /* times that a look found a queue of that length */
    uint64_t looks;
};

struct sim_arrival {
    uint64_t at_us;
    bool corrupt;
};

/* A packet of that many bytes enters. Returns how often it comes out: 0 to 2. */
unsigned sim_way_send(struct sim_way *way, uint64_t now_us, size_t size,
                      struct sim_arrival out[static 2]);

/* Microseconds that a packet would wait now. */
uint64_t sim_way_wait(const struct sim_way *way, uint64_t now_us);
/* Counts that; sim_way_quantile gives what share of the looks was below. */
void sim_way_look(struct sim_way *way, uint64_t now_us);
double sim_way_quantile_ms(const struct sim_way *way, double share);
void sim_way_forget(struct sim_way *way); /* the looks */
