/* sctp/recovery.h: finds lost packets: RACK-TLP (RFC 8985) over packet numbers, T3 as the last
 * resort (RFC 9260 section 6.3.3), all by one timer; and the data that wait to be sent again.
 * Nothing goes back to the first TSN: what a gap block acknowledged stays so. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* The nearest of: a packet becomes lost by RACK, a probe, T3, the rings are given back.
 * SCTP_NEVER: nothing in flight. */
uint64_t sctp_recovery_deadline(const struct sctp_association *self);
/* Probes and T3; for RACK's deadline, sctp_delivery_timeout. The association is over when it has
 * had too many time-outs in a row (section 8.1). */
void sctp_recovery_timeout(struct sctp_association *self, uint64_t now_us);
/* By RACK, once a batch. */
void sctp_recovery_detect(struct sctp_association *self, uint64_t now_us);
/* Data were sent on that net, as self->sending.put says, in the latest packet: (re)arms the timer.
 */
void sctp_recovery_sent(struct sctp_association *self, uint64_t now_us, unsigned net);
/* Something was newly acknowledged: the timer begins anew (section 6.3.2 R2, R3). */
void sctp_recovery_acked(struct sctp_association *self, uint64_t now_us);
/* All in flight on that net is lost: the path has failed, which says nothing about the rate of
 * another. */
void sctp_recovery_lose(struct sctp_association *self, uint64_t now_us, unsigned net);
void sctp_recovery_fini(struct sctp_association *self);

/* The peer's window is closed, nothing is outstanding, something waits: probes of the window are to
 * go after an RTO (section 6.1 A). */
void sctp_recovery_wait(struct sctp_association *self, uint64_t now_us);
/* The peer's window is now this: ends the probing of it. */
void sctp_recovery_window(struct sctp_association *self, uint64_t now_us, uint32_t window);

/* ---- the probe (TLP) ---- */

/* The last packet in flight, which a probe repeats where there is nothing else. False: none. */
bool sctp_recovery_last(const struct sctp_association *self, uint32_t *number);
/* Its chunks wait to be sent again; it is no longer in flight. */
void sctp_recovery_rtx_packet(struct sctp_association *self, uint32_t number);
/* A packet that repeats another has arrived, and the other had not: it was lost (section 7.4). */
void sctp_recovery_repaired(struct sctp_association *self, uint64_t now_us, uint32_t number);

/* ---- the retransmission queue ---- */

/* An outstanding chunk that is not acknowledged; a no-op if it waits already. */
void sctp_recovery_queue(struct sctp_association *self, uint32_t tsn);
/* The first of them. False: none. */
bool sctp_recovery_next_rtx(struct sctp_association *self, uint32_t *tsn);
/* It is sent. */
void sctp_recovery_pop_rtx(struct sctp_association *self);
