/* sctp/receiving.h: DATA in, messages and SACKs out (RFC 9260 sections 6.2, 6.5 to 6.7): what is
 * kept is bounded by options.buffer, counted by its true size. One decision about a SACK for each
 * batch. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* Least time that a SACK towards one of ours waits for a second packet, or for DATA to go with: a
 * quarter of a round trip of 20 us would be a packet and a wake-up for each answer. */
#define SCTP_RECEIVING_DELAY_MIN_US 1000

/* Gap blocks in one SACK at most, whatever the room: they are for a packet of 1500 bytes. */
#define SCTP_RECEIVING_GAPS_MAX 364

/* A TSN further ahead than options.buffer divided by this is dropped: its place in the map and in
 * the ring of early chunks costs up to this number of bytes. */
#define SCTP_RECEIVING_AHEAD_COST 32

/* With options.frugal DATA is dropped that is further ahead than these TSNs, or of this stream or a
 * higher one: both cost memory by their number. The peer sends it again. */
#define SCTP_RECEIVING_FRUGAL_AHEAD   128
#define SCTP_RECEIVING_FRUGAL_STREAMS 256

/* first: the peer's initial TSN. self->streams and self->peer_is_hawser are known. */
void sctp_receiving_init(struct sctp_association *self, uint32_t first);
void sctp_receiving_fini(struct sctp_association *self);

/* A packet begins: SACKs are counted by packets (section 6.2). */
void sctp_receiving_packet(struct sctp_association *self);
/* data->length is not 0: the caller aborts where it is, with SCTP_CAUSE_NO_USER_DATA. ERR_OK, also
 * where it is dropped. ERR_CONTROL_PROTOCOL: the peer contradicts itself or its message is too
 * long: the caller aborts, and gives no more. *invalid_stream: an ERROR is due (section 6.5). */
enum err sctp_receiving_data(struct sctp_association *self, const struct sctp_data *data,
                             uint8_t flags, bool *invalid_stream);
/* The buffer is another one: the peer hears of it at once. */
void sctp_receiving_tell(struct sctp_association *self);
/* After the batch. */
void sctp_receiving_end(struct sctp_association *self, uint64_t now_us);

/* Writes a SACK into what room there is, as many blocks as fit. Towards a stranger those are the
 * lowest. One of ours ignores what is left out (SCTP_PARAMETER_HAWSER): three eighths are the
 * lowest, as many the newest, which is what RACK asks for, and a quarter in turns those between.
 * False: not even its head fits. */
bool sctp_receiving_put(struct sctp_association *self, struct wire_writer *writer);
/* When a delayed one must go; SCTP_NEVER: none. */
uint64_t sctp_receiving_deadline(const struct sctp_association *self);
void sctp_receiving_timeout(struct sctp_association *self, uint64_t now_us);

/* The next whole message; NULL: none. Owns: caller. */
struct message *sctp_receiving_take(struct sctp_association *self);
/* Bytes that the peer makes us keep, as a_rwnd counts them; as allocated. */
size_t sctp_receiving_held(const struct sctp_association *self);
size_t sctp_receiving_memory(const struct sctp_association *self);
