/* Both congestion controls bear any numbers. */
#include "sctp/association.h"
#include "sctp/congestion.h"

#include <stdlib.h>

#include "tests/lib/tap.h"

#define MSS 1452

/* Any samples and losses that a peer's SACKs can make, in any order. CUBIC's window is a packet
 * at least, for packets as large as there are. */
static void any_numbers(const struct sctp_congestion_ops *ops, bool packets_at_least)
{
    static const uint64_t values[] = {
        0, 1, 1000, 1u << 20, UINT64_C(1) << 33, UINT64_C(1) << 40, UINT64_MAX / 2, UINT64_MAX};
    enum { VALUES = sizeof values / sizeof values[0] };
    unsigned long state = tap_seed() * 2654435761u + 1;
    unsigned wrong = 0;
    struct sctp_congestion *congestion = ops->make(UINT64_MAX, MSS, UINT64_MAX);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t v[16];
        for (unsigned k = 0; k < 16; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            v[k] = values[(state >> 33) % VALUES];
        }
        struct sctp_sample sample = {.now_us = v[0],
                                     .acked = v[1],
                                     .in_flight = v[2],
                                     .prior_in_flight = v[3],
                                     .total_delivered = v[4],
                                     .rtt_us = v[5],
                                     .srtt_us = v[6],
                                     .has_packet = v[7] & 1,
                                     .prior_delivered = v[8],
                                     .delivered = v[9],
                                     .interval_us = v[10],
                                     .rate = v[11],
                                     .tx_in_flight = v[12],
                                     .tx_lost = v[13],
                                     .limited = v[14] & 1,
                                     .in_recovery = v[15] & 1};
        struct sctp_loss loss = {.now_us = v[0],
                                 .size = (uint32_t)v[1],
                                 .mark = {.in_flight = v[2], .lost = v[3], .limited = v[4] & 1},
                                 .total_lost = v[5],
                                 .total_delivered = v[6],
                                 .by_timeout = v[7] & 1,
                                 .begins_recovery = v[8] & 1,
                                 .adjacent = v[9] & 1};
        switch ((state >> 40) % 12) {
        case 0:
            ops->timeout(congestion, v[0]);
            break;
        case 1:
        case 2:
            ops->lost(congestion, &loss);
            break;
        case 3:
            ops->spurious(congestion, v[0], (uint32_t)v[1], v[2] & 1);
            break;
        case 4:
            ops->sent(congestion, v[0], MSS, v[1] & 1);
            break;
        case 5:
            ops->mtu(congestion, !packets_at_least ? (uint32_t)v[0] : v[0] & 1 ? 500 : 65535);
            break;
        default:
            ops->acked(congestion, &sample);
        }
        double floor;
        wrong += congestion->window < (packets_at_least ? congestion->mss : 1) ||
                 congestion->window > SCTP_CONGESTION_BYTES_MAX ||
                 congestion->quantum < congestion->mss || !ops->phase(congestion, &floor)[0] ||
                 floor < 0 || floor > 0.05 ||
                 (congestion->pace && congestion->pace < SCTP_CONGESTION_RATE_MIN);
    }
    ok(wrong == 0, "%s: any numbers in any order leave window and pace within their bounds",
       ops->name);
    free(congestion);
}

int main(void)
{
    ok(sctp_congestion_find("bbr") == &sctp_bbr_ops &&
           sctp_congestion_find("cubic") == &sctp_cubic_ops,
       "both have their names");
    ok(!sctp_congestion_find("reno") && !sctp_congestion_find(NULL), "and there is no other");
    any_numbers(&sctp_bbr_ops, false);
    any_numbers(&sctp_cubic_ops, true);
    return tap_done();
}
