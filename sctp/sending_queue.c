/* The queue of messages that are not in chunks yet. */
#include "base/number.h"
#include "sctp/congestion.h"
#include "sctp/sending.h"

/* Limit of the queue: on a net without pacing; else bytes that leave in 2 ms, and never more than
 * 256 KB. On loopback, of 48, 96 and 256 KB with windows of 256 and 512 KB, 96 and 256 carry as
 * much as any, and a small message beside them waits for a third as long as with the largest. */
#define UNPACED_QUEUE (96 * 1024)
#define QUEUE_MAX     (256 * 1024)
#define QUEUE_MS      2

/* The user may take this, or a sixteenth of a round trip, to send more. */
#define MOMENT_US 1000

size_t sctp_sending_queued(const struct sctp_association *self)
{
    return self->sending.queue.bytes - self->sending.offset;
}

bool sctp_sending_is_done(const struct sctp_association *self)
{
    return !self->sending.queue.first && self->flight.una == self->flight.next_tsn;
}

uint32_t sctp_association_pace(const struct sctp_association *self)
{
    const struct sctp_net *net = self->nets[self->used];
    uint64_t bytes = net ? net->congestion->pace * QUEUE_MS / 1000 : 0;
    return (uint32_t)number_least(bytes, UINT32_MAX);
}

/* Study 4.5: enough for the next two trains, and no more: what waits here delays all behind it. At
 * the beginning of a short path the pace is many GB/s, which nobody has measured. */
static size_t queue_limit(const struct sctp_association *self)
{
    const struct sctp_net *net = self->nets[self->used];
    if (!net || !net->congestion->pace)
        return UNPACED_QUEUE;
    size_t trains = (size_t)2 * net->congestion->quantum;
    return number_least(number_most(sctp_association_pace(self), trains), QUEUE_MAX);
}

/* There was less to send than the line would have taken. Between a SACK that makes room and the
 * user's next message a moment passes in any case: the queue is short, and filled in another turn
 * of the loop. Were each of these moments one, no sample of a bulk transfer would count, and
 * Startup went on for ever, with a queue of 100 ms at the line. */
static void note_gap(struct sctp_association *self, uint64_t now_us)
{
    uint64_t since_us = self->sending.lacks_us;
    struct sctp_net *net = self->nets[self->used];
    self->sending.lacks_us = 0;
    if (!since_us || !net || now_us < since_us)
        return;
    if (now_us - since_us > number_most(net->srtt_us / 16, MOMENT_US))
        sctp_rate_limited(&net->rate, net->in_flight);
}

enum err sctp_sending_queue(struct sctp_association *self, uint64_t now_us, struct message *message)
{
    struct sctp_sending *sending = &self->sending;
    if (sending->queue.first && sctp_sending_queued(self) >= queue_limit(self)) {
        sending->wants_writable = true;
        return ERR_AGAIN;
    }
    note_gap(self, now_us);
    message = message_fit(message); /* it is kept until it is acknowledged */
    message->offset = 1;            /* it waits to be cut (sctp/flight.h) */
    message_queue_push(&sending->queue, message);
    self->counters.messages_out++;
    return ERR_OK;
}

bool sctp_sending_is_writable(struct sctp_association *self)
{
    struct sctp_sending *sending = &self->sending;
    if (!sending->wants_writable || sctp_sending_queued(self) > queue_limit(self) / 2)
        return false;
    sending->wants_writable = false;
    return true;
}
