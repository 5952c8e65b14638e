/* The udp transport: what transport.h asks of it. */
#include "transport/udp/udp.h"

#include <stdlib.h>

#include "base/check.h"
#include "transport/udp/association.h"
#include "transport/udp/connect.h"
#include "transport/udp/engine.h"
#include "transport/udp/path_io.h"
#include "transport/udp/receive.h"
#include "transport/udp/status.h"
#include "transport/udp/unverified.h"

/* Answers in a second to probes on paths that are not confirmed. */
#define UNCONFIRMED_PER_SECOND 100

static struct udp *udp_of(struct transport *transport)
{
    return container_of(transport, struct udp, base);
}

static void close_locals(struct udp *self)
{
    while (self->local_count)
        datagram_close(&self->locals[--self->local_count].socket);
}

/* An endpoint that takes associations has a socket for INITs. */
static unsigned sharers_of(const struct udp *self)
{
    unsigned count = self->options.sharing.count;
    return !self->acceptor ? 0 : count ? count : 1;
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
        local->socket.sharers = sharers_of(self);
        local->socket.sharer = self->options.sharing.index;
        local->socket.events = &udp_receive_events;
        enum err e =
            datagram_open(&local->socket, self->base.loop, &locals[i], ipv4, why, why_size);
        if (e != ERR_OK) {
            close_locals(self);
            return e;
        }
        self->local_count++;
    }
    return ERR_OK;
}

/* A peer that is not verified may make us keep little. */
static struct sctp_listener *make_listener(struct udp *self)
{
    struct sctp_options options = udp_engine_options(self, 0);
    options.own_port = UDP_SCTP_PORT;
    if (self->options.distrusts && options.buffer > UDP_UNVERIFIED_ONE)
        options.buffer = UDP_UNVERIFIED_ONE;
    options.frugal = self->options.distrusts;
    options.sharing = self->options.sharing;
    return sctp_listener_new(&options, udp_clock(self));
}

static enum err udp_open(struct loop *loop, const struct address *locals, size_t local_count,
                         const struct transport_options *options,
                         struct transport_acceptor *acceptor, struct transport **transport,
                         char *why, size_t why_size)
{
    must(options->streams > 0 && local_count > 0 && local_count <= TRANSPORT_ADDRESSES_MAX);
    struct udp *self = check_alloc(sizeof *self);
    self->base.ops = &udp_ops;
    self->base.loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    STAILQ_INIT(&self->turn.touched);
    TAILQ_INIT(&self->base.associations);
    enum err e = open_locals(self, locals, local_count, why, why_size);
    if (e != ERR_OK) {
        free(self);
        return e;
    }
    path_table_init(&self->tables.paths);
    path_table_init(&self->tables.addresses);
    answers_init(&self->limits.answers, &options->sharing);
    self->limits.ootb.per_second = transport_part(&options->sharing, ANSWERS_OOTB_PER_SECOND, 1);
    self->limits.unconfirmed.per_second =
        transport_part(&options->sharing, UNCONFIRMED_PER_SECOND, 1);
    self->limits.idle_probes_per_second =
        transport_part(&options->sharing, UDP_PATH_IO_IDLE_PROBES, 1);
    udp_unverified_init(&self->unverified, &options->sharing);
    if (acceptor)
        self->listener = make_listener(self);
    self->limits.lines.per_minute = transport_part(&options->sharing, TRANSPORT_LINES, 1);
    *transport = &self->base;
    return ERR_OK;
}

static void udp_free(struct transport *transport)
{
    struct udp *self = udp_of(transport);
    must(!self->turn.delivering);
    association_end_all(transport);
    close_locals(self);
    sctp_listener_free(self->listener);
    path_table_fini(&self->tables.paths);
    path_table_fini(&self->tables.addresses);
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
    .shares = true,
    .open = udp_open,
    .free = udp_free,
    .refuse = udp_refuse,
    .local = udp_local,
    .connect = udp_connect_begin,
    .send = udp_engine_send,
    .close = udp_association_close,
    .status = udp_status,
    .trust = udp_unverified_trust,
    .auth = udp_association_auth,
};
