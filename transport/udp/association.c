/* Life of an association of the udp transport: states, events, timers. */
#include "transport/udp/association.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/udp/engine.h"
#include "transport/udp/init.h"
#include "transport/udp/path_io.h"
#include "transport/udp/path_mtu.h"
#include "transport/udp/unverified.h"

/* ---- the end ---- */

/* The acceptor never heard of it, so nobody else says what the peer said: that it wants sctp_auth,
 * for one. */
static void tell_unheard(struct udp_association *self, const char *detail)
{
    struct udp *transport = self->transport;
    struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
    association_tell_unheard(&plain, ERR_TRANSPORT_ABORTED, detail, &transport->limits.lines,
                             loop_now(transport->base.loop));
}

static void forget_init(struct udp_association *self)
{
    free(self->init);
    self->init = NULL;
}

void udp_association_end(struct udp_association *self, enum err reason, const char *detail)
{
    if (self->base.state == ASSOCIATION_ENDED)
        return;
    struct udp *transport = self->transport;
    if (!self->base.events && reason == ERR_TRANSPORT_ABORTED && *detail)
        tell_unheard(self, detail);
    transport->accepted -= self->is_counted;
    if (self->is_counted) /* its cookie may come again */
        sctp_listener_ended(transport->listener, self->tags.own);
    association_end(&self->base, reason, detail);
    newcomers_leave(&transport->unverified, &self->unverified);
    loop_timer_cancel(transport->base.loop, &self->timer);
    udp_engine_fini(self);
    udp_path_clear_all(self);
    forget_init(self);
    udp_flush(transport);
}

/* The text of an ABORT, in quotes. */
static void abort_text(const struct sctp_event *event, char text[UDP_DETAIL_ROOM])
{
    size_t length = event->text_length < UDP_DETAIL_MAX ? event->text_length : UDP_DETAIL_MAX;
    text[0] = '\0';
    if (length)
        quote_bytes(text, UDP_DETAIL_ROOM, event->text, length);
}

/* A peer that had begun to shut down, and of which only the last word was lost, has had everything
 * delivered. */
static void down(struct udp_association *self, const struct sctp_event *event)
{
    char text[UDP_DETAIL_ROOM] = "";
    bool by_peer = event->reason == ERR_TRANSPORT_ABORTED ||
                   event->reason == ERR_TRANSPORT_REFUSED || event->unknown_there;
    udp_engine_output(self); /* an ABORT of ours, or SHUTDOWN COMPLETE */
    if (by_peer)
        abort_text(event, text);
    else if (event->text_length)
        snprintf(text, sizeof text, "%.*s", (int)event->text_length, (const char *)event->text);
    if (event->unknown_there)
        snprintf(text, sizeof text,
                 "the peer does not know this association (it was restarted, or has ended it)");
    if (event->unknown_there && self->peer_closing)
        udp_association_end(self, ERR_TRANSPORT_CLOSED, "");
    else if (by_peer && self->base.state == ASSOCIATION_CONNECTING)
        udp_association_end(self, ERR_TRANSPORT_REFUSED, text);
    else
        udp_association_end(self, event->reason, text);
}

/* ---- the beginning ---- */

static void on_timer(struct loop_timer *timer);
static void on_engine_timer(struct loop_timer *timer);
static void on_path_timer(struct loop_timer *timer);
static void on_send_task(struct loop_task *task);

struct udp_association *udp_association_new(struct udp *transport, bool ours)
{
    struct udp_association *self = check_alloc(sizeof *self);
    association_init(&self->base, &transport->base);
    self->transport = transport;
    self->timer = (struct loop_timer){.on_expire = on_timer};
    self->heard_us = udp_now(transport);
    self->out.timer = (struct loop_timer){.on_expire = on_engine_timer};
    self->out.task = (struct loop_task){.on_run = on_send_task};
    self->out.wakes_us = SCTP_NEVER;
    self->paths.timer = (struct loop_timer){.on_expire = on_path_timer};
    udp_path_io_init(self, ours);
    udp_path_mtu_init(self);
    return self;
}

void udp_association_accept(struct udp_local *local, const struct address *wire,
                            const struct address *own, const struct path_key *key,
                            struct sctp_association *engine)
{
    struct udp *transport = local->transport;
    struct udp_association *self = udp_association_new(transport, false);
    self->engine = engine;
    self->answered = self->in.has_input = self->is_counted = true;
    self->tags.own_port = key->own_port;
    self->tags.peer_port = key->peer_port;
    transport->accepted++;
    must(udp_path_add(self, local, wire, own, key, true));
    udp_path_learn_tags(self);
    udp_unverified_enter(self);
    udp_limit(self, transport->options.dead_after_us);
    udp_touch(self);
}

static void send_early(struct udp_association *self)
{
    struct message *early = self->out.early;
    self->out.early = NULL;
    if (early && sctp_association_send(self->engine, udp_now(self->transport), early) != ERR_OK)
        message_free(early); /* it is closing already */
}

static void take_up(struct udp_association *self)
{
    struct udp *transport = self->transport;
    struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
    self->base.events = transport->acceptor->on_incoming(transport->acceptor, &self->base, &plain);
    if (!self->base.events)
        udp_association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
}

static void tell_up(struct udp_association *self)
{
    if (!self->base.events)
        take_up(self);
    if (self->base.state == ASSOCIATION_UP)
        self->base.events->on_up(self->base.events, self->streams);
}

static void up(struct udp_association *self, uint16_t streams)
{
    const struct transport_options *options = &self->transport->options;
    self->base.state = ASSOCIATION_UP;
    self->streams = streams;
    udp_limit(self, self->unverified.is_in ? options->connect_timeout_us : options->dead_after_us);
    forget_init(self);
    send_early(self);
    udp_path_io_up(self);
    if (!self->unverified.is_in)
        tell_up(self);
}

/* ---- events of the engine ---- */

static void on_message(struct udp_association *self, struct message *message)
{
    if (!self->base.events && self->base.state == ASSOCIATION_UP)
        tell_up(self);
    if (association_is_up(&self->base))
        self->base.events->on_message(self->base.events, message);
    else
        message_free(message);
}

static void on_event(struct udp_association *self, const struct sctp_event *event)
{
    switch (event->kind) {
    case SCTP_EVENT_ANSWERED:
        udp_init_answered(self);
        break;
    case SCTP_EVENT_UP:
        up(self, event->streams);
        if (self->base.state == ASSOCIATION_UP && self->out.wants_writable)
            self->base.events->on_writable(self->base.events);
        break;
    case SCTP_EVENT_MESSAGE:
        on_message(self, event->message);
        break;
    case SCTP_EVENT_WRITABLE:
        if (self->base.state == ASSOCIATION_UP)
            self->base.events->on_writable(self->base.events);
        break;
    case SCTP_EVENT_AUTH_SETTLED:
        if (association_is_up(&self->base) && self->base.events->on_auth_settled)
            self->base.events->on_auth_settled(self->base.events, event->key);
        break;
    case SCTP_EVENT_PEER_CLOSING:
        self->peer_closing = true;
        break;
    case SCTP_EVENT_DOWN:
        down(self, event);
        break;
    }
}

void udp_association_events(struct udp_association *self)
{
    struct sctp_event event;
    while (self->engine && sctp_association_event(self->engine, &event))
        on_event(self, &event);
}

/* Events, packets, and what packets that have left make room for. It may have ended then. */
static void run(struct udp_association *self)
{
    udp_association_events(self);
    udp_engine_output(self);
    udp_association_events(self);
}

static void on_send_task(struct loop_task *task)
{
    struct udp_association *self = container_of(task, struct udp_association, out.task);
    udp_clock(self->transport);
    run(self);
    udp_flush(self->transport);
}

static void on_engine_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, out.timer);
    uint64_t now_us = udp_clock(self->transport);
    if (now_us >= sctp_association_deadline(self->engine))
        sctp_association_timeout(self->engine, now_us);
    run(self);
    udp_flush(self->transport);
}

/* ---- a bulk of packets ---- */

static void end_batch(struct udp_association *self)
{
    if (!self->engine || !self->in.has_input)
        return;
    self->in.has_input = false;
    self->in.unread = 0;
    sctp_association_input_end(self->engine, udp_now(self->transport));
}

void udp_association_deliver(struct udp *transport)
{
    struct udp_turn *turn = &transport->turn;
    turn->delivering = true;
    for (struct udp_association *self; (self = STAILQ_FIRST(&turn->touched));) {
        STAILQ_REMOVE_HEAD(&turn->touched, touched_link);
        self->is_touched = false;
        end_batch(self);
        run(self);
        udp_unverified_account(self); /* messages were handed on */
        udp_path_io_tell(self);
    }
    turn->delivering = turn->in_bulk = false;
    udp_flush(transport);
}

static void on_path_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, paths.timer);
    if (!association_is_up(&self->base)) {
        udp_init_next(self);
        return;
    }
    udp_path_io_timeout(self);
    if (udp_path_io_is_refuted(self))
        udp_association_end(self, ERR_TRANSPORT_RESTARTED, "it does not know this association");
    udp_association_deliver(self->transport);
}

/* ---- while it lives ---- */

static void out_of_time(struct udp_association *self)
{
    char why[192] = "";
    enum err reason = self->init ? udp_init_why(self, why, sizeof why) : ERR_TRANSPORT_TIMEOUT;
    udp_association_end(self, reason, why);
}

/* Timers of silence on a grid, so that one turn of the loop sees to those of many associations; the
 * last one is exact. */
#define SILENCE_GRID 16

static uint64_t look_at(const struct udp_association *self, uint64_t limit)
{
    uint64_t grid = self->transport->options.dead_after_us / SILENCE_GRID + 1;
    uint64_t at = limit / grid * grid;
    return at > loop_now(self->transport->base.loop) ? at : limit;
}

/* A stranger must have said something in time. Probes make every living peer heard within
 * dead_after. When it had begun to shut down and only
 * its last word was lost, everything has been delivered. */
static void on_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, timer);
    if (!association_is_up(&self->base)) {
        out_of_time(self);
        return;
    }
    if (!self->base.events) {
        udp_association_close(&self->base, ASSOCIATION_ABORT, "nothing was said in time");
        return;
    }
    uint64_t limit = self->heard_us + self->transport->options.dead_after_us;
    if (loop_now(self->transport->base.loop) < limit)
        loop_timer_set(self->transport->base.loop, timer, look_at(self, limit));
    else
        udp_association_end(self, self->peer_closing ? ERR_TRANSPORT_CLOSED : ERR_TRANSPORT_LOST,
                            "");
}

void udp_association_close(struct association *association, enum association_close how,
                           const char *detail)
{
    struct udp_association *self = udp_association_of(association);
    if (!association_may_close(&self->base, how))
        return;
    if (how == ASSOCIATION_ABORT || self->base.state != ASSOCIATION_UP) {
        if (self->answered) {
            sctp_association_abort(self->engine, detail);
            udp_engine_output(self);
        }
        udp_association_end(self, ERR_LOCAL_SHUTDOWN, "");
        return;
    }
    self->base.state = ASSOCIATION_SHUTTING;
    sctp_association_shutdown(self->engine, udp_now(self->transport));
    udp_engine_output(self);
    udp_send_later(self);
    udp_flush(self->transport);
}

enum err udp_association_auth(struct association *association, enum association_auth what,
                              uint16_t number, const uint8_t *key)
{
    struct udp_association *self = udp_association_of(association);
    must(self->transport->options.auth);
    if (!association_is_up(&self->base))
        return ERR_OK;
    enum err e = ERR_TRANSPORT_SOCKET;
    switch (what) {
    case ASSOCIATION_AUTH_ADD:
        e = sctp_association_auth_add(self->engine, number, key, TRANSPORT_AUTH_KEY);
        break;
    case ASSOCIATION_AUTH_USE:
        e = sctp_association_auth_use(self->engine, number);
        udp_send_later(self); /* nothing may be in flight: then it is settled already */
        break;
    case ASSOCIATION_AUTH_DROP:
        e = sctp_association_auth_drop(self->engine, number);
        break;
    }
    return e == ERR_OK ? ERR_OK : ERR_TRANSPORT_SOCKET;
}
