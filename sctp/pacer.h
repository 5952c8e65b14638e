/* sctp/pacer.h: when the next packets may go: a leaky bucket with a quantum, so that one train of
 * packets (GSO) is one departure. It makes up for a late loop, by one quantum at most. Pure.
 */
#pragma once

#include <stdint.h>

struct sctp_pacer {
    uint64_t next_us;  /* nothing goes before */
    uint64_t spare_ns; /* below a microsecond */
    uint32_t left;     /* bytes of the quantum that has begun */
};

/* Bytes that may go now, of a train that may be cut anywhere; 0: not before pacer->next_us.
 * pace: bytes a second, 0: no limit. */
uint32_t sctp_pacer_allows(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace,
                           uint32_t quantum);
/* A packet of that size goes. */
void sctp_pacer_sent(struct sctp_pacer *pacer, uint64_t now_us, uint64_t pace, uint32_t quantum,
                     uint32_t size);
/* Forgets all that was due: after a time-out, or when the pace changed for good. */
void sctp_pacer_reset(struct sctp_pacer *pacer);
