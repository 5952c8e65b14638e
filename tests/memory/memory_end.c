/* One end of an association of the transport for tests. */
#include "tests/memory/memory_end.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/quote.h"

#define QUEUE_BYTES  (256 * 1024)
#define PLAUSIBLE_IP 65536 /* the MTU that status shows: the loopback device's */

static void on_packet(struct mail *mail);

struct packet *memory_end_packet(const struct memory_end *from, enum packet_kind kind)
{
    struct packet *packet = check_alloc(sizeof *packet);
    packet->mail.deliver = on_packet;
    packet->kind = kind;
    packet->from_transport = from->transport->number;
    packet->from = from->number;
    packet->to = from->peer_number;
    return packet;
}

static void tell(const struct memory_end *self, enum packet_kind kind)
{
    memory_post(memory_end_packet(self, kind), self->peer_transport);
}

/* ---- the end of an end ---- */

void memory_end_go_down(struct memory_end *self, enum err reason, const char *detail)
{
    if (self->base.state == ASSOCIATION_ENDED)
        return;
    struct loop *loop = self->transport->base.loop;
    association_end(&self->base, reason, detail);
    free(self->due_us);
    loop_timer_cancel(loop, &self->packet_timer);
    loop_timer_cancel(loop, &self->limit_timer);
    loop_task_cancel(loop, &self->writable_task);
    for (struct packet *packet; (packet = TAILQ_FIRST(&self->packets));) {
        TAILQ_REMOVE(&self->packets, packet, link);
        memory_packet_free(packet);
    }
}

static void finish_shutdown(struct memory_end *self)
{
    if (self->in_flight)
        return;
    if (self->peer_shutting) {
        tell(self, PACKET_FINISHED);
        memory_end_go_down(self, ERR_TRANSPORT_CLOSED, "");
    } else if (self->base.state == ASSOCIATION_SHUTTING) {
        tell(self, PACKET_SHUTDOWN);
    }
}

/* Counts a message; true when the association vanishes with it. */
static bool vanishes(struct memory_end *self)
{
    uint64_t lose_after = self->transport->faults.lose_after;
    if (!lose_after || ++self->moved < lose_after)
        return false;
    tell(self, PACKET_LOST);
    memory_end_go_down(self, ERR_TRANSPORT_LOST, "");
    return true;
}

/* ---- packets that arrive ---- */

static void come_up(struct memory_end *self, uint16_t streams)
{
    loop_timer_cancel(self->transport->base.loop, &self->limit_timer);
    self->base.state = ASSOCIATION_UP;
    self->streams = streams;
}

static void connected_to(struct memory_end *self, uint16_t streams)
{
    struct memory *transport = self->transport;
    struct packet *packet = memory_end_packet(self, PACKET_ACCEPT);
    packet->streams = streams < transport->options.streams ? streams : transport->options.streams;
    come_up(self, packet->streams);
    memory_post(packet, self->peer_transport);
    self->base.events =
        transport->acceptor->on_incoming(transport->acceptor, &self->base, &self->peer);
    if (!self->base.events)
        association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
    else if (self->base.state == ASSOCIATION_UP)
        self->base.events->on_up(self->base.events, self->streams);
}

static void data_arrived(struct memory_end *self, struct packet *packet)
{
    if (self->base.state == ASSOCIATION_CONNECTING || vanishes(self))
        return;
    struct packet *answer = memory_end_packet(self, PACKET_ARRIVED);
    answer->bytes = packet->message->length;
    memory_post(answer, self->peer_transport);
    struct message *message = packet->message;
    packet->message = NULL;
    self->base.events->on_message(self->base.events, message);
}

static size_t queue_limit(const struct memory_end *self)
{
    uint32_t bytes = self->transport->faults.queue_bytes;
    return bytes ? bytes : QUEUE_BYTES;
}

static void tell_writable(struct memory_end *self)
{
    if (self->base.state != ASSOCIATION_UP || !self->want_writable ||
        self->in_flight > queue_limit(self) / 2)
        return;
    self->want_writable = false;
    self->base.events->on_writable(self->base.events);
}

static void take(struct memory_end *self, struct packet *packet)
{
    char quoted[QUOTE_ROOM(MEMORY_DETAIL_MAX)] = "";
    switch (packet->kind) {
    case PACKET_CONNECT:
        connected_to(self, packet->streams);
        break;
    case PACKET_ACCEPT:
        self->peer_number = packet->from;
        come_up(self, packet->streams);
        self->base.events->on_up(self->base.events, self->streams);
        break;
    case PACKET_DATA:
        data_arrived(self, packet);
        break;
    case PACKET_ARRIVED:
        self->in_flight -= packet->bytes;
        if (self->base.state == ASSOCIATION_SHUTTING || self->peer_shutting)
            finish_shutdown(self);
        else
            tell_writable(self);
        break;
    case PACKET_SHUTDOWN:
        self->peer_shutting = true;
        finish_shutdown(self);
        break;
    case PACKET_FINISHED:
        memory_end_go_down(self, ERR_TRANSPORT_CLOSED, "");
        break;
    case PACKET_ABORT:
        if (*packet->detail)
            quote_text(quoted, sizeof quoted, packet->detail);
        memory_end_go_down(self,
                           self->base.state == ASSOCIATION_CONNECTING ? ERR_TRANSPORT_REFUSED
                                                                      : ERR_TRANSPORT_ABORTED,
                           quoted);
        break;
    case PACKET_LOST:
        memory_end_go_down(self, ERR_TRANSPORT_LOST, "");
        break;
    }
}

static void take_due(struct memory_end *self)
{
    struct loop *loop = self->transport->base.loop;
    for (struct packet *packet; (packet = TAILQ_FIRST(&self->packets));) {
        if (packet->due_us > loop_now(loop)) {
            loop_timer_set(loop, &self->packet_timer, packet->due_us);
            return;
        }
        TAILQ_REMOVE(&self->packets, packet, link);
        take(self, packet);
        memory_packet_free(packet);
    }
}

static void on_packet_timer(struct loop_timer *timer)
{
    take_due(container_of(timer, struct memory_end, packet_timer));
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Messages keep their order within a stream, and come after what made the association;
 * everything else but PACKET_ARRIVED comes after all that was before. */
static void schedule(struct memory_end *self, struct packet *packet)
{
    struct memory *transport = self->transport;
    uint64_t due = loop_now(transport->base.loop) + transport->faults.delay_us +
                   memory_random(transport, transport->faults.jitter_us + 1);
    if (packet->kind == PACKET_DATA) {
        uint64_t *of_stream = &self->due_us[packet->message->stream];
        due = *of_stream = later(later(due, *of_stream), self->control_due_us);
    } else if (packet->kind != PACKET_ARRIVED) {
        due = self->control_due_us = later(due, self->latest_due_us);
    }
    packet->due_us = due;
    self->latest_due_us = later(due, self->latest_due_us);
    struct packet *before = TAILQ_LAST(&self->packets, packets);
    while (before && before->due_us > due)
        before = TAILQ_PREV(before, packets, link);
    if (before)
        TAILQ_INSERT_AFTER(&self->packets, before, packet, link);
    else
        TAILQ_INSERT_HEAD(&self->packets, packet, link);
    take_due(self);
}

static void on_limit_timer(struct loop_timer *timer)
{
    memory_end_go_down(container_of(timer, struct memory_end, limit_timer), ERR_TRANSPORT_TIMEOUT,
                       "");
}

static void on_writable_task(struct loop_task *task)
{
    tell_writable(container_of(task, struct memory_end, writable_task));
}

struct memory_end *memory_end_new(struct memory *transport, const struct address *peer)
{
    struct memory_end *self = check_alloc(sizeof *self);
    association_init(&self->base, &transport->base);
    self->transport = transport;
    self->peer = *peer;
    self->number = memory_new_number();
    self->due_us = check_alloc(65536 * sizeof *self->due_us);
    self->packet_timer = (struct loop_timer){.on_expire = on_packet_timer};
    self->limit_timer = (struct loop_timer){.on_expire = on_limit_timer};
    self->writable_task = (struct loop_task){.on_run = on_writable_task};
    TAILQ_INIT(&self->packets);
    return self;
}

static struct memory_end *end_by_number(struct memory *transport, uint64_t number)
{
    struct association *one;
    TAILQ_FOREACH(one, &transport->base.associations, link)
    {
        struct memory_end *end = container_of(one, struct memory_end, base);
        if (end->number == number && one->state != ASSOCIATION_ENDED)
            return end;
    }
    return NULL;
}

static uint32_t count_ends(const struct memory *transport)
{
    uint32_t count = 0;
    struct association *one;
    TAILQ_FOREACH(one, &transport->base.associations, link)
    count += one->state != ASSOCIATION_ENDED;
    return count;
}

/* A peer begins; the address that is shown is the loopback one with its port. NULL: no answer,
 * or already refused. */
static struct memory_end *incoming(struct memory *transport, const struct packet *packet)
{
    if (count_ends(transport) >= transport->options.max_associations)
        return NULL;
    struct address peer = memory_address(packet->from_transport, &transport->local);
    struct memory_end *self = memory_end_new(transport, &peer);
    self->peer_transport = packet->from_transport;
    self->peer_number = packet->from;
    if (transport->acceptor && !transport->refuses)
        return self;
    tell(self, PACKET_ABORT);
    memory_end_go_down(self, ERR_TRANSPORT_REFUSED, "");
    return NULL;
}

static void on_packet(struct mail *mail)
{
    struct packet *packet = container_of(mail, struct packet, mail);
    struct memory *transport = packet->transport;
    struct memory_end *end = packet->kind == PACKET_CONNECT ? incoming(transport, packet)
                                                            : end_by_number(transport, packet->to);
    if (end)
        schedule(end, packet);
    else
        memory_packet_free(packet);
}

enum err memory_end_send(struct association *association, struct message *message)
{
    struct memory_end *self = container_of(association, struct memory_end, base);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->base.state == ASSOCIATION_SHUTTING || self->base.state == ASSOCIATION_ENDED)
        return ERR_TRANSPORT_CLOSED;
    if (self->base.state == ASSOCIATION_UP && message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    bool unlucky = memory_random(self->transport, 100) < self->transport->faults.again_percent;
    if (self->base.state != ASSOCIATION_UP || unlucky || self->in_flight >= queue_limit(self)) {
        self->want_writable = true;
        if (unlucky)
            loop_task_queue(self->transport->base.loop, &self->writable_task);
        return ERR_AGAIN;
    }
    if (vanishes(self)) {
        message_free(message);
        return ERR_OK;
    }
    self->in_flight += message->length;
    struct packet *packet = memory_end_packet(self, PACKET_DATA);
    packet->message = message;
    memory_post(packet, self->peer_transport);
    return ERR_OK;
}

void memory_end_close(struct association *association, enum association_close how,
                      const char *detail)
{
    struct memory_end *self = container_of(association, struct memory_end, base);
    if (!association_may_close(&self->base, how))
        return;
    if (how == ASSOCIATION_SHUTDOWN && self->base.state == ASSOCIATION_UP) {
        self->base.state = ASSOCIATION_SHUTTING;
        finish_shutdown(self);
        return;
    }
    struct packet *packet = memory_end_packet(self, PACKET_ABORT);
    snprintf(packet->detail, sizeof packet->detail, "%s", detail ? detail : "");
    memory_post(packet, self->peer_transport);
    memory_end_go_down(self, ERR_LOCAL_SHUTDOWN, "");
}

void memory_end_status(struct association *association, struct association_status *status)
{
    const struct memory_end *self = container_of(association, struct memory_end, base);
    *status = (struct association_status){
        .streams = self->streams, .scheduler = "first-come", .path_count = 1};
    bool active = association_is_up(&self->base);
    status->paths[0] = (struct path_status){
        .address = self->peer,
        .state = active ? PATH_ACTIVE : PATH_INACTIVE,
        .in_use = active,
        .rtt_us = active ? (uint32_t)(2 * self->transport->faults.delay_us + 1) : 0,
        .mtu = PLAUSIBLE_IP,
    };
}
