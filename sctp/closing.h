/* sctp/closing.h: the end of an association (RFC 9260 section 9); sctp_association_shutdown and
 * sctp_association_abort are in closing.c, too. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* Looks whether all is acknowledged, and goes on: SHUTDOWN, or SHUTDOWN ACK. */
void sctp_closing_continue(struct sctp_association *self, uint64_t now_us);
void sctp_closing_shutdown(struct sctp_association *self, uint64_t now_us,
                           const struct sctp_chunk *chunk);
/* Before the association is up it belongs to another one: SHUTDOWN COMPLETE goes back with its tag
 * (sections 8.5.1 E, 9.2). */
void sctp_closing_shutdown_ack(struct sctp_association *self, uint32_t tag);
void sctp_closing_shutdown_complete(struct sctp_association *self);
/* INIT, or the cookie of a restart, has come in SHUTDOWN_ACK_SENT: SHUTDOWN ACK goes again
 * (sections 9.2, 5.2.4 A). */
void sctp_closing_repeat(struct sctp_association *self);
/* A packet of the peer's while SHUTDOWN is out: it lives, so T2 counts anew. */
void sctp_closing_heard(struct sctp_association *self, uint64_t now_us);
/* DATA has come while SHUTDOWN is out: SACK and SHUTDOWN go again. */
void sctp_closing_data(struct sctp_association *self);
/* ABORT or SHUTDOWN COMPLETE is owed, which have a packet of their own (sections 3, 9.1). */
static inline bool sctp_closing_wants_alone(const struct sctp_association *self)
{
    return self->closing.owes_abort || self->closing.owes_complete;
}
/* Its verification tag, and whether that is the peer's own one (the T bit). */
void sctp_closing_put_alone(struct sctp_association *self, struct wire_writer *writer);
/* SHUTDOWN or SHUTDOWN ACK is owed. */
static inline bool sctp_closing_wants(const struct sctp_association *self)
{
    return self->closing.owes_shutdown || self->closing.owes_shutdown_ack;
}
void sctp_closing_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer);
uint64_t sctp_closing_deadline(const struct sctp_association *self);
void sctp_closing_timeout(struct sctp_association *self, uint64_t now_us);
