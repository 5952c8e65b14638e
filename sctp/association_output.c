/* Packets out: what is owed, in the order of RFC 9260 section 6.10. */
#include "sctp/association_private.h"
#include "sctp/closing.h"
#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/recovery.h"
#include "sctp/replies.h"
#include "sctp/sending.h"

/* A packet that is being made. */
struct departure {
    struct sctp_association *self;
    uint64_t now_us;
    unsigned net;
    struct wire_writer writer;
    uint8_t *auth; /* its AUTH chunk; NULL: none yet */
};

/* ---- the plan of a packet ---- */

static bool wants_heartbeat_ack(const struct sctp_association *self, unsigned *net)
{
    if (self->replies.ack_count)
        *net = self->replies.acks[0].net;
    return self->replies.ack_count;
}

static bool wants_control(const struct sctp_association *self, unsigned *net)
{
    if (self->owes_cookie_ack || sctp_closing_wants(self))
        return true;
    if (wants_heartbeat_ack(self, net))
        return true;
    return self->replies.causes && self->state >= SCTP_ESTABLISHED;
}

/* DATA of another net than a HEARTBEAT ACK's waits for the next packet, as does a SACK. A SACK goes
 * back by the net on which DATA came (section 6.4): the peer leaves one that fails before we do,
 * and would wait a second for a SACK that is lost there. */
static bool plan_rest(struct sctp_association *self, uint64_t now_us, struct sctp_wants *wants)
{
    struct sctp_plan *plan = &self->plan;
    unsigned net = self->used;
    bool is_elsewhere = self->receiving.net != net;
    if (is_elsewhere && self->receiving.sack_now) {
        plan->sack = true;
        wants->net = self->receiving.net;
        return true;
    }
    plan->control = wants_control(self, &net);
    plan->data = sctp_association_may_send(self) && net == self->used &&
                 sctp_sending_wants(self, now_us, wants);
    if (plan->data &&
        wants->size > sctp_association_mtu(self, net)) { /* made for a larger net: it goes alone */
        plan->control = false;
        return true;
    }
    if (plan->data) {
        plan->sack = !is_elsewhere && self->receiving.owes_sack;
        /* DATA fills what room it finds; gap blocks may leave it none. */
        wants->full = wants->full && !plan->control &&
                      !(plan->sack && sctp_tsn_map_has_gaps(&self->receiving.map));
        return true;
    }
    plan->sack = !is_elsewhere && net == self->used && self->receiving.sack_now;
    wants->net = net;
    return plan->control || plan->sack;
}

bool sctp_association_wants(struct sctp_association *self, uint64_t now_us,
                            struct sctp_wants *wants)
{
    struct sctp_plan *plan = &self->plan;
    *plan = (struct sctp_plan){.alone = sctp_closing_wants_alone(self)};
    wants->net = self->used;
    wants->full = false;
    bool any = plan->alone;
    if (!any && self->state < SCTP_ESTABLISHED) {
        plan->handshake = self->handshake->is_due;
        plan->control = !plan->handshake && wants_heartbeat_ack(self, &wants->net);
        any = plan->handshake || plan->control;
    } else if (!any && self->state != SCTP_ENDED) {
        any = plan_rest(self, now_us, wants);
    }
    if (!plan->data)
        wants->size = sctp_association_mtu(self, wants->net);
    return any;
}

/* ---- the packet ---- */

/* AUTH goes before the first chunk that must be authenticated (RFC 4895 section 6.2). False: no
 * room for it and a chunk of that many bytes. */
static bool cover(struct departure *d, uint8_t type, size_t size)
{
    const struct sctp_auth *auth = d->self->auth;
    bool needs = auth && !d->auth && sctp_auth_must_send(auth, type);
    size_t room = wire_room(&d->writer);
    if (room < size + (needs ? sctp_auth_size(auth) : 0))
        return false;
    if (needs)
        d->auth = sctp_auth_begin(auth, &d->writer);
    return true;
}

static void put_header(struct departure *d, uint32_t tag)
{
    const struct sctp_association *self = d->self;
    struct sctp_header header = {self->own_port, self->peer_port, tag};
    sctp_wire_put_header(&d->writer, &header);
}

/* A peer without a tag is sent our own, and ABORT with the T bit (section 8.5.1 B). */
static void put_alone(struct departure *d)
{
    struct sctp_association *self = d->self;
    bool abort = self->closing.owes_abort;
    bool reflected = !abort && self->closing.complete_reflected;
    put_header(d, reflected        ? self->closing.reflected_tag
                  : self->peer_tag ? self->peer_tag
                                   : self->own_tag);
    if (abort)
        cover(d, SCTP_CHUNK_ABORT, SCTP_CHUNK_HEADER);
    sctp_closing_put_alone(self, &d->writer);
}

static void put_error(struct departure *d)
{
    const struct sctp_replies *replies = &d->self->replies;
    if (replies->causes && cover(d, SCTP_CHUNK_ERROR, SCTP_CHUNK_HEADER + replies->causes_length))
        sctp_replies_put_error(d->self, &d->writer);
}

/* COOKIE ACK is the first of all (section 5.1). */
static void put_control(struct departure *d)
{
    struct sctp_association *self = d->self;
    if (self->owes_cookie_ack && d->net == self->used &&
        cover(d, SCTP_CHUNK_COOKIE_ACK, SCTP_CHUNK_HEADER)) {
        sctp_wire_put_chunk(&d->writer, SCTP_CHUNK_COOKIE_ACK, 0, NULL, 0);
        self->owes_cookie_ack = false;
    }
    if (sctp_closing_wants(self) && d->net == self->used) {
        bool ack = self->closing.owes_shutdown_ack;
        if (cover(d, ack ? SCTP_CHUNK_SHUTDOWN_ACK : SCTP_CHUNK_SHUTDOWN, SCTP_CHUNK_HEADER + 4))
            sctp_closing_put(self, d->now_us, &d->writer);
    }
    if (self->replies.ack_count && cover(d, SCTP_CHUNK_HEARTBEAT_ACK, 0))
        sctp_replies_put_heartbeat_acks(self, d->net, &d->writer);
    if (self->state >= SCTP_ESTABLISHED)
        put_error(d);
}

static bool put_data(struct departure *d)
{
    return cover(d, SCTP_CHUNK_DATA, SCTP_DATA_HEADER + 4) &&
           sctp_sending_put(d->self, d->now_us, d->net, &d->writer);
}

/* INIT has tag 0 and no company. DATA that went with COOKIE ECHO goes with it again (section 5.1),
 * and nothing that waits for COOKIE ACK. */
static bool put_handshake(struct departure *d)
{
    struct sctp_association *self = d->self;
    bool echo = self->state == SCTP_COOKIE_ECHOED;
    put_header(d, echo ? self->peer_tag : 0);
    if (echo)
        cover(d, SCTP_CHUNK_COOKIE_ECHO, SCTP_CHUNK_HEADER);
    sctp_handshake_put(self, d->now_us, &d->writer);
    if (!echo)
        return false;
    put_error(d);
    if (self->flight.una != self->flight.next_tsn)
        sctp_recovery_lose(self, d->now_us, d->net);
    return !sctp_sending_is_done(self) && put_data(d);
}

static bool put_rest(struct departure *d)
{
    struct sctp_association *self = d->self;
    const struct sctp_plan *plan = &self->plan;
    put_header(d, self->peer_tag);
    if (plan->control)
        put_control(d);
    if (plan->sack && cover(d, SCTP_CHUNK_SACK, SCTP_SACK_HEADER))
        sctp_receiving_put(self, &d->writer);
    return plan->data && put_data(d);
}

/* The packet's length; 0: nothing came of it. */
static size_t finish(struct departure *d, uint8_t *room)
{
    size_t length = (size_t)(d->writer.at - room);
    if (d->auth && d->writer.at == d->auth + sctp_auth_size(d->self->auth))
        length = (size_t)(d->auth - room);
    else if (d->auth)
        sctp_auth_sign(d->self->auth, d->auth, d->writer.at);
    if (d->writer.overrun || length <= SCTP_HEADER)
        return 0;
    sctp_wire_seal(room, length);
    d->self->counters.packets_out++;
    return length;
}

size_t sctp_association_output(struct sctp_association *self, uint64_t now_us,
                               const struct sctp_wants *wants, uint8_t *room)
{
    struct departure d = {.self = self,
                          .now_us = now_us,
                          .net = wants->net,
                          .writer = wire_writer(room, wants->size)};
    bool has_data = false;
    if (self->plan.alone)
        put_alone(&d);
    else if (self->plan.handshake)
        has_data = put_handshake(&d);
    else
        has_data = put_rest(&d);
    size_t length = finish(&d, room);
    if (has_data)
        sctp_sending_sent(self, now_us, d.net, length);
    return length;
}
