#include "transport/udp.h"

#include <stdio.h>
#include <stdlib.h>
#include <usrsctp.h>

#include "base/check.h"
#include "transport/udp_association.h"
#include "transport/udp_receive.h"
#include "transport/udp_send.h"

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

static void on_packet(struct datagram_socket *socket, const struct address *from, uint8_t *packet,
                      size_t length)
{
    udp_receive_packet(container_of(socket, struct udp, socket), from, packet, length);
}

static void on_batch_end(struct datagram_socket *socket)
{
    udp_receive_deliver(container_of(socket, struct udp, socket));
}

static void on_refused(struct datagram_socket *socket, const struct address *peer)
{
    udp_receive_refused(container_of(socket, struct udp, socket), peer);
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
        if (association->want_writable ||
            usrsctp_get_events(association->socket) & (SCTP_EVENT_READ | SCTP_EVENT_ERROR))
            udp_receive_touch(association);
    }
    udp_receive_deliver(self);
}

static enum err udp_open(struct loop *loop, const struct address *local, size_t local_count,
                         const struct transport_options *options,
                         struct transport_acceptor *acceptor, struct transport **transport,
                         char *why, size_t why_size)
{
    must(options->streams > 0 && local_count == 1);
    struct udp *self = check_alloc(sizeof *self);
    self->base.ops = &udp_ops;
    self->loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    self->socket.on_packet = on_packet;
    self->socket.on_batch_end = on_batch_end;
    self->socket.on_refused = on_refused;
    self->user.on_tick = on_tick;
    self->last_touched = &self->touched;
    TAILQ_INIT(&self->all);
    TAILQ_INIT(&self->half_open);
    enum err e = stack_join(&self->user, loop, why, why_size);
    if (e != ERR_OK)
        goto no_stack;
    e = datagram_open(&self->socket, loop, local, why, why_size);
    if (e != ERR_OK)
        goto no_socket;
    path_table_init(&self->paths);
    self->spare = message_new(MESSAGE_MAX);
    *transport = &self->base;
    return ERR_OK;
no_socket:
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
    datagram_close(&self->socket);
    stack_leave(&self->user);
    path_table_fini(&self->paths);
    message_free(self->spare);
    free(self);
}

static const struct address *udp_local(struct transport *transport, size_t index)
{
    return index ? NULL : &udp_of(transport)->socket.local;
}

const struct transport_ops udp_ops = {
    .name = "udp",
    .available = udp_available,
    .open = udp_open,
    .free = udp_free,
    .local = udp_local,
    .connect = udp_association_connect,
    .send = udp_send_message,
    .close = udp_association_close,
    .status = udp_association_status,
};

void udp_cut(struct transport *transport, bool cut)
{
    udp_of(transport)->socket.cut = cut;
}

void udp_count(struct transport *transport, struct udp_counters *counters)
{
    struct udp *self = udp_of(transport);
    *counters = self->counters;
    counters->datagrams = self->socket.counters;
}
