/* sctp/trouble.h: ERROR chunks that we owe (RFC 9260 sections 3.2, 3.3.10, 6.5), bounded in number
 * and size. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* So many ERROR chunks a second, at most. */
#define SCTP_TROUBLE_PER_SECOND 10

/* A cause is owed from now on, unless the second's ERRORs are spent or SCTP_TROUBLE_MAX bytes are
 * owed already. A value that is too long by itself is cut. */
void sctp_trouble_add(struct sctp_association *self, uint64_t now_us, uint16_t cause,
                      const void *value, size_t length);
bool sctp_trouble_wants(const struct sctp_association *self);
/* All that is owed, in one chunk. False: no room. */
bool sctp_trouble_put(struct sctp_association *self, struct wire_writer *writer);
void sctp_trouble_fini(struct sctp_association *self);
