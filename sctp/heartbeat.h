/* sctp/heartbeat.h: HEARTBEAT and its answer (RFC 9260 section 8.3). Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

void sctp_heartbeat_init(struct sctp_association *self, uint64_t now_us);
void sctp_heartbeat_fini(struct sctp_association *self);
void sctp_heartbeat_asked(struct sctp_association *self, unsigned net,
                          const struct sctp_chunk *chunk);
void sctp_heartbeat_answered(struct sctp_association *self, uint64_t now_us,
                             const struct sctp_chunk *chunk);
bool sctp_heartbeat_wants(const struct sctp_association *self, unsigned *net);
/* As many of them as fit. */
void sctp_heartbeat_put(struct sctp_association *self, uint64_t now_us, unsigned net,
                        struct wire_writer *writer);
uint64_t sctp_heartbeat_deadline(const struct sctp_association *self);
/* True: too many went without an answer, and the association is over (section 8.1). */
bool sctp_heartbeat_timeout(struct sctp_association *self, uint64_t now_us);
