/* sctp/reassembly.h: from DATA chunks, in whatever order they came, to whole messages in the order
 * of their streams (RFC 9260 sections 3.3.1, 6.5, 6.6, 6.9).
 *
 * Fragments of a message have consecutive TSNs. A chunk whose turn it is is copied once, straight
 * into its message. One that is early is kept by itself until the TSNs before it have come, or,
 * so that a gap holds up no other stream, until all of its message has. Pure; the thread that
 * owns the association. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/message.h"

/* Cost of a chunk, or of a message that waits for its turn, beside its bytes. */
#define SCTP_CHUNK_COST 64

/* A DATA chunk of a checked packet, in host order. */
struct sctp_data {
    uint32_t tsn, ppid;
    uint16_t stream, ssn;
    bool begins, ends; /* B and E (section 3.3.1) */
    const uint8_t *bytes;
    size_t length; /* not 0 (section 3.3.1: a chunk without user data ends the association) */
};

struct sctp_reassembly;

/* first: the peer's initial TSN; streams: number of those that may come in. Owns: caller. */
struct sctp_reassembly *sctp_reassembly_new(uint32_t first, uint16_t streams);
void sctp_reassembly_free(struct sctp_reassembly *self); /* NULL is fine */
/* frugal: the message that is being joined takes no more than twice what has come of it, instead of
 * MESSAGE_MAX from its first byte on; most bytes are then copied once more. */
void sctp_reassembly_set_frugal(struct sctp_reassembly *self, bool frugal);

/* Takes a copy of a chunk that has come for the first time (sctp_tsn_map_add said NEW). cumulative
 * is the map's, after it. ERR_OK, also where it is dropped because it is not for us: of another
 * payload protocol (docs/PROTOCOL.md rule S3), or of a stream that there is not (the caller reports
 * that). ERR_CONTROL_PROTOCOL: the peer contradicts itself, or the message is longer than
 * MESSAGE_MAX; the association must be aborted. */
enum err sctp_reassembly_add(struct sctp_reassembly *self, const struct sctp_data *data,
                             uint32_t cumulative);

/* A chunk that has come for the first time and is not kept (sctp_receiving: an unordered one): what
 * follows it goes on without it. Arguments and results as above. */
enum err sctp_reassembly_skip(struct sctp_reassembly *self, uint32_t tsn, uint32_t cumulative);

/* The next message that is whole and whose turn it is in its stream; NULL: none. Owns: caller. */
struct message *sctp_reassembly_take(struct sctp_reassembly *self);

/* Bytes that wait here: SCTP_CHUNK_COST and the bytes of each chunk and each message, those ready
 * to be taken included. The memory allocated is at most half as much again, and a message of
 * MESSAGE_MAX, and 8 bytes for each TSN that the peer is ahead. */
size_t sctp_reassembly_held(const struct sctp_reassembly *self);
/* Of those, bytes of messages that are ready to be taken. */
size_t sctp_reassembly_ready(const struct sctp_reassembly *self);
/* Bytes as allocated. */
size_t sctp_reassembly_memory(const struct sctp_reassembly *self);
