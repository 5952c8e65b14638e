#include "transport/udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <usrsctp.h>

#include "base/check.h"
#include "transport/udp_association.h"
#include "transport/udp_auth.h"
#include "transport/udp_connect.h"
#include "transport/udp_receive.h"
#include "transport/udp_send.h"
#include "transport/udp_trust.h"

static bool udp_available(char *why, size_t why_size)
{
    (void)why;
    (void)why_size;
    return true; /* needs a UDP socket and nothing else */
}

static struct udp *udp_of(struct transport *transport)
{
    return container_of(transport, struct udp, base);
}

static struct udp_local *local_of(struct datagram_socket *socket)
{
    return container_of(socket, struct udp_local, socket);
}

static void on_packet(struct datagram_socket *socket, const struct address *from,
                      const struct address *own, uint8_t *packet, size_t length)
{
    udp_receive_packet(local_of(socket), from, own, packet, length);
}

static void on_batch_end(struct datagram_socket *socket)
{
    udp_receive_deliver(local_of(socket)->transport);
}

static void on_refused(struct datagram_socket *socket, const struct address *peer)
{
    udp_receive_refused(local_of(socket), peer);
}

static void on_trouble(struct datagram_socket *socket, const struct address *peer, bool too_large)
{
    udp_receive_trouble(local_of(socket), peer, too_large);
}

void udp_flush(struct udp *transport)
{
    for (uint16_t i = 0; i < transport->local_count; i++)
        if (transport->locals[i].socket.batch_count)
            datagram_flush(&transport->locals[i].socket);
}

/* usrsctp's timers may have ended an association or made room; nobody tells which. */
static void on_tick(struct stack_user *user)
{
    struct udp *self = container_of(user, struct udp, user);
    struct udp_association *association;
    TAILQ_FOREACH(association, &self->all, link)
    {
        if (association->state == UDP_ENDED || association->state == UDP_HALF_OPEN)
            continue;
        udp_ahead_tick(&association->ahead, loop_now(self->loop));
        if (association->want_writable ||
            usrsctp_get_events(association->socket) & (SCTP_EVENT_READ | SCTP_EVENT_ERROR))
            udp_receive_touch(association);
    }
    udp_receive_deliver(self);
}

static void close_locals(struct udp *self)
{
    while (self->local_count)
        datagram_close(&self->locals[--self->local_count].socket);
}

/* [::] takes IPv4 only where no other socket is there for that. */
static enum err open_locals(struct udp *self, const struct address *locals, size_t count, char *why,
                            size_t why_size)
{
    bool ipv4 = false;
    for (size_t i = 0; i < count; i++)
        ipv4 = ipv4 || locals[i].any.sa_family == AF_INET;
    for (size_t i = 0; i < count; i++) {
        struct udp_local *local = &self->locals[i];
        local->transport = self;
        local->number = (uint16_t)i;
        local->socket.on_packet = on_packet;
        local->socket.on_batch_end = on_batch_end;
        local->socket.on_refused = on_refused;
        local->socket.on_trouble = on_trouble;
        enum err e = datagram_open(&local->socket, self->loop, &locals[i], ipv4, why, why_size);
        if (e != ERR_OK) {
            close_locals(self);
            return e;
        }
        self->local_count++;
    }
    return ERR_OK;
}

static enum err udp_open(struct loop *loop, const struct address *locals, size_t local_count,
                         const struct transport_options *options,
                         struct transport_acceptor *acceptor, struct transport **transport,
                         char *why, size_t why_size)
{
    must(options->streams > 0 && local_count > 0 && local_count <= TRANSPORT_ADDRESSES_MAX);
    struct udp *self = check_alloc(sizeof *self);
    self->base.ops = &udp_ops;
    self->loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    self->user.on_tick = on_tick;
    self->last_touched = &self->touched;
    TAILQ_INIT(&self->all);
    TAILQ_INIT(&self->half_open);
    enum err e = stack_join(&self->user, loop, why, why_size);
    if (e != ERR_OK)
        goto no_stack;
    e = open_locals(self, locals, local_count, why, why_size);
    if (e != ERR_OK)
        goto no_sockets;
    path_table_init(&self->paths);
    answers_init(&self->answers);
    self->lines.per_minute = TRANSPORT_LINES;
    self->spare = message_new(MESSAGE_MAX);
    *transport = &self->base;
    return ERR_OK;
no_sockets:
    stack_leave(&self->user);
no_stack:
    free(self);
    return e;
}

static void udp_free(struct transport *transport)
{
    struct udp *self = udp_of(transport);
    must(!self->delivering);
    for (struct udp_association *association; (association = TAILQ_FIRST(&self->all));) {
        udp_association_close(&association->base, ASSOCIATION_ABORT, NULL);
        udp_association_free(association);
    }
    close_locals(self);
    stack_leave(&self->user);
    path_table_fini(&self->paths);
    message_free(self->spare);
    free(self);
}

static const struct address *udp_local(struct transport *transport, size_t index)
{
    struct udp *self = udp_of(transport);
    return index < self->local_count ? &self->locals[index].socket.local : NULL;
}

static void udp_refuse(struct transport *transport)
{
    container_of(transport, struct udp, base)->refuses = true;
}

const struct transport_ops udp_ops = {
    .name = "udp",
    .available = udp_available,
    .open = udp_open,
    .free = udp_free,
    .refuse = udp_refuse,
    .local = udp_local,
    .connect = udp_connect_begin,
    .send = udp_send_message,
    .close = udp_association_close,
    .status = udp_association_status,
    .trust = udp_trust_begin,
    .auth = udp_auth_change,
};

void udp_cut_local(struct transport *transport, size_t index, bool in, bool out)
{
    struct datagram_socket *socket = &udp_of(transport)->locals[index].socket;
    socket->cut_in = in;
    socket->cut_out = out;
}

void udp_cut_above(struct transport *transport, size_t index, size_t size)
{
    udp_of(transport)->locals[index].socket.cut_above = size;
}

void udp_cut(struct transport *transport, bool cut)
{
    for (size_t i = 0; i < udp_of(transport)->local_count; i++)
        udp_cut_local(transport, i, cut, cut);
}

void udp_count(struct transport *transport, struct udp_counters *counters)
{
    struct udp *self = udp_of(transport);
    *counters = self->counters;
    for (size_t i = 0; i < self->local_count; i++) {
        const struct datagram_counters *one = &self->locals[i].socket.counters;
        counters->datagrams.packets_in += one->packets_in;
        counters->datagrams.packets_out += one->packets_out;
        counters->datagrams.calls_in += one->calls_in;
        counters->datagrams.calls_out += one->calls_out;
        counters->datagrams.dropped_out += one->dropped_out;
    }
}
