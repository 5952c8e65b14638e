/* sctp/replies.h: HEARTBEAT ACK and ERROR chunks that we owe (RFC 9260 sections 8.3, 3.2, 3.3.10,
 * 6.5), bounded in number and size. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* ERROR chunks per second. */
#define SCTP_ERRORS_PER_SECOND 10

/* A HEARTBEAT came on that net: its answer is owed there, unless SCTP_HEARTBEAT_ACKS are owed
 * already or it fits no packet. */
void sctp_replies_heartbeat(struct sctp_association *self, unsigned net,
                            const struct sctp_chunk *chunk);
/* Writes those for that net that fit. */
void sctp_replies_put_heartbeat_acks(struct sctp_association *self, unsigned net,
                                     struct wire_writer *writer);
void sctp_replies_drop_heartbeat_acks(struct sctp_association *self);

/* An error cause is owed, unless this second's ERRORs are spent or SCTP_CAUSES_MAX bytes are owed
 * already. A value that is too long by itself is cut. */
void sctp_replies_add_cause(struct sctp_association *self, uint64_t now_us, uint16_t cause,
                            const void *value, size_t length);
/* All causes that are owed, in one ERROR chunk. They stay owed if it does not fit. */
void sctp_replies_put_error(struct sctp_association *self, struct wire_writer *writer);
void sctp_replies_fini(struct sctp_association *self);
