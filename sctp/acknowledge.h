/* sctp/acknowledge.h: reading SACKs (RFC 9260 section 6.2.1): the list of acknowledged intervals is
 * kept and merged with the new one, so that a SACK costs its blocks and the newly acknowledged
 * chunks, not all that is in flight. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* ERR_OK, also for an old one. ERR_CONTROL_PROTOCOL: it acknowledges what was never sent; the
 * caller drops it. Gap blocks that are not in order, overlap or go beyond what was
 * sent are ignored. */
enum err sctp_acknowledge_sack(struct sctp_association *self, uint64_t now_us,
                               const struct sctp_sack *sack);
/* The cumulative TSN of a SHUTDOWN (section 9.2). */
enum err sctp_acknowledge_cumulative(struct sctp_association *self, uint64_t now_us, uint32_t tsn);
/* After the batch: losses, spurious ones, the sample, congestion control, the timer. */
void sctp_acknowledge_end(struct sctp_association *self, uint64_t now_us);
void sctp_acknowledge_fini(struct sctp_association *self);
