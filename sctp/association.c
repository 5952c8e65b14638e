/* The calls of the user: options, time, messages, events, nets, status. */
#include "sctp/association.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "sctp/acknowledge.h"
#include "sctp/closing.h"
#include "sctp/congestion.h"
#include "sctp/delivery.h"
#include "sctp/handshake.h"
#include "sctp/receiving.h"
#include "sctp/recovery.h"
#include "sctp/replies.h"
#include "sctp/sending.h"

/* A net that has carried nothing for this time begins anew. */
#define STALE_US 10000000

/* An early message fits behind COOKIE ECHO in the smallest packet. */
#define EARLY_MAX 1000

void sctp_association_defaults(struct sctp_options *options)
{
    *options = (struct sctp_options){
        .streams = 1,
        .buffer = 16 * 1024 * 1024,
        .mtu = 1280 - 40 - 8, /* IPv6's least, less its header and UDP's */
        .rto_initial_us = 1000000,
        .rto_min_us = 200000, /* RFC 9260 section 16: 1 s; Linux allows less, too */
        .rto_max_us = 60000000,
        .init_retransmissions = 8,
        .retransmissions = 10,
        .sack_delay_us = 20000,
        .congestion = &sctp_bbr_ops,
    };
}

const struct sctp_congestion_ops *sctp_congestion_find(const char *name)
{
    static const struct sctp_congestion_ops *const all[] = {&sctp_bbr_ops, &sctp_cubic_ops};
    for (size_t i = 0; name && i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

/* ---- its life ---- */

void sctp_association_free(struct sctp_association *self)
{
    if (!self)
        return;
    sctp_handshake_fini(self);
    sctp_sending_fini(self);
    sctp_acknowledge_fini(self);
    sctp_receiving_fini(self);
    sctp_replies_fini(self);
    sctp_auth_free(self->auth);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        sctp_net_free(self->nets[i]);
    free(self);
}

size_t sctp_association_init_packet(const struct sctp_association *self, uint8_t *packet,
                                    size_t limit)
{
    if (!self->handshake)
        return 0;
    struct wire_writer writer = wire_writer(packet, limit);
    sctp_wire_put_header(&writer, &(struct sctp_header){self->own_port, self->peer_port, 0});
    sctp_handshake_put_init(self, &writer);
    if (writer.overrun)
        return 0;
    sctp_wire_seal(packet, (size_t)(writer.at - packet));
    return (size_t)(writer.at - packet);
}

void sctp_association_init_sent(struct sctp_association *self, uint64_t now_us)
{
    if (self->state != SCTP_COOKIE_WAIT)
        return;
    self->handshake->sent++;
    self->handshake->sent_us = now_us;
}

void sctp_association_set_buffer(struct sctp_association *self, uint32_t bytes)
{
    self->options.buffer = bytes;
    self->options.frugal = false;
    if (self->state >= SCTP_ESTABLISHED)
        sctp_receiving_tell(self);
}

uint32_t sctp_association_own_tag(const struct sctp_association *self)
{
    return self->own_tag;
}

uint32_t sctp_association_peer_tag(const struct sctp_association *self)
{
    return self->peer_tag;
}

/* ---- time ---- */

/* Nothing but INIT and COOKIE ECHO goes before it is up, so no other timer runs: DATA behind COOKIE
 * ECHO is repeated with it. */
uint64_t sctp_association_deadline(const struct sctp_association *self)
{
    if (self->state == SCTP_ENDED)
        return SCTP_NEVER;
    if (self->state < SCTP_ESTABLISHED)
        return self->handshake->deadline_us;
    uint64_t deadline = number_least(sctp_closing_deadline(self), sctp_receiving_deadline(self));
    if (!sctp_association_may_send(self))
        return deadline;
    deadline = number_least(deadline, sctp_recovery_deadline(self));
    return number_least(deadline, sctp_sending_deadline(self));
}

void sctp_association_timeout(struct sctp_association *self, uint64_t now_us)
{
    if (self->state == SCTP_ENDED)
        return;
    if (self->state < SCTP_ESTABLISHED) {
        sctp_handshake_timeout(self, now_us);
        return;
    }
    if (now_us >= sctp_closing_deadline(self))
        sctp_closing_timeout(self, now_us);
    if (now_us >= sctp_receiving_deadline(self))
        sctp_receiving_timeout(self, now_us);
    if (sctp_association_may_send(self) && now_us >= sctp_recovery_deadline(self))
        sctp_delivery_timeout(self, now_us);
}

/* ---- messages and events ---- */

/* Section 5.1: DATA behind COOKIE ECHO. */
static bool may_send_early(const struct sctp_association *self, const struct message *message)
{
    const struct sctp_handshake *handshake = self->handshake;
    return self->state == SCTP_COOKIE_ECHOED && handshake && handshake->takes_early &&
           self->told.answered && message->stream == 0 && message->length <= EARLY_MAX;
}

enum err sctp_association_send(struct sctp_association *self, uint64_t now_us,
                               struct message *message)
{
    must(message->length >= 1 && message->length <= MESSAGE_MAX);
    if (self->state > SCTP_ESTABLISHED)
        return ERR_TRANSPORT_CLOSED;
    if (self->state < SCTP_ESTABLISHED) {
        if (may_send_early(self, message)) {
            self->handshake->takes_early = false;
            return sctp_sending_queue(self, now_us, message);
        }
        self->sending.wants_writable = true;
        return ERR_AGAIN;
    }
    if (message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    return sctp_sending_queue(self, now_us, message);
}

static bool tell(struct sctp_event *event, enum sctp_event_kind kind)
{
    *event = (struct sctp_event){.kind = kind};
    return true;
}

static bool tell_down(struct sctp_association *self, struct sctp_event *event)
{
    if (self->state != SCTP_ENDED || self->told.down)
        return false;
    self->told.down = true;
    tell(event, SCTP_EVENT_DOWN);
    event->reason = self->reason;
    event->unknown_there = self->unknown_there;
    if (self->reason != ERR_LOCAL_SHUTDOWN) {
        event->text = self->closing.text;
        event->text_length = self->closing.text_length;
    }
    return true;
}

/* Events that come once in its life, and WRITABLE, which means nothing once it has ended. */
static bool tell_rare(struct sctp_association *self, struct sctp_event *event)
{
    if (sctp_association_may_send(self) && sctp_sending_is_writable(self))
        return tell(event, SCTP_EVENT_WRITABLE);
    if (self->settled && self->state != SCTP_ENDED) {
        self->settled = false;
        tell(event, SCTP_EVENT_AUTH_SETTLED);
        event->key = self->settled_key;
        return true;
    }
    if (self->is_peer_closing && !self->told.peer_closing) {
        self->told.peer_closing = true;
        return tell(event, SCTP_EVENT_PEER_CLOSING);
    }
    return tell_down(self, event);
}

bool sctp_association_event(struct sctp_association *self, struct sctp_event *event)
{
    if (self->told.up && !self->is_muted) {
        struct message *message = sctp_receiving_take(self);
        if (message) {
            tell(event, SCTP_EVENT_MESSAGE);
            event->message = message;
            return true;
        }
        return tell_rare(self, event);
    }
    if (self->answered && !self->told.answered && self->state != SCTP_ENDED) {
        self->told.answered = true;
        return tell(event, SCTP_EVENT_ANSWERED);
    }
    if (self->came_up && !self->told.up && !self->is_muted) {
        self->told.up = true;
        tell(event, SCTP_EVENT_UP);
        event->streams = self->streams;
        return true;
    }
    return tell_down(self, event);
}

/* ---- nets ---- */

void sctp_association_net_use(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    if (net == self->used && self->nets[net])
        return;
    const struct sctp_net *present = sctp_association_net(self, now_us, net);
    if (!present->in_flight && now_us - present->heard_us > STALE_US)
        sctp_net_restart(self->nets[net], &self->options, now_us, 0);
    self->used = net;
}

void sctp_association_net_rtt(struct sctp_association *self, uint64_t now_us, unsigned net,
                              uint64_t rtt_us)
{
    must(net < SCTP_NETS_MAX);
    struct sctp_net *present = self->nets[net];
    if (!present)
        self->nets[net] = sctp_net_new(&self->options, now_us, self->options.mtu, rtt_us);
    else if (!present->srtt_us && !present->in_flight)
        sctp_net_restart(present, &self->options, now_us, rtt_us);
    else if (!present->srtt_us)
        sctp_net_measured(present, &self->options, rtt_us);
}

void sctp_association_net_fail(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    must(net < SCTP_NETS_MAX);
    if (self->nets[net])
        sctp_recovery_lose(self, now_us, net);
}

void sctp_association_net_reset(struct sctp_association *self, uint64_t now_us, unsigned net)
{
    must(net < SCTP_NETS_MAX);
    if (self->nets[net])
        sctp_net_restart(self->nets[net], &self->options, now_us, 0);
}

void sctp_association_net_mtu(struct sctp_association *self, uint64_t now_us, unsigned net,
                              uint32_t mtu)
{
    struct sctp_net *made = sctp_association_net(self, now_us, net);
    if (mtu < made->mtu)
        sctp_replies_drop_heartbeat_acks(self); /* an answer that is owed might fit no packet */
    made->mtu = mtu;
    made->congestion->ops->mtu(made->congestion, mtu);
}

/* ---- authentication ---- */

enum err sctp_association_auth_add(struct sctp_association *self, uint16_t number,
                                   const uint8_t *key, size_t length)
{
    return self->auth ? sctp_auth_add(self->auth, number, key, length) : ERR_TRANSPORT_AUTH;
}

enum err sctp_association_auth_use(struct sctp_association *self, uint16_t number)
{
    enum err e = self->auth ? sctp_auth_use(self->auth, number) : ERR_TRANSPORT_AUTH;
    if (e == ERR_OK)
        sctp_sending_key_changed(self, number);
    return e;
}

enum err sctp_association_auth_drop(struct sctp_association *self, uint16_t number)
{
    return self->auth ? sctp_auth_drop(self->auth, number) : ERR_TRANSPORT_AUTH;
}

bool sctp_association_was_authentic(const struct sctp_association *self)
{
    return self->was_authentic;
}

/* ---- status ---- */

/* Without what malloc adds; of the parts that are opaque here, none. */
static size_t memory_of(const struct sctp_association *self)
{
    const struct sctp_flight *flight = &self->flight;
    size_t bytes = sizeof *self + (self->handshake ? sizeof *self->handshake : 0);
    bytes += sctp_flight_memory(flight) + flight->outstanding;
    bytes += self->sending.ssn_count * sizeof *self->sending.ssns + self->sending.queue.bytes;
    bytes += self->acknowledge.capacity * sizeof *self->acknowledge.intervals;
    for (unsigned i = 0; i < 2; i++)
        bytes += self->recovery.rtx[i].size * sizeof *self->recovery.rtx[i].tsns;
    bytes += sctp_receiving_memory(self);
    for (unsigned i = 0; i < SCTP_NETS_MAX; i++)
        bytes += self->nets[i] ? sizeof *self->nets[i] : 0;
    return bytes;
}

void sctp_association_status(const struct sctp_association *self, struct sctp_status *status)
{
    *status = self->counters;
    status->is_up = self->came_up && self->state != SCTP_ENDED;
    status->is_hawser = self->peer_is_hawser;
    status->streams = self->streams;
    status->queued = sctp_sending_queued(self);
    status->held = sctp_receiving_held(self);
    status->kept = sctp_receiving_memory(self);
    status->memory = memory_of(self);
}

bool sctp_association_net_status(const struct sctp_association *self, unsigned net,
                                 struct sctp_net_status *status)
{
    const struct sctp_net *present = net < SCTP_NETS_MAX ? self->nets[net] : NULL;
    if (!present)
        return false;
    const struct sctp_congestion *congestion = present->congestion;
    *status = (struct sctp_net_status){
        .srtt_us = (uint32_t)present->srtt_us,
        .min_rtt_us = (uint32_t)present->min_rtt_us,
        .rto_us = (uint32_t)sctp_net_rto(present, &self->options),
        .mtu = present->mtu,
        .window = congestion->window,
        .in_flight = present->in_flight,
        .pace = congestion->pace,
        .congestion = congestion->ops->name,
    };
    status->phase = congestion->ops->phase(congestion, &status->loss_floor);
    return true;
}
