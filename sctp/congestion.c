/* The pace and the send quantum that both congestion controls set. */
#include "sctp/congestion.h"

#include "base/number.h"

/* 1 ms of the pace (draft-ietf-ccwg-bbr, "Send Quantum"). */
#define QUANTUM_SHARE   1000
#define QUANTUM_PACKETS 2
#define WINDOW_SHARE    4

static void set_quantum(struct sctp_congestion *self, uint64_t bytes)
{
    bytes = number_between(bytes, (uint64_t)self->mss * QUANTUM_PACKETS, SCTP_CONGESTION_QUANTUM);
    bytes = number_least(bytes, self->window / WINDOW_SHARE);
    self->quantum = (uint32_t)number_most(bytes, self->mss);
}

void sctp_congestion_pace(struct sctp_congestion *self, uint64_t bytes, uint64_t us,
                          unsigned percent)
{
    bytes = number_least(bytes, SCTP_CONGESTION_BYTES_MAX);
    uint64_t pace = bytes * 10000 * percent / (us ? us : 1); /* 2^40 * 2^14 * 2^9 < 2^64 */
    self->pace = number_between(pace, SCTP_CONGESTION_RATE_MIN, SCTP_CONGESTION_RATE_MAX);
    set_quantum(self, self->pace / QUANTUM_SHARE);
}

void sctp_congestion_unpaced(struct sctp_congestion *self)
{
    self->pace = 0;
    set_quantum(self, SCTP_CONGESTION_QUANTUM);
}
