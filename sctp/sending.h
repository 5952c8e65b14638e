/* sctp/sending.h: from messages to DATA chunks in packets: the queue, cutting when a packet is made
 * and not before, bundling, flow control by the peer's window (RFC 9260 sections 6.1, 6.9, 6.10).
 * Lost data go first. Private to sctp/. */
#pragma once

#include "sctp/association_private.h"

/* TSNs outstanding at most: towards ours, and towards others, whose map is 4096. */
#define SCTP_SENDING_AHEAD_OURS   65000u
#define SCTP_SENDING_AHEAD_OTHERS 4000u

void sctp_sending_init(struct sctp_association *self, uint32_t first_tsn);
void sctp_sending_fini(struct sctp_association *self);

/* sctp_association_send, once the state allows it. */
enum err sctp_sending_queue(struct sctp_association *self, uint64_t now_us,
                            struct message *message);
/* SCTP_EVENT_WRITABLE is due; true once after each ERR_AGAIN. */
bool sctp_sending_is_writable(struct sctp_association *self);
/* Bytes accepted and not sent yet. */
size_t sctp_sending_queued(const struct sctp_association *self);
/* Neither unsent nor unacknowledged (section 9.2). */
bool sctp_sending_is_done(const struct sctp_association *self);

/* True: a packet with DATA may go now; the queue, the window, the pace and the peer's window allow
 * it. The same for a probe that is due (TLP). */
bool sctp_sending_wants(struct sctp_association *self, uint64_t now_us, struct sctp_wants *wants);
/* Adds DATA chunks to a packet that has control chunks, perhaps, or none; true: it has added some,
 * and sctp_sending_sent must follow with the whole packet's size. */
bool sctp_sending_put(struct sctp_association *self, uint64_t now_us, unsigned net,
                      struct wire_writer *writer);
void sctp_sending_sent(struct sctp_association *self, uint64_t now_us, unsigned net, size_t size);
/* When pacing lets the next packet go; SCTP_NEVER: it does not hold any up. */
uint64_t sctp_sending_deadline(const struct sctp_association *self);

/* Keys of RFC 4895 have changed: the TSN that is next is the first with the new one. When una has
 * reached it, SCTP_EVENT_AUTH_SETTLED is due. */
void sctp_sending_key_changed(struct sctp_association *self, uint16_t key);
/* una has moved. */
void sctp_sending_check_key(struct sctp_association *self);
