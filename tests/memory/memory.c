/* The transport for tests: what transport.h asks of it. */
#include "tests/memory/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/memory/memory_end.h"

/* Paths are not what it is for: only the first address of each end counts. */
static enum err memory_open(struct loop *loop, const struct address *local, size_t local_count,
                            const struct transport_options *options,
                            struct transport_acceptor *acceptor, struct transport **transport,
                            char *why, size_t why_size)
{
    must(local_count > 0);
    if (local->any.sa_family != AF_INET && local->any.sa_family != AF_INET6) {
        snprintf(why, why_size, "needs an IPv4 or IPv6 address");
        return ERR_TRANSPORT_ADDRESS;
    }
    struct memory *self = check_alloc(sizeof *self);
    self->base.ops = &memory_ops;
    self->base.loop = loop;
    self->options = *options;
    self->acceptor = acceptor;
    self->local = *local;
    TAILQ_INIT(&self->base.associations);
    if (mailbox_init(&self->box, loop)) {
        snprintf(why, why_size, "mailbox: no descriptor");
        free(self);
        return ERR_TRANSPORT_SOCKET;
    }
    if (!memory_enlist(self)) {
        snprintf(why, why_size, "port %u is taken", memory_port_of(local));
        mailbox_fini(&self->box);
        free(self);
        return ERR_TRANSPORT_ADDRESS;
    }
    *transport = &self->base;
    return ERR_OK;
}

static struct memory *memory_of(struct transport *transport)
{
    return container_of(transport, struct memory, base);
}

static void memory_free(struct transport *transport)
{
    struct memory *self = memory_of(transport);
    memory_delist(self);
    self->acceptor = NULL;
    association_end_all(transport);
    mailbox_fini(&self->box);
    association_end_all(transport); /* begun by the last packets */
    free(self);
}

static const struct address *memory_local(struct transport *transport, size_t index)
{
    return index ? NULL : &memory_of(transport)->local;
}

static enum err memory_connect(struct transport *transport, const struct address *remote,
                               size_t remote_count, struct association_events *events,
                               struct association **association)
{
    struct memory *self = memory_of(transport);
    must(remote_count > 0);
    if (remote->any.sa_family != AF_INET && remote->any.sa_family != AF_INET6)
        return ERR_TRANSPORT_ADDRESS;
    struct memory_end *end = memory_end_new(self, remote);
    end->base.events = events;
    loop_timer_set(self->base.loop, &end->limit_timer,
                   loop_now(self->base.loop) + self->options.connect_timeout_us);
    end->peer_transport = memory_at_port(memory_port_of(remote));
    struct packet *packet = memory_end_packet(end, PACKET_CONNECT);
    packet->streams = self->options.streams;
    if (!memory_post(packet, end->peer_transport))
        memory_end_go_down(end, ERR_TRANSPORT_REFUSED, "nobody listens at that port");
    *association = &end->base;
    return ERR_OK;
}

static void memory_refuse(struct transport *transport)
{
    memory_of(transport)->refuses = true;
}

const struct transport_ops memory_ops = {
    .name = "memory",
    .open = memory_open,
    .free = memory_free,
    .refuse = memory_refuse,
    .local = memory_local,
    .connect = memory_connect,
    .send = memory_end_send,
    .close = memory_end_close,
    .status = memory_end_status,
};
