/* sctp/delivery.h: the consequences of a packet that arrived: for round trips, loss detection and
 * rate; spurious losses are undone, T3's all at once (RFC 8985 sections 6.2, 7.4,
 * RFC 5682's purpose). Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* A chunk was newly acknowledged that this packet bore last; once for each packet is enough. */
void sctp_delivery_packet(struct sctp_association *self, uint64_t now_us, uint32_t number);
/* The batch ends: losses are found, congestion control is told. */
void sctp_delivery_end(struct sctp_association *self, uint64_t now_us);
/* When sctp_recovery_deadline is reached: by RACK as at the end of a batch; then as
 * sctp_recovery_timeout. */
void sctp_delivery_timeout(struct sctp_association *self, uint64_t now_us);
