/* sctp/recovery.h: which packets are lost: RACK-TLP (RFC 8985) over packet numbers, spurious losses
 * taken back, T3 as the last resort (RFC 9260 section 6.3.3), all by one timer. Nothing goes back
 * to the first TSN: what a gap block acknowledged stays so. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* The nearest of: a packet becomes lost by RACK, a probe, T3. SCTP_NEVER: nothing in flight. */
uint64_t sctp_recovery_deadline(const struct sctp_association *self);
/* True: the association has had too many time-outs in a row (section 8.1) and is over. */
bool sctp_recovery_timeout(struct sctp_association *self, uint64_t now_us);
/* By RACK, once a batch. */
void sctp_recovery_detect(struct sctp_association *self, uint64_t now_us);
/* Data were sent on that net: (re)arms the timer. */
void sctp_recovery_sent(struct sctp_association *self, uint64_t now_us, unsigned net);
/* All in flight on that net is lost. by_timeout: T3; else the path has failed, which says nothing
 * about the rate of another. */
void sctp_recovery_lose(struct sctp_association *self, uint64_t now_us, unsigned net,
                        bool by_timeout);
