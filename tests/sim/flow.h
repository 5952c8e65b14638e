/* tests/sim/flow.h: flows over one line with a bottleneck, packet by packet, under a virtual clock:
 * the engine's own rate samples, pacer and congestion control, and a loss detection as simple as
 * RFC 8985 allows, with all that a SACK can say. It is two orders of magnitude faster than two
 * whole engines (tests/sim/world.h), so that congestion control can be judged by many seeds. */
#pragma once

#include "sctp/association.h"
#include "sctp/congestion.h"
#include "sctp/pacer.h"
#include "sctp/rate.h"
#include "tests/sim/line.h"

#define FLOW_SIZE 1452u /* bytes of a packet; the line adds its overhead */

/* The plan of one flow. */
struct flow_plan {
    const char *congestion;
    bool unpaced;           /* as TCP without pacing: the pace is not kept */
    bool backwards;         /* data go the other way */
    uint64_t start_us;      /* 0: at once */
    uint64_t app_rate;      /* bytes a second that the application has; 0: always more */
    uint64_t app_period_us; /* it writes so often; 0: as it goes */
    unsigned sack_every;    /* packets; 0: 2 */
    uint64_t sack_batch_us; /* the sender reads acknowledgements at multiples of that */
};

/* Its results. */
struct flow_result {
    double rate;       /* MB/s that arrived, after the mark */
    double rate_first; /* MB/s of the first two seconds */
    double repeated;   /* share of packets sent that were repeats */
    double spurious;
    uint64_t sent, timeouts, probes;
    double delay_ms; /* mean of the round trips after the mark */
    double floor;
    const char *phase; /* at the end */
};

struct flow_run {
    struct sim_line line[2]; /* [0]: forwards */
    uint64_t seed, end_us, mark_us;
    unsigned count;
    const struct flow_plan *plans;
    struct flow_result *results; /* of count */
    double queue_50_ms, queue_95_ms;
    uint64_t trace;  /* of all departures: the same seed gives the same */
    bool is_verbose; /* says what the first flow does, each 100 ms */
    char wrong[120]; /* "": nothing */
};

/* Runs it to its end. */
void flow_run(struct flow_run *run);
