/* The state of an association, which all of its parts may change. */
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/association_private.h"

struct sctp_association *sctp_association_new(const struct sctp_options *options)
{
    struct sctp_association *self = check_alloc(sizeof *self);
    self->options = *options;
    self->own_port = options->own_port;
    self->peer_port = options->peer_port;
    self->state = SCTP_COOKIE_WAIT;
    self->closing.deadline_us = self->closing.guard_us = SCTP_NEVER;
    return self;
}

void sctp_association_up(struct sctp_association *self)
{
    self->state = SCTP_ESTABLISHED;
    self->came_up = true;
}

void sctp_association_end(struct sctp_association *self, enum err reason, const void *text,
                          size_t length)
{
    struct sctp_closing *closing = &self->closing;
    if (self->state == SCTP_ENDED)
        return;
    self->state = SCTP_ENDED;
    self->reason = reason;
    closing->text_length = number_least(length, SCTP_TEXT_MAX);
    if (closing->text_length)
        memcpy(closing->text, text, closing->text_length);
}

void sctp_association_fail(struct sctp_association *self, enum err reason, uint16_t cause,
                           const void *value, size_t length)
{
    if (self->state == SCTP_ENDED)
        return;
    sctp_association_end(self, reason, value, length);
    self->closing.owes_abort = true;
    self->closing.abort_cause = cause;
}

static uint64_t handshake_rtt(const struct sctp_association *self, uint64_t now_us)
{
    const struct sctp_handshake *handshake = self->handshake;
    if (self->state != SCTP_COOKIE_WAIT || !handshake || handshake->sent != 1)
        return 0;
    return now_us - handshake->sent_us;
}

struct sctp_net *sctp_association_net(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    must(net < SCTP_NETS_MAX);
    if (!self->nets[net])
        self->nets[net] =
            sctp_net_new(&self->options, now_us, self->options.mtu, handshake_rtt(self, now_us));
    return self->nets[net];
}
