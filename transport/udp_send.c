#include "transport/udp_send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <usrsctp.h>

#include "base/check.h"
#include "sctp/payload.h"
#include "transport/packet.h"
#include "transport/udp_association.h"
#include "transport/udp_socket.h"

/* Messages of one turn are given to usrsctp together, so that small ones share packets; beyond
 * this many bytes at once, so that the peer's processor works at the same time as ours: two
 * packets of three full records on loopback. */
#define BURST_BYTES (96 * 1024)

/* The least time-out, where that is more than it is anyway. */
#define RTO_RTTS 3

/* RFC 9260 section 3.3.1. */
#define DATA_CHUNK_HEADER 16
/* Left for chunks that go with data: SACK, AUTH. */
#define WITH_DATA 96

static size_t queued(const struct udp_association *self)
{
    return self->outstanding + self->pending.bytes;
}

/* Looks at usrsctp's window and, after losses, sets it. */
static void drive_window(struct udp_association *self, struct udp_socket_state *state,
                         uint32_t rtt_us)
{
    uint32_t limit = self->window.limit;
    uint32_t window =
        window_update(&self->window, loop_now(self->transport->loop), state->congestion_window,
                      state->queued, rtt_us, backlog_delivered(&self->backlog, state->queued));
    if (self->window.limit != limit)
        udp_socket_window_limit(self->socket, self->window.limit);
    if (window > state->congestion_window)
        udp_socket_window(self->socket, window, self->window.unit);
    state->congestion_window = window;
}

/* usrsctp's variance of round trips falls to nothing where they are all the same; then a queue that
 * doubles them is taken for a time-out, and all that is in flight is sent again. */
static void drive_timeout(struct udp_association *self, uint32_t rtt_us)
{
    uint32_t least = udp_socket_rto_min(&self->transport->options), ms = rtt_us / 1000 * RTO_RTTS;
    if (ms < least)
        ms = least;
    if (ms == self->rto_min_ms ||
        (ms > least && ms < self->rto_min_ms && ms > self->rto_min_ms / 2))
        return;
    self->rto_min_ms = ms;
    udp_socket_set_rto_min(self->socket, ms);
}

/* Two calls into usrsctp: only when the bound was reached, and once for each bulk of packets
 * while the user waits. */
void udp_send_look(struct udp_association *self)
{
    struct udp_socket_state state = udp_socket_look(self->socket);
    uint32_t rtt_us = self->rtt_us && self->rtt_us < state.rtt_us ? self->rtt_us : state.rtt_us;
    self->outstanding = state.queued;
    self->loaded_us = state.rtt_us;
    drive_window(self, &state, rtt_us);
    drive_timeout(self, state.rtt_us);
    self->backlog.is_starting = window_is_starting(&self->window);
    backlog_update(&self->backlog, loop_now(self->transport->loop), state.queued,
                   state.congestion_window, rtt_us);
    self->base.pace =
        backlog_chunks(&self->backlog, self->payload - PACKET_HEADER - DATA_CHUNK_HEADER);
}

static bool has_room(struct udp_association *self)
{
    if (queued(self) < self->backlog.limit)
        return true;
    udp_send_look(self);
    return queued(self) < self->backlog.limit;
}

/* Not yet: the timer goes on. */
static bool is_paced(struct udp_association *self)
{
    uint64_t now_us = loop_now(self->transport->loop);
    uint64_t wait_us = backlog_wait(&self->backlog, now_us);
    if (wait_us)
        loop_timer_set(self->transport->loop, &self->pace_timer, now_us + wait_us);
    return wait_us > 0;
}

static void on_pace(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, pace_timer);
    udp_send_continue(self);
    udp_flush(self->transport);
}

static void on_send_task(struct loop_task *task)
{
    struct udp_association *self = container_of(task, struct udp_association, send_task);
    udp_send_pending(self);
    udp_flush(self->transport);
}

static bool give(struct udp_association *self, const struct message *message);

static enum err send_early(struct udp_association *self, struct message *message)
{
    if (!give(self, message))
        return ERR_AGAIN;
    message_free(message);
    return ERR_OK;
}

enum err udp_send_message(struct association *association, struct message *message)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    must(message->length > 0 && message->length <= MESSAGE_MAX);
    if (self->state == UDP_SHUTTING || self->state == UDP_ENDED)
        return ERR_TRANSPORT_CLOSED;
    if (self->state == UDP_UP && message->stream >= self->streams)
        return ERR_TRANSPORT_STREAM;
    if (self->takes_early && self->state == UDP_CONNECTING)
        return send_early(self, message);
    if (self->state != UDP_UP || !has_room(self) || is_paced(self)) {
        self->want_writable = true;
        return ERR_AGAIN;
    }
    backlog_accept(&self->backlog, loop_now(self->transport->loop), message->length);
    message_queue_push(&self->pending, message);
    if (self->pending.bytes >= BURST_BYTES)
        on_send_task(&self->send_task);
    else
        loop_task_queue(self->transport->loop, &self->send_task);
    return ERR_OK;
}

/* False: usrsctp takes no more now. Its other errors mean that the association is gone, which a
 * notification tells; the message is dropped with it. */
static bool give(struct udp_association *self, const struct message *message)
{
    struct sctp_sndinfo info = {.snd_sid = message->stream,
                                .snd_ppid = htonl(SCTP_MESSAGE_PPID | message->epoch)};
    ssize_t sent = usrsctp_sendv(self->socket, message->data, message->length, NULL, 0, &info,
                                 sizeof info, SCTP_SENDV_SNDINFO, 0);
    if (sent < 0)
        return errno != EAGAIN && errno != EWOULDBLOCK;
    self->outstanding += message->length;
    backlog_give(&self->backlog, message->length);
    return true;
}

static size_t chunk_size(const struct message *message)
{
    return DATA_CHUNK_HEADER + (message->length + 3) / 4 * 4;
}

/* Whether message is the last of a packet of which used is taken: the next has no room in it, or
 * there is none. Of those that are longer than a packet usrsctp makes full ones by itself. */
static bool ends_packet(const struct udp_association *self, const struct message *message,
                        size_t *used)
{
    size_t room = self->payload - PACKET_HEADER - WITH_DATA;
    *used += chunk_size(message);
    if (message->next &&
        (*used + chunk_size(message->next) <= room || chunk_size(message->next) > room))
        return false;
    *used = 0;
    return true;
}

/* All but the last of a packet are corked. Corked, usrsctp waits for a packet's worth and then
 * sends all there is, most often a full packet and one with what had no room in it. */
static void give_all(struct udp_association *self)
{
    bool corked = false;
    size_t used = 0;
    for (struct message *message; (message = self->pending.first);) {
        bool ends = ends_packet(self, message, &used);
        if (corked == ends)
            udp_socket_cork(self->socket, !ends);
        corked = !ends;
        if (!give(self, message))
            break;
        message_free(message_queue_pop(&self->pending));
    }
    if (corked)
        udp_socket_cork(self->socket, false);
}

void udp_send_pending(struct udp_association *self)
{
    if (!self->socket)
        return;
    give_all(self);
    if (!self->pending.first && self->state == UDP_SHUTTING)
        usrsctp_shutdown(self->socket, SHUT_WR);
}

void udp_send_continue(struct udp_association *self)
{
    if (self->state != UDP_UP && self->state != UDP_SHUTTING)
        return;
    if (self->pending.first && !self->send_task.queued)
        udp_send_pending(self);
    if (!self->want_writable || self->state != UDP_UP)
        return;
    udp_send_look(self);
    if (queued(self) > self->backlog.resume || is_paced(self))
        return;
    self->want_writable = false;
    self->events->on_writable(self->events);
}

void udp_send_init(struct udp_association *self)
{
    self->send_task = (struct loop_task){.on_run = on_send_task};
    self->pace_timer = (struct loop_timer){.on_expire = on_pace};
    backlog_init(&self->backlog);
}

void udp_send_fini(struct udp_association *self)
{
    loop_task_cancel(self->transport->loop, &self->send_task);
    loop_timer_cancel(self->transport->loop, &self->pace_timer);
    message_queue_clear(&self->pending);
}
