#include "transport/udp_association.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "transport/packet.h"
#include "transport/udp_auth.h"
#include "transport/udp_connect.h"
#include "transport/udp_path_mtu.h"
#include "transport/udp_receive.h"
#include "transport/udp_sack.h"
#include "transport/udp_send.h"
#include "transport/udp_socket.h"
#include "transport/udp_trust.h"

/* An INIT must be followed by the cookie within this time; so many may wait. A full house makes
 * room by dropping the oldest, so a flood of forged INITs only delays others. */
#define HALF_OPEN_US  (5 * 1000 * 1000)
#define HALF_OPEN_MAX 256

/* So many of one source. It makes room for its own only, and not before a cookie should have come
 * back: many clients may be behind one address. */
#define HALF_OPEN_OF_SOURCE 64
#define HALF_OPEN_YOUNG_US  (1000 * 1000)

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void note_round_trip(struct udp_association *self, unsigned repeats)
{
    uint64_t now_us = loop_now(self->transport->loop); /* a little late, and costs nothing */
    if (!repeats && round_trip_wants(&self->round_trip, now_us, self->backlog.base_us))
        round_trip_mark(&self->round_trip, self->sent.highest, window_now(&self->window),
                        clock_us());
}

/* Of an association that is not one yet, or may be about to begin anew. False: it is too much for
 * who asked. */
static bool is_fit(struct udp_association *self, uint8_t type, uint8_t *packet, size_t *length)
{
    if (type == PACKET_CHUNK_INIT_ACK &&
        !udp_cookie_shorten(&self->cookie, packet, length, self->may_answer))
        return false;
    return (type != PACKET_CHUNK_INIT_ACK && self->state != UDP_HALF_OPEN) ||
           *length <= self->may_answer;
}

static void on_output(struct stack_peer *peer, uint8_t *packet, size_t length)
{
    struct udp_association *self = container_of(peer, struct udp_association, peer);
    if (length <= PACKET_HEADER || length > UINT16_MAX)
        return;
    uint8_t type = packet_type(packet, length);
    if (!is_fit(self, type, packet, &length)) {
        self->transport->counters.not_answered++;
        return;
    }
    if ((type == PACKET_CHUNK_INIT && !self->init.length) || type == PACKET_CHUNK_HEARTBEAT ||
        type == PACKET_CHUNK_COOKIE_ECHO)
        self->probe_us = clock_us();
    if (type == PACKET_CHUNK_HEARTBEAT)
        udp_auth_asked(self, packet, length);
    if (type != PACKET_CHUNK_HEARTBEAT && type != PACKET_CHUNK_HEARTBEAT_ACK)
        stack_busy();
    if (type == PACKET_CHUNK_SACK)
        udp_ahead_note(&self->ahead, packet, length, loop_now(self->transport->loop));
    packet_seal(packet, length);
    if (type == PACKET_CHUNK_INIT && !self->init.answered) {
        udp_connect_output(self, packet, length);
        return;
    }
    bool data;
    unsigned repeats = packet_repeats(&self->sent, packet, length, &data);
    self->retransmissions += repeats;
    if (repeats) {
        round_trip_forget(&self->round_trip);
        udp_sack_repeated(self, packet, length);
        udp_path_mtu_lost(self, length);
    }
    if (data) {
        udp_path_io_busy(self);
        note_round_trip(self, repeats);
    }
    if (self->choice.count > 1)
        udp_resend_note(&self->resend, packet, length, data, loop_now(self->transport->loop));
    udp_path_mtu_send(self, packet, length);
}

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
        self->events->on_down(self->events, self->reason, self->detail);
    free(self);
}

static void leave_half_open(struct udp_association *self)
{
    TAILQ_REMOVE(&self->transport->half_open, self, half_link);
    self->transport->half_open_count--;
}

bool udp_association_is_up(const struct udp_association *self)
{
    return self->state == UDP_UP || self->state == UDP_SHUTTING;
}

void udp_association_end(struct udp_association *self, enum err reason, const char *detail)
{
    if (self->state == UDP_ENDED)
        return;
    struct udp *transport = self->transport;
    if (self->state == UDP_HALF_OPEN)
        leave_half_open(self);
    transport->established -= udp_association_is_up(self);
    self->reason = self->state == UDP_SHUTTING ? ERR_LOCAL_SHUTDOWN : reason;
    snprintf(self->detail, sizeof self->detail, "%s", detail);
    self->state = UDP_ENDED;
    udp_sack_fini(self);
    udp_ahead_fini(&self->ahead);
    udp_send_fini(self);
    loop_timer_cancel(transport->loop, &self->timer);
    if (self->socket) {
        udp_socket_close(self->socket);
        self->socket = NULL;
        udp_path_io_fini(self);
        stack_slot_give(&self->peer);
        udp_flush(transport);
    }
    udp_resend_fini(&self->resend);
    udp_cookie_fini(&self->cookie);
    udp_trust_end(self);
    loop_task_queue(transport->loop, &self->end_task);
}

/* ---- the beginning ---- */

static void on_timer(struct loop_timer *timer);

struct udp_association *udp_association_new(struct udp *transport, bool ours)
{
    struct udp_association *self = check_alloc(sizeof *self);
    self->base.ops = &udp_ops;
    self->transport = transport;
    self->peer = (struct stack_peer){.on_output = on_output};
    self->timer = (struct loop_timer){.on_expire = on_timer};
    self->end_task = (struct loop_task){.on_run = on_end_task};
    self->heard_us = loop_now(transport->loop);
    udp_path_io_init(self, ours);
    udp_sack_init(self);
    udp_ahead_init(&self->ahead);
    udp_send_init(self);
    TAILQ_INSERT_TAIL(&transport->all, self, link);
    return self;
}

/* Undoes udp_association_new for one that nobody knows yet. */
static void discard(struct udp_association *self)
{
    udp_path_io_fini(self);
    stack_slot_give(&self->peer);
    TAILQ_REMOVE(&self->transport->all, self, link);
    free(self);
}

bool udp_association_attach(struct udp_association *self, uint16_t peer_port, uint16_t own_port)
{
    stack_slot_take(&self->peer);
    self->peer_port = peer_port;
    self->own_port = own_port;
    self->ceiling = udp_path_mtu_ceiling(self);
    self->payload = self->ceiling;
    udp_socket_prepare(self->ceiling);
    window_init(&self->window, self->ceiling - PACKET_HEADER);
    self->socket = udp_socket_open(&self->transport->options, self->ceiling,
                                   stack_address(&self->peer), own_port);
    if (self->socket)
        return true;
    int error = errno;
    discard(self);
    errno = error;
    return false;
}

void udp_association_limit(struct udp_association *self, uint64_t after_us)
{
    loop_timer_set(self->transport->loop, &self->timer, loop_now(self->transport->loop) + after_us);
}

static void drop_half_open(struct udp_association *self)
{
    self->transport->counters.half_open_lost++;
    udp_association_end(self, ERR_TRANSPORT_TIMEOUT, "");
}

/* False: there is none for this source now. */
static bool make_room(struct udp *transport, const struct address *wire)
{
    struct udp_association *one, *oldest = NULL;
    size_t of_source = 0;
    TAILQ_FOREACH_REVERSE(one, &transport->half_open, udp_association_list, half_link)
    {
        if (address_source(&one->paths[0].route.to) != address_source(wire))
            continue;
        of_source++;
        oldest = one;
    }
    if (of_source >= HALF_OPEN_OF_SOURCE) {
        if (loop_now(transport->loop) < oldest->heard_us + HALF_OPEN_YOUNG_US)
            return false;
        drop_half_open(oldest);
    } else if (transport->half_open_count >= HALF_OPEN_MAX) {
        drop_half_open(TAILQ_FIRST(&transport->half_open));
    }
    return true;
}

struct udp_path *udp_association_half_open(struct udp_local *local, const struct address *wire,
                                           const struct address *own, const struct path_key *key)
{
    struct udp *transport = local->transport;
    if (!transport->acceptor || transport->refuses || key->own_port != UDP_SCTP_PORT ||
        transport->established >= transport->options.max_associations ||
        !make_room(transport, wire))
        return NULL;
    struct udp_association *self = udp_association_new(transport, false);
    struct path_key half_open = path_key_half_open(key);
    must(udp_path_io_add(self, local, wire, own, &half_open, false));
    if (!udp_association_attach(self, key->peer_port, UDP_SCTP_PORT))
        return NULL;
    self->state = UDP_HALF_OPEN;
    TAILQ_INSERT_TAIL(&transport->half_open, self, half_link);
    transport->half_open_count++;
    udp_association_limit(self, HALF_OPEN_US);
    if (udp_socket_listen(self->socket)) {
        udp_association_end(self, ERR_TRANSPORT_SOCKET, "");
        return NULL;
    }
    return &self->paths[0];
}

void udp_association_accept(struct udp_association *self)
{
    struct socket *accepted = udp_socket_accept(self->socket);
    if (!accepted)
        return;
    udp_socket_close(self->socket);
    self->socket = accepted;
    leave_half_open(self);
    self->state = UDP_CONNECTING;
    udp_path_io_tags(self);
}

void udp_association_up(struct udp_association *self, uint16_t streams)
{
    struct udp *transport = self->transport;
    self->state = UDP_UP;
    self->streams = streams;
    transport->established++;
    udp_association_limit(self, transport->options.dead_after_us);
    udp_path_io_up(self);
    if (!self->events) {
        struct address plain = datagram_plain_address(&udp_path_in_use(self)->route.to);
        if (transport->established <= transport->options.max_associations)
            self->events =
                transport->acceptor->on_incoming(transport->acceptor, &self->base, &plain);
        if (!self->events) {
            udp_association_close(&self->base, ASSOCIATION_ABORT, "not accepted");
            return;
        }
    }
    if (self->state == UDP_UP)
        self->events->on_up(self->events, streams);
}

void udp_association_restarted(struct udp_association *self, uint16_t streams)
{
    struct udp *transport = self->transport;
    if (!transport->acceptor || transport->options.auth) {
        udp_association_end(self, ERR_TRANSPORT_RESTARTED, "");
        return;
    }
    struct udp_association *heir = udp_association_new(transport, self->choice.options.chooses);
    heir->state = UDP_CONNECTING;
    heir->socket = self->socket;
    udp_path_io_move(self, heir);
    window_init(&heir->window, self->ceiling - PACKET_HEADER);
    stack_slot_move(&self->peer, &heir->peer);
    heir->cookie = self->cookie;
    self->cookie = (struct udp_cookie){0};
    self->socket = NULL;
    udp_association_end(self, ERR_TRANSPORT_RESTARTED, "");
    udp_receive_touch(heir);
    udp_association_up(heir, streams);
}

/* ---- while it lives ---- */

static void out_of_time(struct udp_association *self)
{
    if (self->state == UDP_HALF_OPEN)
        self->transport->counters.half_open_lost++;
    char why[192] = "";
    if (self->state == UDP_CONNECTING && self->choice.options.chooses)
        udp_connect_why(self, why, sizeof why);
    udp_association_end(self, ERR_TRANSPORT_TIMEOUT, why);
}

/* Heartbeats make every living peer heard within dead_after. When it had begun to shut down and
 * only its last word was lost, everything has been delivered. */
static void on_timer(struct loop_timer *timer)
{
    struct udp_association *self = container_of(timer, struct udp_association, timer);
    if (!udp_association_is_up(self)) {
        out_of_time(self);
        return;
    }
    uint64_t limit = self->heard_us + self->transport->options.dead_after_us;
    if (loop_now(self->transport->loop) < limit)
        loop_timer_set(self->transport->loop, timer, limit);
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
        if (udp_association_is_up(self))
            udp_socket_abort(self->socket, detail);
        udp_association_end(self, ERR_LOCAL_SHUTDOWN, "");
        return;
    }
    self->state = UDP_SHUTTING;
    udp_send_pending(self);
    udp_flush(self->transport);
}

void udp_association_status(struct association *association, struct association_status *status)
{
    struct udp_association *self = container_of(association, struct udp_association, base);
    *status = (struct association_status){.streams = self->streams,
                                          .scheduler = "round-robin",
                                          .retransmissions = self->retransmissions};
    if (self->state == UDP_ENDED)
        return;
    struct udp_socket_state state = {0};
    if (self->socket && udp_association_is_up(self))
        state = udp_socket_look(self->socket);
    for (unsigned i = 0; i < TRANSPORT_ADDRESSES_MAX; i++) {
        if (!self->paths[i].owner)
            continue;
        struct path_status *path = &status->paths[status->path_count++];
        udp_path_io_status(self, i, path);
        if (!path->in_use)
            continue;
        path->congestion_window = state.congestion_window;
        /* usrsctp's own value counts data too, but in steps of 1 ms. */
        if (self->choice.count == 1) /* else the probes are newer */
            path->rtt_us = state.rtt_us >= 2000 || !self->rtt_us ? state.rtt_us : self->rtt_us;
    }
}
