/* The end of an association: SHUTDOWN, its timers, ABORT. */
#include "sctp/closing.h"

#include <string.h>

#include "base/number.h"
#include "sctp/acknowledge.h"
#include "sctp/receiving.h"
#include "sctp/sending.h"

/* RFC 9260 section 9.2: T5 is five times RTO.Max. */
#define GUARD_TIMES 5

/* ---- T2 ---- */

static uint64_t timeout_of(const struct sctp_association *self)
{
    return sctp_net_timeout(self->nets[self->used], &self->options, self->closing.sent);
}

/* The reason of an end in order. */
static enum err orderly(const struct sctp_association *self)
{
    return self->closing.by_us ? ERR_LOCAL_SHUTDOWN : ERR_TRANSPORT_CLOSED;
}

uint64_t sctp_closing_deadline(const struct sctp_association *self)
{
    return number_least(self->closing.deadline_us, self->closing.guard_us);
}

/* All data has arrived at both ends once SHUTDOWN ACK is out: if its answer never comes, only the
 * last word was lost. */
static void give_up(struct sctp_association *self)
{
    bool last_word = self->state == SCTP_SHUTDOWN_ACK_SENT;
    sctp_association_end(self, last_word ? orderly(self) : ERR_TRANSPORT_LOST, NULL, 0);
}

void sctp_closing_timeout(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_closing *closing = &self->closing;
    if (now_us >= closing->guard_us) {
        static const char text[] = "SHUTDOWN took too long";
        sctp_association_fail(self, ERR_TRANSPORT_LOST, SCTP_CAUSE_USER_ABORT, text,
                              sizeof text - 1);
    } else if (now_us >= closing->deadline_us) {
        closing->deadline_us = SCTP_NEVER; /* until it is sent */
        if (++closing->sent > self->options.retransmissions)
            give_up(self);
        else if (self->state == SCTP_SHUTDOWN_SENT)
            closing->owes_shutdown = true;
        else
            closing->owes_shutdown_ack = true;
    }
}

void sctp_closing_heard(struct sctp_association *self, uint64_t now_us)
{
    struct sctp_closing *closing = &self->closing;
    closing->sent = 0;
    if (closing->deadline_us != SCTP_NEVER)
        closing->deadline_us = now_us + timeout_of(self);
}

/* ---- the sequence ---- */

static void begin_shutdown_ack(struct sctp_association *self)
{
    struct sctp_closing *closing = &self->closing;
    self->state = SCTP_SHUTDOWN_ACK_SENT;
    closing->sent = 0;
    closing->guard_us = SCTP_NEVER;
    closing->owes_shutdown_ack = true;
}

void sctp_closing_continue(struct sctp_association *self, uint64_t now_us)
{
    if (self->state == SCTP_SHUTDOWN_PENDING && sctp_sending_is_done(self)) {
        self->state = SCTP_SHUTDOWN_SENT;
        self->closing.owes_shutdown = true;
        self->closing.guard_us = now_us + GUARD_TIMES * self->options.rto_max_us;
    } else if (self->state == SCTP_SHUTDOWN_RECEIVED && sctp_sending_is_done(self)) {
        begin_shutdown_ack(self);
    }
}

void sctp_association_shutdown(struct sctp_association *self, uint64_t now_us)
{
    if (self->state == SCTP_ESTABLISHED) {
        self->state = SCTP_SHUTDOWN_PENDING;
        self->closing.by_us = true;
        sctp_closing_continue(self, now_us);
    } else if (self->state < SCTP_ESTABLISHED) {
        sctp_association_abort(self, NULL);
    }
}

/* Before the peer has told its tag no ABORT is possible, and the peer keeps no state. */
void sctp_association_abort(struct sctp_association *self, const char *text)
{
    if (self->state == SCTP_ENDED)
        return;
    if (self->peer_tag)
        sctp_association_fail(self, ERR_LOCAL_SHUTDOWN, SCTP_CAUSE_USER_ABORT, text,
                              text ? strlen(text) : 0);
    else
        sctp_association_end(self, ERR_LOCAL_SHUTDOWN, NULL, 0);
    self->is_muted = true;
}

void sctp_closing_shutdown(struct sctp_association *self, uint64_t now_us,
                           const struct sctp_chunk *chunk)
{
    if (chunk->length != 4) {
        self->counters.rejected++;
        return;
    }
    switch (self->state) {
    case SCTP_ESTABLISHED:
    case SCTP_SHUTDOWN_PENDING:
    case SCTP_SHUTDOWN_RECEIVED:
        /* One that acknowledges what was never sent is dropped, as such a SACK is. */
        if (sctp_acknowledge_cumulative(self, now_us, sctp_wire_u32(chunk->value)) != ERR_OK) {
            self->counters.rejected++;
            return;
        }
        self->state = SCTP_SHUTDOWN_RECEIVED; /* goes on in sctp_closing_continue */
        self->is_peer_closing = true;
        break;
    case SCTP_SHUTDOWN_SENT:
        self->is_peer_closing = true;
        begin_shutdown_ack(self);
        break;
    case SCTP_SHUTDOWN_ACK_SENT: /* ours was lost */
        sctp_closing_repeat(self);
        break;
    case SCTP_COOKIE_WAIT:
    case SCTP_COOKIE_ECHOED:
    case SCTP_ENDED:
        break;
    }
}

void sctp_closing_repeat(struct sctp_association *self)
{
    self->closing.owes_shutdown_ack = true;
}

void sctp_closing_shutdown_ack(struct sctp_association *self, uint32_t tag)
{
    struct sctp_closing *closing = &self->closing;
    if (self->state < SCTP_ESTABLISHED) {
        closing->owes_complete = closing->complete_reflected = true;
        closing->reflected_tag = tag;
    } else if (self->state == SCTP_SHUTDOWN_SENT || self->state == SCTP_SHUTDOWN_ACK_SENT) {
        sctp_association_end(self, orderly(self), NULL, 0);
        closing->owes_complete = true;
    }
}

void sctp_closing_shutdown_complete(struct sctp_association *self)
{
    if (self->state == SCTP_SHUTDOWN_ACK_SENT)
        sctp_association_end(self, orderly(self), NULL, 0);
}

void sctp_closing_data(struct sctp_association *self)
{
    self->closing.owes_shutdown = true; /* T2 starts anew with it */
}

/* ---- chunks ---- */

void sctp_closing_put(struct sctp_association *self, uint64_t now_us, struct wire_writer *writer)
{
    struct sctp_closing *closing = &self->closing;
    if (closing->owes_shutdown_ack) {
        sctp_wire_put_chunk(writer, SCTP_CHUNK_SHUTDOWN_ACK, 0, NULL, 0);
    } else {
        uint8_t *chunk = sctp_wire_begin(writer, SCTP_CHUNK_SHUTDOWN, 0);
        wire_put_u32(writer, self->receiving.map.cumulative);
        sctp_wire_end(writer, chunk);
    }
    if (writer->overrun)
        return;
    closing->owes_shutdown = closing->owes_shutdown_ack = false;
    closing->deadline_us = now_us + timeout_of(self);
}

static void put_abort(struct sctp_closing *closing, struct wire_writer *writer, uint8_t flags)
{
    uint8_t tsn[4];
    struct wire_writer value = wire_writer(tsn, sizeof tsn);
    wire_put_u32(&value, closing->abort_tsn);
    if (closing->abort_cause == SCTP_CAUSE_NO_USER_DATA)
        sctp_wire_put_cause(writer, SCTP_CHUNK_ABORT, flags, closing->abort_cause, tsn, sizeof tsn);
    else
        sctp_wire_put_cause(writer, SCTP_CHUNK_ABORT, flags, closing->abort_cause, closing->text,
                            closing->text_length);
    closing->owes_abort = false;
}

void sctp_closing_put_alone(struct sctp_association *self, struct wire_writer *writer)
{
    struct sctp_closing *closing = &self->closing;
    if (closing->owes_abort) {
        put_abort(closing, writer, self->peer_tag ? 0 : SCTP_FLAG_REFLECTED);
        return;
    }
    sctp_wire_put_chunk(writer, SCTP_CHUNK_SHUTDOWN_COMPLETE,
                        closing->complete_reflected ? SCTP_FLAG_REFLECTED : 0, NULL, 0);
    closing->owes_complete = closing->complete_reflected = false;
}
