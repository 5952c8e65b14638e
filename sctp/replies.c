/* HEARTBEAT ACK and ERROR chunks that are owed to the peer. */
#include "sctp/replies.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Bytes that surround the info of a HEARTBEAT ACK at most: AUTH is 40 of them, padding 3. */
#define AROUND (SCTP_HEADER + 40 + SCTP_CHUNK_HEADER + 3)

#define CAUSE_HEADER 4
#define SECOND_US    1000000

/* ---- HEARTBEAT ACK ---- */

void sctp_replies_heartbeat(struct sctp_association *self, unsigned net,
                            const struct sctp_chunk *chunk)
{
    struct sctp_replies *replies = &self->replies;
    if (replies->ack_count == SCTP_HEARTBEAT_ACKS ||
        chunk->length + AROUND > sctp_association_mtu(self, net)) {
        self->counters.rejected++;
        return;
    }
    struct sctp_heartbeat_ack *ack = &replies->acks[replies->ack_count++];
    ack->info = check_alloc(chunk->length + 1);
    memcpy(ack->info, chunk->value, chunk->length);
    ack->length = (uint16_t)chunk->length;
    ack->net = (uint8_t)net;
}

/* One that does not fit behind the others waits for the next packet. */
void sctp_replies_put_heartbeat_acks(struct sctp_association *self, unsigned net,
                                     struct wire_writer *writer)
{
    struct sctp_replies *replies = &self->replies;
    unsigned kept = 0;
    for (unsigned i = 0; i < replies->ack_count; i++) {
        struct sctp_heartbeat_ack *ack = &replies->acks[i];
        bool fits = wire_room(writer) >= SCTP_CHUNK_HEADER + sctp_wire_padded(ack->length);
        if (ack->net != net || !fits) {
            replies->acks[kept++] = *ack;
            continue;
        }
        sctp_wire_put_chunk(writer, SCTP_CHUNK_HEARTBEAT_ACK, 0, ack->info, ack->length);
        free(ack->info);
    }
    replies->ack_count = kept;
}

void sctp_replies_drop_heartbeat_acks(struct sctp_association *self)
{
    struct sctp_replies *replies = &self->replies;
    while (replies->ack_count)
        free(replies->acks[--replies->ack_count].info);
}

/* ---- ERROR ---- */

/* A second begins with its first ERROR. */
static bool may_send_error(struct sctp_replies *replies, uint64_t now_us)
{
    if (!replies->errors || now_us - replies->second_us >= SECOND_US) {
        replies->second_us = now_us;
        replies->errors = 0;
    }
    return replies->errors < SCTP_ERRORS_PER_SECOND;
}

void sctp_replies_add_cause(struct sctp_association *self, uint64_t now_us, uint16_t cause,
                            const void *value, size_t length)
{
    struct sctp_replies *replies = &self->replies;
    if (!replies->causes) {
        if (!may_send_error(replies, now_us))
            return;
        replies->errors++;
        replies->causes = check_alloc(SCTP_CAUSES_MAX);
    }
    size_t left = SCTP_CAUSES_MAX - replies->causes_length;
    if (!replies->causes_length && length > left - CAUSE_HEADER)
        length = left - CAUSE_HEADER;
    if (left < CAUSE_HEADER || length > left - CAUSE_HEADER)
        return;
    struct wire_writer writer = wire_writer(replies->causes + replies->causes_length, left);
    sctp_wire_put_parameter(&writer, cause, value, length);
    replies->causes_length = (size_t)(writer.at - replies->causes);
}

static void drop_causes(struct sctp_replies *replies)
{
    free(replies->causes);
    replies->causes = NULL;
    replies->causes_length = 0;
}

void sctp_replies_put_error(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_replies *replies = &self->replies;
    sctp_wire_put_chunk(writer, SCTP_CHUNK_ERROR, 0, replies->causes, replies->causes_length);
    if (!writer->overrun)
        drop_causes(replies);
}

void sctp_replies_fini(struct sctp_association *self)
{
    sctp_replies_drop_heartbeat_acks(self);
    drop_causes(&self->replies);
}
