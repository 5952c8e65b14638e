/* sctp/receiving.h: DATA in, messages and SACKs out (RFC 9260 sections 6.2, 6.5 to 6.7): what is
 * kept is bounded by options.buffer, counted by its true size. One decision about a SACK for each
 * batch. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* first: the peer's initial TSN. */
void sctp_receiving_init(struct sctp_association *self, uint32_t first);
void sctp_receiving_fini(struct sctp_association *self);

/* ERR_OK, also where it is dropped. ERR_CONTROL_PROTOCOL: the peer contradicts itself or its
 * message is too long: the caller aborts. *invalid_stream: an ERROR is due (section 6.5). */
enum err sctp_receiving_data(struct sctp_association *self, uint64_t now_us,
                             const struct sctp_data *data, uint8_t flags, bool *invalid_stream);
/* After the batch. */
void sctp_receiving_end(struct sctp_association *self, uint64_t now_us);

/* Whether a SACK must go now; it also goes with any packet of DATA while one is owed. */
bool sctp_receiving_wants(const struct sctp_association *self);
bool sctp_receiving_owes(const struct sctp_association *self);
/* Writes it into what room there is, as many blocks as fit. False: not even its head fits. */
bool sctp_receiving_put(struct sctp_association *self, struct wire_writer *writer);
/* When a delayed one must go; SCTP_NEVER: none. */
uint64_t sctp_receiving_deadline(const struct sctp_association *self);
void sctp_receiving_timeout(struct sctp_association *self, uint64_t now_us);

/* The next whole message; NULL: none. Owns: caller. */
struct message *sctp_receiving_take(struct sctp_association *self);
uint32_t sctp_receiving_cumulative(const struct sctp_association *self);
