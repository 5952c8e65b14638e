/* sctp/closing.h: how an association ends in order (RFC 9260 section 9.2). Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* Looks whether all is acknowledged, and goes on: SHUTDOWN, or SHUTDOWN ACK. */
void sctp_closing_continue(struct sctp_association *self, uint64_t now_us);
void sctp_closing_shutdown(struct sctp_association *self, uint64_t now_us,
                           const struct sctp_chunk *chunk);
void sctp_closing_shutdown_ack(struct sctp_association *self, uint64_t now_us);
void sctp_closing_shutdown_complete(struct sctp_association *self);
/* DATA has come while SHUTDOWN is out: SACK and SHUTDOWN go again. */
void sctp_closing_data(struct sctp_association *self, uint64_t now_us);
/* The chunks of it that are owed. */
bool sctp_closing_wants(const struct sctp_association *self);
bool sctp_closing_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer);
uint64_t sctp_closing_deadline(const struct sctp_association *self);
void sctp_closing_timeout(struct sctp_association *self, uint64_t now_us);
