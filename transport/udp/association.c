#include "transport/udp/association.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "transport/udp/connect.h"
#include "transport/udp/engine.h"
#include "transport/udp/path_io.h"
#include "transport/udp/receive.h"

/* ---- the end ---- */

static void on_end_task(struct loop_task *task)
{
    udp_association_free(container_of(task, struct udp_association, end_task));
}

void udp_association_free(struct udp_association *self)
{
    must(self->state == UDP_ENDED);
    struct udp *transport = self->transport;
    loop_task_cancel(transport->loop, &self->end_task);
    TAILQ_REMOVE(&transport->all, self, link);
    if (self->events)
        self->events->on_down(self->events, self->reason, self->detail ? self->detail : "");
    free(self->detail);
    free(self);
}

bool udp_association_is_up(const struct udp_association *self)
{
    return self->state == UDP_UP || self->state == UDP_SHUTTING;
}

/* The acceptor never heard of it, so nobody else says what the peer said: that it wants sctp_auth,
 * for one. */
static void tell_unheard(struct udp_association *self, const char *detail)
{
    struct udp *transport = self->transport;
    struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
    transport_tell_unheard(&plain, ERR_TRANSPORT_ABORTED, detail, &transport->lines,
                           loop_now(transport->loop));
}

void udp_association_end(struct udp_association *self, enum err reason, const char *detail)
{
    if (self->state == UDP_ENDED)
        return;
    struct udp *transport = self->transport;
    if (!self->events && reason == ERR_TRANSPORT_ABORTED && *detail)
        tell_unheard(self, detail);
    transport->accepted -= self->is_counted;
    if (self->is_counted) /* its cookie may come again */
        sctp_listener_ended(transport->listener, self->own_tag);
    self->reason = self->state == UDP_SHUTTING ? ERR_LOCAL_SHUTDOWN : reason;
    self->state = UDP_ENDED;
    if (*detail) {
        self->detail = strdup(detail);
        check_made(self->detail);
    }
    udp_trust_leave(self);
    loop_timer_cancel(transport->loop, &self->timer);
    udp_engine_fini(self);
    udp_path_io_fini(self);
    udp_connect_fini(self);
    udp_flush(transport);
    loop_task_queue(transport->loop, &self->end_task);
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
void udp_association_down(struct udp_association *self, const struct sctp_event *event)
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
    else if (by_peer && self->state == UDP_CONNECTING)
        udp_association_end(self, ERR_TRANSPORT_REFUSED, text);
    else
        udp_association_end(self, event->reason, text);
}

/* ---- the beginning ---- */

static void on_timer(struct loop_timer *timer);

struct udp_association *udp_association_new(struct udp *transport, bool ours)
{
    struct udp_association *self = check_alloc(sizeof *self);
    self->base.ops = &udp_ops;
    self->transport = transport;
    self->timer = (struct loop_timer){.on_expire = on_timer};
    self->end_task = (struct loop_task){.on_run = on_end_task};
    self->heard_us = udp_now(transport);
    udp_path_io_init(self, ours);
    udp_engine_init(self);
    TAILQ_INSERT_TAIL(&transport->all, self, link);
    return self;
}

void udp_association_limit(struct udp_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->loop, &self->timer, loop_now(self->transport->loop) + after_us);
}

void udp_association_accept(struct udp_local *local, const struct address *wire,
                            const struct address *own, const struct path_key *key,
                            struct sctp_association *engine)
{
    struct udp *transport = local->transport;
    struct udp_association *self = udp_association_new(transport, false);
    self->engine = engine;
    self->answered = self->has_input = self->is_counted = true;
    self->own_port = key->own_port;
    self->peer_port = key->peer_port;
    transport->accepted++;
    must(udp_path_io_add(self, local, wire, own, key, true));
    udp_path_io_tags(self);
    udp_trust_enter(self);
    udp_association_limit(self, transport->options.dead_after_us);
    udp_receive_touch(self);
}

static void send_early(struct udp_association *self)
{
    struct message *early = self->early;
    self->early = NULL;
    if (early && sctp_association_send(self->engine, udp_now(self->transport), early) != ERR_OK)
        message_free(early); /* it is closing already */
}

static void take_up(struct udp_association *self)
{
    struct udp *transport = self->transport;
    struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
    self->events = transport->acceptor->on_incoming(transport->acceptor, &self->base, &plain);
    if (!self->events)
        udp_association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
}

void udp_association_up(struct udp_association *self, uint16_t streams)
{
    const struct transport_options *options = &self->transport->options;
    self->state = UDP_UP;
    self->streams = streams;
    udp_association_limit(self,
                          self->is_strange ? options->connect_timeout_us : options->dead_after_us);
    udp_connect_fini(self);
    send_early(self);
    udp_path_io_up(self);
    if (!self->is_strange)
        udp_association_tell(self);
}

void udp_association_tell(struct udp_association *self)
{
    if (!self->events)
        take_up(self);
    if (self->state == UDP_UP)
        self->events->on_up(self->events, self->streams);
}

/* ---- while it lives ---- */

static void out_of_time(struct udp_association *self)
{
    char why[192] = "";
    if (self->init)
        udp_connect_why(self, why, sizeof why);
    udp_association_end(self, ERR_TRANSPORT_TIMEOUT, why);
}

/* Timers of silence on a grid, so that one turn of the loop sees to those of many associations; the
 * last one is exact. */
#define SILENCE_GRID 16

static uint64_t look_at(const struct udp_association *self, uint64_t limit)
{
    uint64_t grid = self->transport->options.dead_after_us / SILENCE_GRID + 1;
    uint64_t at = limit / grid * grid;
    return at > loop_now(self->transport->loop) ? at : limit;
}

/* A stranger must have said something in time. Probes make every living peer heard within
 * dead_after. When it had begun to shut down and only
 * its last word was lost, everything has been delivered. */
static void on_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, timer);
    if (!udp_association_is_up(self)) {
        out_of_time(self);
        return;
    }
    if (!self->events) {
        udp_association_close(&self->base, ASSOCIATION_ABORT, "nothing was said in time");
        return;
    }
    uint64_t limit = self->heard_us + self->transport->options.dead_after_us;
    if (loop_now(self->transport->loop) < limit)
        loop_timer_set(self->transport->loop, timer, look_at(self, limit));
    else
        udp_association_end(self, self->peer_closing ? ERR_TRANSPORT_CLOSED : ERR_TRANSPORT_LOST,
                            "");
}

void udp_association_close(struct association *association, enum association_close how,
                           const char *detail)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    if (self->state == UDP_ENDED || (self->state == UDP_SHUTTING && how == ASSOCIATION_SHUTDOWN))
        return;
    if (how == ASSOCIATION_ABORT || self->state != UDP_UP) {
        if (self->answered) {
            sctp_association_abort(self->engine, detail);
            udp_engine_output(self);
        }
        udp_association_end(self, ERR_LOCAL_SHUTDOWN, "");
        return;
    }
    self->state = UDP_SHUTTING;
    sctp_association_shutdown(self->engine, udp_now(self->transport));
    udp_engine_output(self);
    udp_engine_later(self);
    udp_flush(self->transport);
}

/* The engine measures data, the probes all paths. */
static void add_net(struct udp_association *self, unsigned number, struct path_status *path)
{
    struct sctp_net_status net;
    if (!sctp_association_net_status(self->engine, number, &net))
        return;
    path->congestion = net.congestion;
    path->phase = net.phase;
    path->congestion_window = net.window < UINT32_MAX ? (uint32_t)net.window : UINT32_MAX;
    path->in_flight = net.in_flight;
    path->rate = net.pace;
    path->min_rtt_us = net.min_rtt_us;
    path->loss_floor = net.loss_floor;
    if (net.srtt_us && (path->in_use || !path->rtt_us))
        path->rtt_us = net.srtt_us;
}

void udp_association_status(struct association *association, struct association_status *status)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    struct sctp_status engine = {0};
    if (self->engine)
        sctp_association_status(self->engine, &engine);
    *status = (struct association_status){.streams = self->streams,
                                          .scheduler = "first-come",
                                          .retransmissions = engine.retransmitted,
                                          .lost = engine.lost,
                                          .spurious = engine.spurious,
                                          .probes = engine.probes,
                                          .timeouts = engine.timeouts};
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX && self->engine; i++)
        if (self->paths[i]) {
            struct path_status *path = &status->paths[status->path_count++];
            udp_path_io_status(self, i, path);
            add_net(self, i, path);
        }
}
