/* One end of an association of the transport for tests. */
#include "tests/memory/memory_end.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/quote.h"

#define QUEUE_BYTES  (256 * 1024)
#define PLAUSIBLE_IP 65536 /* the MTU that status shows: the loopback device's */

static void on_letter(struct mail *mail);

struct letter *memory_end_letter(const struct memory_end *from, enum letter_kind kind)
{
    struct letter *letter = check_alloc(sizeof *letter);
    letter->mail.deliver = on_letter;
    letter->kind = kind;
    letter->from_transport = from->transport->number;
    letter->from = from->number;
    letter->to = from->peer_number;
    return letter;
}

void memory_end_letter_free(struct letter *letter)
{
    message_free(letter->message);
    free(letter);
}

static void tell(const struct memory_end *self, enum letter_kind kind)
{
    memory_post(memory_end_letter(self, kind), self->peer_transport);
}

/* ---- the end of an end ---- */

void memory_end_free(struct memory_end *self)
{
    loop_task_cancel(self->transport->loop, &self->down_task);
    TAILQ_REMOVE(&self->transport->ends, self, link);
    if (self->events)
        self->events->on_down(self->events, self->reason, self->detail);
    free(self->due_us);
    free(self);
}

static void on_down_task(struct loop_task *task)
{
    memory_end_free(container_of(task, struct memory_end, down_task));
}

void memory_end_go_down(struct memory_end *self, enum err reason, const char *detail)
{
    if (self->state == END_GONE)
        return;
    struct loop *loop = self->transport->loop;
    self->reason = self->state == END_SHUTTING ? ERR_LOCAL_SHUTDOWN : reason;
    snprintf(self->detail, sizeof self->detail, "%s", detail ? detail : "");
    self->state = END_GONE;
    loop_timer_cancel(loop, &self->letter_timer);
    loop_timer_cancel(loop, &self->limit_timer);
    loop_task_cancel(loop, &self->writable_task);
    for (struct letter *letter; (letter = TAILQ_FIRST(&self->letters));) {
        TAILQ_REMOVE(&self->letters, letter, link);
        memory_end_letter_free(letter);
    }
    loop_task_queue(loop, &self->down_task);
}

static void finish_shutdown(struct memory_end *self)
{
    if (self->in_flight)
        return;
    if (self->peer_shutting) {
        tell(self, LETTER_FINISHED);
        memory_end_go_down(self, ERR_TRANSPORT_CLOSED, "");
    } else if (self->state == END_SHUTTING) {
        tell(self, LETTER_SHUTDOWN);
    }
}

/* Counts a message; true when the association vanishes with it. */
static bool vanishes(struct memory_end *self)
{
    uint64_t lose_after = self->transport->faults.lose_after;
    if (!lose_after || ++self->moved < lose_after)
        return false;
    tell(self, LETTER_LOST);
    memory_end_go_down(self, ERR_TRANSPORT_LOST, "");
    return true;
}

/* ---- letters that arrive ---- */

static void come_up(struct memory_end *self, uint16_t streams)
{
    loop_timer_cancel(self->transport->loop, &self->limit_timer);
    self->state = END_UP;
    self->streams = streams;
}

static void connected_to(struct memory_end *self, uint16_t streams)
{
    struct memory *transport = self->transport;
    struct letter *letter = memory_end_letter(self, LETTER_ACCEPT);
    letter->streams = streams < transport->options.streams ? streams : transport->options.streams;
    come_up(self, letter->streams);
    memory_post(letter, self->peer_transport);
    self->events = transport->acceptor->on_incoming(transport->acceptor, &self->base, &self->peer);
    if (!self->events)
        association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
    else if (self->state == END_UP)
        self->events->on_up(self->events, self->streams);
}

static void data_arrived(struct memory_end *self, struct letter *letter)
{
    if (self->state == END_CONNECTING || vanishes(self))
        return;
    struct letter *answer = memory_end_letter(self, LETTER_ARRIVED);
    answer->bytes = letter->message->length;
    memory_post(answer, self->peer_transport);
    struct message *message = letter->message;
    letter->message = NULL;
    self->events->on_message(self->events, message);
}

static size_t queue_limit(const struct memory_end *self)
{
    uint32_t bytes = self->transport->faults.queue_bytes;
    return bytes ? bytes : QUEUE_BYTES;
}

static void tell_writable(struct memory_end *self)
{
    if (self->state != END_UP || !self->want_writable || self->in_flight > queue_limit(self) / 2)
        return;
    self->want_writable = false;
    self->events->on_writable(self->events);
}

static void take(struct memory_end *self, struct letter *letter)
{
    char quoted[QUOTE_ROOM(MEMORY_DETAIL_MAX)] = "";
    switch (letter->kind) {
    case LETTER_CONNECT:
        connected_to(self, letter->streams);
        break;
    case LETTER_ACCEPT:
        self->peer_number = letter->from;
        come_up(self, letter->streams);
        self->events->on_up(self->events, self->streams);
        break;
    case LETTER_DATA:
        data_arrived(self, letter);
        break;
    case LETTER_ARRIVED:
        self->in_flight -= letter->bytes;
        if (self->state == END_SHUTTING || self->peer_shutting)
            finish_shutdown(self);
        else
            tell_writable(self);
        break;
    case LETTER_SHUTDOWN:
        self->peer_shutting = true;
        finish_shutdown(self);
        break;
    case LETTER_FINISHED:
        memory_end_go_down(self, ERR_TRANSPORT_CLOSED, "");
        break;
    case LETTER_ABORT:
        if (*letter->detail)
            quote_text(quoted, sizeof quoted, letter->detail);
        memory_end_go_down(
            self, self->state == END_CONNECTING ? ERR_TRANSPORT_REFUSED : ERR_TRANSPORT_ABORTED,
            quoted);
        break;
    case LETTER_LOST:
        memory_end_go_down(self, ERR_TRANSPORT_LOST, "");
        break;
    }
}

static void take_due(struct memory_end *self)
{
    struct loop *loop = self->transport->loop;
    for (struct letter *letter; (letter = TAILQ_FIRST(&self->letters));) {
        if (letter->due_us > loop_now(loop)) {
            loop_timer_set(loop, &self->letter_timer, letter->due_us);
            return;
        }
        TAILQ_REMOVE(&self->letters, letter, link);
        take(self, letter);
        memory_end_letter_free(letter);
    }
}

static void on_letter_timer(struct loop_timer *timer)
{
    take_due(container_of(timer, struct memory_end, letter_timer));
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Messages keep their order within a stream, and come after what made the association;
 * everything else but LETTER_ARRIVED comes after all that was before. */
static void schedule(struct memory_end *self, struct letter *letter)
{
    struct memory *transport = self->transport;
    uint64_t due = loop_now(transport->loop) + transport->faults.delay_us +
                   memory_random(transport, transport->faults.jitter_us + 1);
    if (letter->kind == LETTER_DATA) {
        uint64_t *of_stream = &self->due_us[letter->message->stream];
        due = *of_stream = later(later(due, *of_stream), self->control_due_us);
    } else if (letter->kind != LETTER_ARRIVED) {
        due = self->control_due_us = later(due, self->latest_due_us);
    }
    letter->due_us = due;
    self->latest_due_us = later(due, self->latest_due_us);
    struct letter *before = TAILQ_LAST(&self->letters, letters);
    while (before && before->due_us > due)
        before = TAILQ_PREV(before, letters, link);
    if (before)
        TAILQ_INSERT_AFTER(&self->letters, before, letter, link);
    else
        TAILQ_INSERT_HEAD(&self->letters, letter, link);
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
    self->base.ops = &memory_ops;
    self->transport = transport;
    self->peer = *peer;
    self->number = memory_new_number();
    self->due_us = check_alloc(65536 * sizeof *self->due_us);
    self->letter_timer = (struct loop_timer){.on_expire = on_letter_timer};
    self->limit_timer = (struct loop_timer){.on_expire = on_limit_timer};
    self->writable_task = (struct loop_task){.on_run = on_writable_task};
    self->down_task = (struct loop_task){.on_run = on_down_task};
    TAILQ_INIT(&self->letters);
    TAILQ_INSERT_TAIL(&transport->ends, self, link);
    return self;
}

static struct memory_end *end_by_number(struct memory *transport, uint64_t number)
{
    struct memory_end *end;
    TAILQ_FOREACH(end, &transport->ends, link)
    {
        if (end->number == number && end->state != END_GONE)
            return end;
    }
    return NULL;
}

static uint32_t count_ends(const struct memory *transport)
{
    uint32_t count = 0;
    struct memory_end *end;
    TAILQ_FOREACH(end, &transport->ends, link)
    {
        count += end->state != END_GONE;
    }
    return count;
}

/* A peer begins; the address that is shown is the loopback one with its port. NULL: no answer,
 * or already refused. */
static struct memory_end *incoming(struct memory *transport, const struct letter *letter)
{
    if (count_ends(transport) >= transport->options.max_associations)
        return NULL;
    struct address peer = memory_address(letter->from_transport, &transport->local);
    struct memory_end *self = memory_end_new(transport, &peer);
    self->peer_transport = letter->from_transport;
    self->peer_number = letter->from;
    if (transport->acceptor && !transport->refuses)
        return self;
    tell(self, LETTER_ABORT);
    memory_end_go_down(self, ERR_TRANSPORT_REFUSED, "");
    return NULL;
}

static void on_letter(struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    struct memory *transport = letter->transport;
    struct memory_end *end = letter->kind == LETTER_CONNECT ? incoming(transport, letter)
                                                            : end_by_number(transport, letter->to);
    if (end)
        schedule(end, letter);
    else
        memory_end_letter_free(letter);
}

enum err memory_end_send(struct association *association, struct message *message)
{
    struct memory_end *self = container_of(association, struct memory_end, base);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->state == END_SHUTTING || self->state == END_GONE)
        return ERR_TRANSPORT_CLOSED;
    if (self->state == END_UP && message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    bool unlucky = memory_random(self->transport, 100) < self->transport->faults.again_percent;
    if (self->state != END_UP || unlucky || self->in_flight >= queue_limit(self)) {
        self->want_writable = true;
        if (unlucky)
            loop_task_queue(self->transport->loop, &self->writable_task);
        return ERR_AGAIN;
    }
    if (vanishes(self)) {
        message_free(message);
        return ERR_OK;
    }
    self->in_flight += message->length;
    struct letter *letter = memory_end_letter(self, LETTER_DATA);
    letter->message = message;
    memory_post(letter, self->peer_transport);
    return ERR_OK;
}

void memory_end_close(struct association *association, enum association_close how,
                      const char *detail)
{
    struct memory_end *self = container_of(association, struct memory_end, base);
    if (self->state == END_GONE || (self->state == END_SHUTTING && how == ASSOCIATION_SHUTDOWN))
        return;
    if (how == ASSOCIATION_SHUTDOWN && self->state == END_UP) {
        self->state = END_SHUTTING;
        finish_shutdown(self);
        return;
    }
    struct letter *letter = memory_end_letter(self, LETTER_ABORT);
    snprintf(letter->detail, sizeof letter->detail, "%s", detail ? detail : "");
    memory_post(letter, self->peer_transport);
    memory_end_go_down(self, ERR_LOCAL_SHUTDOWN, "");
}

void memory_end_status(struct association *association, struct association_status *status)
{
    const struct memory_end *self = container_of(association, struct memory_end, base);
    *status = (struct association_status){
        .streams = self->streams, .scheduler = "first-come", .path_count = 1};
    bool active = self->state == END_UP || self->state == END_SHUTTING;
    status->paths[0] = (struct path_status){
        .address = self->peer,
        .state = active ? PATH_ACTIVE : PATH_INACTIVE,
        .in_use = active,
        .rtt_us = active ? (uint32_t)(2 * self->transport->faults.delay_us + 1) : 0,
        .mtu = PLAUSIBLE_IP,
    };
}
